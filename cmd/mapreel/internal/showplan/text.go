package showplan

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/estimating"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Write writes a plan for people. Of commands that differ in times alone it writes the first two; JSON has all.
func Write(w io.Writer, p Plan) {
	line := func(name, text string, args ...any) {
		printable.Fprintf(w, "%-11s %s\n", name, fmt.Sprintf(text, args...))
	}
	line("job", "%s", p.Job)
	line("source", "%s", p.Source)
	if v := p.Video; v != nil {
		line("  video", "%s", sourceVideo(*v))
	}
	for i, t := range p.Audio {
		line("  audio", "%s", strings.Join(nonEmpty(fmt.Sprintf("%d: %s", i+1, t.Codec), fmt.Sprintf("%d channels", t.Channels), fmt.Sprintf("%d Hz", t.SampleRate), t.Language, t.Title), ", "))
	}
	for i, t := range p.Subtitles {
		line("  subtitles", "%s", strings.Join(nonEmpty(fmt.Sprintf("%d: %s", i+1, t.Codec), t.Language, t.Title), ", "))
	}
	for i, o := range p.Outputs {
		line("output", "%s", filepath.FromSlash(strings.TrimPrefix(o, "file://")))
		if i < len(p.Files) {
			p.writeOutput(line, p.Files[i])
		}
	}
	for _, text := range p.Losses {
		line("loss", "%s", text)
	}
	if len(p.Losses) == 0 && p.Files != nil {
		line("loss", "none that the plan knows of")
	}
	for _, text := range p.Notes {
		line("note", "%s", text)
	}
	p.writeSegments(w)
	p.writeCommands(w)
	if p.Estimate != nil {
		printable.Fprintf(w, "\nESTIMATE\n")
		estimating.Write(w, *p.Estimate)
	}
}

func (p Plan) writeOutput(line func(string, string, ...any), o film.OutputPlan) {
	for _, r := range o.Renditions {
		line("  video", "%s", rendition(p.Renditions[r]))
	}
	for _, r := range o.TrickPlay {
		line("  trick play", "%s", rendition(p.Renditions[r]))
	}
	for _, a := range o.Audio {
		r := p.AudioRenditions[a]
		text := fmt.Sprintf("track %d: copied", r.Track+1)
		if r.Codec != film.AudioCopy {
			text = fmt.Sprintf("track %d: %s, %v", r.Track+1, r.Codec, r.Bitrate)
			if r.Parts > 1 {
				text += fmt.Sprintf(", in %d parts", r.Parts)
			}
		}
		line("  audio", "%s", text)
	}
	for _, s := range o.Subtitles {
		r := p.SubtitleRenditions[s]
		line("  subtitles", "track %d: %s", r.Track+1, r.Codec)
	}
	for _, v := range o.Previews {
		line("  pictures", "%s", strings.Join(nonEmpty(string(v.Form), string(v.Format)), ", "))
	}
}

// rendition returns what a video rendition is, such as "h264 1280x720, CRF 21, preset medium, yuv420p".
func rendition(r film.Rendition) string {
	text := fmt.Sprintf("%s %dx%d, %s, preset %s, %s", r.Codec, r.Width, r.Height, quality(r), r.Preset, r.PixelFormat)
	if r.MaxBitrate > 0 {
		text += fmt.Sprintf(", at most %v", r.MaxBitrate)
	}
	for _, f := range []struct {
		set  bool
		text string
	}{
		{r.Deinterlace, "deinterlaced"},
		{r.Interlaced != "", "fields kept"},
		{r.ToneMap, "tone-mapped"},
		{r.Rate.Known(), "at " + rate(r.Rate)},
		{r.Inner != (media.Size{}), "padded"},
		{r.Crop != (media.Size{}), "cropped"},
	} {
		if f.set {
			text += ", " + f.text
		}
	}
	return text
}

// quality returns how well a rendition will be encoded.
func quality(r film.Rendition) string {
	switch {
	case r.Bitrate > 0:
		return fmt.Sprintf("%v by a CRF of each segment's own", r.Bitrate)
	case r.FileSize > 0:
		return fmt.Sprintf("a file of %v by a CRF of each segment's own", r.FileSize)
	}
	if q := r.Quality; q.Target != 0 {
		return fmt.Sprintf("%s %s by a CRF of %d to %d in each segment", q.Metric, q.Metric.Format(q.Target), q.Min, q.Max)
	}
	return fmt.Sprintf("CRF %d", r.CRF)
}

func sourceVideo(v film.VideoTrack) string {
	speed := ""
	switch {
	case v.ConstantRate.Known():
		speed = rate(v.ConstantRate)
	case v.FrameRate.Known():
		speed = "about " + rate(v.FrameRate)
	}
	return strings.Join(nonEmpty(fmt.Sprintf("%s %dx%d", v.Codec, v.Width, v.Height), v.PixelFormat, speed), ", ")
}

func rate(r media.Rational) string {
	text := strings.TrimRight(fmt.Sprintf("%.3f", float64(r.Num)/float64(r.Den)), "0")
	return strings.TrimSuffix(text, ".") + " fps"
}

func nonEmpty(list ...string) []string {
	var kept []string
	for _, s := range list {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

func (p Plan) writeSegments(w io.Writer) {
	switch {
	case len(p.Segments) > 0:
		printable.Fprintf(w, "\n%-9s %-14s %-14s %-7s %s\n", "SEGMENT", "FROM", "TO", "FRAMES", "BEGINS AT")
	case p.Split:
		printable.Fprintf(w, "\nThe source has no index: its segments are known when it was split.\n")
	}
	for i, s := range p.Segments {
		frames, why := "?", string(s.Boundary)
		if s.Frames > 0 {
			frames = fmt.Sprint(s.Frames)
		}
		if s.Decoded < s.Start && i > 0 {
			why += fmt.Sprintf(" (decoded from the keyframe at %s)", clock(s.Decoded))
		}
		printable.Fprintf(w, "%-9d %-14s %-14s %-7s %s\n", i+1, clock(s.Start), clock(s.End), frames, why)
	}
}

// clock formats a time as 1:02:03.456.
func clock(s film.Seconds) string {
	sign, ms := "", time.Duration(s).Round(time.Millisecond).Milliseconds()
	if ms < 0 {
		sign, ms = "-", -ms
	}
	return fmt.Sprintf("%s%d:%02d:%02d.%03d", sign, ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// shownCommands is how many commands of one kind are written: the first decodes from the beginning of the source, the second from
// a keyframe.
const shownCommands = 2

func (p Plan) writeCommands(w io.Writer) {
	shown := map[string]int{}
	for i, c := range p.Commands {
		if i == 0 {
			printable.Fprintf(w, "\nCOMMANDS (in the folder of each unit)\n")
		}
		kind, _, _ := strings.Cut(c.Unit, "/")
		if shown[kind]++; shown[kind] <= shownCommands {
			printable.Fprintf(w, "%s:\n  %s\n", c.Unit, shell(c.Line))
		}
	}
	for _, c := range p.Commands {
		kind, _, _ := strings.Cut(c.Unit, "/")
		if n := shown[kind]; n > shownCommands {
			printable.Fprintf(w, "and %d more of %s, for other times\n", n-shownCommands, kind)
			shown[kind] = 0
		}
	}
}

// plain matches a word that a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shell returns a command line as a POSIX shell reads it.
func shell(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		if quoted[i] = word; !plain.MatchString(word) {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
