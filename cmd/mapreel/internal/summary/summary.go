// Package summary writes what a run made as people read it.
package summary

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/progress"
	"github.com/mapreel/mapreel/pkg/tool/job"
	"github.com/mapreel/mapreel/pkg/verify"
)

// Of returns the summary of a finished run; end is the last snapshot of its progress.
func Of(r local.Report, end progress.Snapshot) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		printable.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	speed := ""
	if end.Worked > 0 && r.Elapsed > 0 {
		speed = fmt.Sprintf(" (%sx real time)", format.Rate(media.Microseconds.Duration(end.Worked).Seconds()/r.Elapsed.Seconds()))
	}
	line("done", "in %s%s, %s CPU seconds", format.Duration(r.Elapsed), speed, format.Rate(r.CPU.Seconds()))
	if n, now := r.Units[film.VideoKind], r.Ran[film.VideoKind]; n > 0 {
		line("segments", "%d: %d encoded now, %d already done", n, now, n-now)
	}
	pieces := 0
	for name, n := range r.Units {
		if strings.HasPrefix(name, job.ToolKind+"/") {
			pieces += n
		}
	}
	if now := r.Ran[job.ToolKind]; pieces > 0 {
		line("pieces", "%d: %d done now, %d already done", pieces, now, pieces-now)
	}
	line("source", "%s", format.Bytes(r.Source))
	for _, o := range Outputs(r) {
		ratio := ""
		if r.Source > 0 && pieces == 0 {
			ratio = fmt.Sprintf(" (%.0f %% of the source)", 100*float64(o.Bytes())/float64(r.Source))
		}
		frames := ""
		if o.Frames > 0 {
			frames = fmt.Sprintf(", %d frames", o.Frames)
		}
		line("output", "%s%s%s", format.Bytes(o.Bytes()), ratio, frames)
		for _, v := range o.Video {
			line("", "%s", formatVideo(v))
		}
		for _, v := range o.Previews {
			line("", "%s", formatPreview(v))
		}
		for _, url := range []string{o.URL, o.Manifest, o.Folder} {
			if url != "" {
				line("", "%s", filepath.FromSlash(strings.TrimPrefix(url, "file://")))
			}
		}
	}
	if t := r.Twins; t.Tried > 0 {
		saved := ""
		if t.Saved > 0 {
			saved = ", saved " + format.Duration(t.Saved)
		}
		line("twins", "%s of units that took far longer than others, %d of them first, in %s%s", verify.Plural(t.Tried, "second attempt"), t.First, format.Duration(t.Spent), saved)
	}
	for _, w := range r.Warnings {
		line("warning", "%s", w)
	}
	return b.String()
}

// formatVideo returns what the video of an output is, such as "1920x1080 h264, CRF 21, preset medium, 25 fps".
func formatVideo(v film.VideoFacts) string {
	text := fmt.Sprintf("%dx%d %s, %s", v.Width, v.Height, v.Codec, quality(v))
	if v.MaxBitrate > 0 {
		text += fmt.Sprintf(", at most %v", v.MaxBitrate)
	}
	text += ", preset " + v.Preset
	if v.FrameRate.Den > 0 {
		text += fmt.Sprintf(", %s fps", strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", float64(v.FrameRate.Num)/float64(v.FrameRate.Den)), "0"), "."))
	}
	return text
}

// quality returns how well the video of an output is encoded, such as "CRF 21", or with a target
// "xpsnr 42.03 dB (target 42.00 dB; worst segment 41.80 dB at 1m20s; CRF 19.5 to 31.25)".
func quality(v film.VideoFacts) string {
	if b := v.Bitrate; b != nil {
		return fmt.Sprintf("%v bit/s (wanted %v; CRF %v to %v)", b.Bitrate, b.Wanted, b.MinCRF, b.MaxCRF)
	}
	q := v.Quality
	if q == nil {
		return fmt.Sprintf("CRF %d", v.CRF)
	}
	show := q.Metric.Format
	return fmt.Sprintf("%s %s (target %s; worst segment %s at %v; CRF %v to %v)", q.Metric, show(q.Mean), show(q.Target), show(q.Worst),
		time.Duration(q.At).Round(time.Second), q.MinCRF, q.MaxCRF)
}

// formatPreview returns what a preview is, such as "stills: 30 files of 854x480, jpg, 412.3 kB".
func formatPreview(p film.PreviewFacts) string {
	encoding := ""
	if p.Format != "" {
		encoding = string(p.Format) + ", "
	}
	return fmt.Sprintf("%s: %s of %dx%d, %s%s", p.Form, verify.Plural(int(p.Files), "file"), p.Width, p.Height, encoding, format.Bytes(p.Size))
}

// Twins are second tries of units as the report has them.
type Twins struct {
	Tried int          `json:"tried"`
	First int          `json:"first"` // of them, those that were done first
	Spent film.Seconds `json:"spent"` // that they took
	Saved film.Seconds `json:"saved"` // that the first tries would have taken longer, by what they had done; 0: not known
}

// TwinsOf returns the second tries of a run; nil for a run without any.
func TwinsOf(r local.Report) *Twins {
	if r.Twins.Tried == 0 {
		return nil
	}
	whole := func(d time.Duration) film.Seconds { return film.Seconds(d.Round(time.Millisecond)) }
	return &Twins{r.Twins.Tried, r.Twins.First, whole(r.Twins.Spent), whole(r.Twins.Saved)}
}

// Outputs returns the outputs of a run.
func Outputs(r local.Report) []film.OutputFacts {
	list := make([]film.OutputFacts, len(r.Outputs))
	for i, data := range r.Outputs {
		_ = json.Unmarshal(data, &list[i]) // the program wrote it
	}
	return list
}
