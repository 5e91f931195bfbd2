package verify

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// compareMetadata compares what the two files declare about their streams, with a check for each
// thing that a viewer would miss. What the output's container cannot hold is a note. bitmaps
// reports whether that container can hold bitmap subtitles. region is the part of the source's frame that the output shows, and
// picture the part of the output's frame that shows it.
func compareMetadata(source, output probe.Media, bitmaps bool, region, picture film.Region) []Check {
	var checks []Check
	a, b := mainVideo(source), mainVideo(output)
	if a != nil && b != nil {
		checks = append(checks, aspectCheck(cropped(*a, region), cropped(*b, picture)), colourCheck(*a, *b))
		if c, ok := hdr10Check(*a, *b); ok {
			checks = append(checks, c)
		}
	}
	checks = append(checks, audioTracksCheck(source, output)...)
	checks = append(checks, subtitleChecks(streamsOf(source, "subtitle"), streamsOf(output, "subtitle"), bitmaps)...)
	if len(source.Chapters) > 0 {
		c := chaptersCheck(source, output)
		if isPlaylist(output.Format) && len(output.Chapters) == 0 {
			c.Verdict, c.Limit = Note, "in a file beside the media"
		}
		checks = append(checks, c)
	}
	if title := source.Tags["title"]; title != "" {
		if output.Format == "hls" {
			title = quotedStringText(title)
		}
		checks = append(checks, textCheck("title", title, output.Tags["title"]))
	}
	return checks
}

// mainVideo returns the video stream to compare: the first that is not cover art. In a package with
// several renditions, which all show the same, it is the largest.
func mainVideo(m probe.Media) *probe.Stream {
	var found *probe.Stream
	for i, s := range m.Streams {
		if s.Type != "video" || s.AttachedPic || s.Codec == "" || s.Width <= 0 || s.Height <= 0 {
			continue
		}
		if found == nil || isPlaylist(m.Format) && s.Width*s.Height > found.Width*found.Height {
			found = &m.Streams[i]
		}
	}
	return found
}

func isPlaylist(format string) bool { return format == "hls" || format == "dash" }

// streamsOf returns the usable streams of a type, without cover art.
func streamsOf(m probe.Media, kind string) []probe.Stream {
	return slices.DeleteFunc(slices.Clone(m.Streams), func(s probe.Stream) bool {
		return s.Type != kind || s.AttachedPic || kind == "audio" && (s.Codec == "" || s.Channels <= 0)
	})
}

// textCheck checks that a text equals the source's.
func textCheck(name, want, got string) Check {
	switch got {
	case want:
		return Check{Name: name, Verdict: Good, Figure: "kept: " + want}
	case "":
		return Check{Name: name, Verdict: Bad, Figure: "lost: " + want}
	}
	return Check{Name: name, Verdict: Bad, Figure: "changed: " + want + " became " + got}
}

// displayedSize returns a stream's size after rotation and before its pixels are stretched.
func displayedSize(s probe.Stream) (width, height int) {
	if s.Rotation%180 != 0 {
		return s.Height, s.Width
	}
	return s.Width, s.Height
}

// aspectCheck compares the display aspect ratio. An odd column or row that is cropped or added
// changes it slightly.
func aspectCheck(a, b probe.Stream) Check {
	aw, ah := displayedSize(a)
	bw, bh := displayedSize(b)
	aspect := func(s probe.Stream, w, h int) float64 {
		sar := 1.0
		if s.SAR.Known() {
			sar = float64(s.SAR.Num) / float64(s.SAR.Den)
			if s.Rotation%180 != 0 {
				sar = 1 / sar
			}
		}
		return float64(w) * sar / float64(h)
	}
	want, got := aspect(a, aw, ah), aspect(b, bw, bh)
	// Sizes are even, so each may be off by two.
	limit := max(0.01, 2/float64(min(bw, bh)))
	c := Check{
		Name: "aspect ratio", Verdict: Good, Limit: fmt.Sprintf("within %.1f %%", 100*limit),
		Figure: fmt.Sprintf("%dx%d to %dx%d, aspect %.3f to %.3f", aw, ah, bw, bh, want, got),
	}
	if math.Abs(got/want-1) > limit {
		c.Verdict = Bad
	}
	return c
}

// isHDR reports whether a transfer function is one of HDR.
func isHDR(transfer string) bool { return transfer == "smpte2084" || transfer == "arib-std-b67" }

// toneMapped reports whether an HDR source became SDR, or the other way round.
func toneMapped(a, b probe.Stream) bool {
	return (isHDR(a.Color.Transfer) || isHDR(b.Color.Transfer)) && a.Color.Transfer != b.Color.Transfer
}

// colourCheck compares the colour description, as far as the source declares one. RGB becomes YUV;
// then only the transfer function and the primaries are compared.
func colourCheck(a, b probe.Stream) Check {
	c := Check{Name: "colour", Verdict: Good}
	if toneMapped(a, b) {
		c.Verdict, c.Figure = Note, fmt.Sprintf("tone-mapped: %s to %s", orUnknown(a.Color.Transfer), orUnknown(b.Color.Transfer))
		if b.Color.Transfer == "" {
			c.Verdict, c.Figure = Bad, "lost: "+a.Color.Transfer+" became unknown"
		}
		return c
	}
	rangeOf := func(s probe.Stream) string {
		if s.Color.Range == "" && !strings.HasPrefix(s.PixelFormat, "yuvj") {
			return "tv" // what players assume
		}
		if s.Color.Range == "" {
			return "pc"
		}
		return s.Color.Range
	}
	var kept, changed []string
	for _, part := range []struct{ name, want, got string }{
		{"range", rangeOf(a), rangeOf(b)},
		{"matrix", a.Color.Space, b.Color.Space},
		{"transfer", a.Color.Transfer, b.Color.Transfer},
		{"primaries", a.Color.Primaries, b.Color.Primaries},
	} {
		rgb := a.Color.Space == "gbr" || strings.Contains(a.PixelFormat, "rgb") || strings.HasPrefix(a.PixelFormat, "gbr")
		switch {
		case part.want == "" || rgb && (part.name == "range" || part.name == "matrix"):
		case part.want == part.got:
			kept = append(kept, part.want)
		default:
			changed = append(changed, fmt.Sprintf("%s %s became %s", part.name, part.want, orUnknown(part.got)))
		}
	}
	c.Figure = "kept: " + strings.Join(kept, " ")
	if len(changed) > 0 {
		c.Verdict, c.Figure = Bad, strings.Join(changed, ", ")
	}
	return c
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// hdr10Check compares the static HDR10 metadata, if the source has any and the output is still HDR.
func hdr10Check(a, b probe.Stream) (Check, bool) {
	if a.HDR.Mastering == nil && a.HDR.Light == nil || toneMapped(a, b) {
		return Check{}, false
	}
	c := Check{Name: "HDR10", Verdict: Good, Figure: "kept"}
	var changed []string
	if a.HDR.Mastering != nil && (b.HDR.Mastering == nil || !sameDisplay(*a.HDR.Mastering, *b.HDR.Mastering)) {
		changed = append(changed, "mastering display")
	}
	if a.HDR.Light != nil && (b.HDR.Light == nil || *a.HDR.Light != *b.HDR.Light) {
		changed = append(changed, "light levels")
	}
	if len(changed) > 0 {
		c.Verdict, c.Figure = Bad, "lost or changed: "+strings.Join(changed, ", ")
		if b.Codec != "hevc" && b.Codec != "av1" {
			c.Verdict = Note
		}
	}
	return c, true
}

// sameDisplay allows for the coarser units of AV1: 1/65536 for chromaticity, 1/256 and 1/16384 cd/m² for luminance.
func sameDisplay(a, b media.Mastering) bool {
	near := func(x, y, by int64) bool { return abs(x-y) <= by }
	for i := range 2 {
		if !near(a.Red[i], b.Red[i], 1) || !near(a.Green[i], b.Green[i], 1) || !near(a.Blue[i], b.Blue[i], 1) || !near(a.White[i], b.White[i], 1) {
			return false
		}
	}
	return near(a.Max, b.Max, 40) && near(a.Min, b.Min, 1)
}

// audioTracksCheck compares the audio tracks one by one, in their order.
func audioTracksCheck(source, output probe.Media) []Check {
	a, b := streamsOf(source, "audio"), streamsOf(output, "audio")
	c := Check{Name: "audio tracks", Verdict: Good, Figure: strconv.Itoa(len(b)), Limit: strconv.Itoa(len(a))}
	if len(a) == 0 && len(b) == 0 {
		c.Figure, c.Limit = "none, as the source", ""
		return []Check{c}
	}
	if len(a) != len(b) {
		c.Verdict = Bad
		return []Check{c}
	}
	var changed []string
	for i := range a {
		n := ""
		if len(a) > 1 {
			n = fmt.Sprintf("%d: ", i+1)
		}
		differ := func(what, want, got string) {
			if want != "" && want != got && (what != "language" || !film.SameLanguage(want, got)) {
				changed = append(changed, fmt.Sprintf("%s%s %s became %s", n, what, want, orUnknown(got)))
			}
		}
		differ("language", a[i].Language, b[i].Language)
		switch title := a[i].Title; output.Format {
		case "dash": // libavformat ignores the labels of an MPD
		case "hls":
			differ("title", quotedStringText(title), b[i].Title)
		default:
			if title != b[i].Tags["handler_name"] { // in MP4, some players show nothing else
				differ("title", title, b[i].Title)
			}
		}
		if b[i].Channels != heldChannels(a[i], b[i].Codec) {
			differ("channels", strconv.Itoa(a[i].Channels), strconv.Itoa(b[i].Channels))
		}
		if len(a) > 1 && hasDefaults(source.Format) && hasDefaults(output.Format) && isDefault(a[i], a) != isDefault(b[i], b) {
			changed = append(changed, fmt.Sprintf("%sdefault %t became %t", n, isDefault(a[i], a), isDefault(b[i], b)))
		}
	}
	// A package has exactly one default: the first default track of the source, or its first track.
	declared := func(s probe.Stream) bool { return s.Default }
	first := max(slices.IndexFunc(a, declared), 0)
	if got := slices.IndexFunc(b, declared); len(a) > 1 && output.Format == "hls" && got != first {
		changed = append(changed, fmt.Sprintf("default %d became %d", first+1, got+1))
	}
	if len(changed) > 0 {
		c.Verdict = Bad
		c.Figure += ", " + strings.Join(changed, ", ")
	}
	return []Check{c}
}

// heldChannels returns how many channels a codec has for those of a track. Opus has no 2.1 and AAC no quad: they become 5.1 and 5.0, in
// which no channel is lost.
func heldChannels(source probe.Stream, codec string) int {
	_, channels, mixed, ok := film.AudioCodec(codec).Layout(source.ChannelLayout, source.Channels)
	if !ok || mixed {
		return source.Channels
	}
	return channels
}

// hasDefaults reports whether a container, by the name of its demuxer, says which tracks play by default. For a package
// see audioTracksCheck.
func hasDefaults(format string) bool {
	return strings.Contains(format, "matroska") || strings.Contains(format, "mp4")
}

// isDefault reports whether a track plays by default: where no track is declared as such, the first does.
func isDefault(s probe.Stream, all []probe.Stream) bool {
	if !slices.ContainsFunc(all, func(s probe.Stream) bool { return s.Default }) {
		return s.Index == all[0].Index
	}
	return s.Default
}

// chapterSlack is how far the start of a chapter may move: containers count in milliseconds and
// round.
const chapterSlack = time.Millisecond

// chaptersCheck compares the titles and the starts of the chapters.
func chaptersCheck(source, output probe.Media) Check {
	a, b := source.Chapters, output.Chapters
	c := Check{Name: "chapters", Verdict: Good, Figure: strconv.Itoa(len(b)), Limit: strconv.Itoa(len(a))}
	if len(a) != len(b) {
		c.Verdict = Bad
		return c
	}
	// Starts count from the first chapter, because a file's clock may begin elsewhere. A first chapter
	// that begins before the source's first timestamp may begin with that in the output.
	from, shown := a[0].Start, a[0].Start
	if start := media.Ticks(source.Start); source.HasStart && start < a[0].End {
		shown = max(from, start)
	}
	same := func(a, b media.Ticks) bool { return abs(int64(b-a)) <= chapterSlack.Microseconds() }
	for i := range a {
		if a[i].Title != b[i].Title {
			c.Verdict = Bad
			c.Figure += fmt.Sprintf(", %d: %q became %q", i+1, a[i].Title, b[i].Title)
		}
		if at := b[i].Start - b[0].Start; !same(a[i].Start-from, at) && !same(a[i].Start-shown, at) {
			c.Verdict = Bad
			c.Figure += fmt.Sprintf(", %d: %+d ms", i+1, (at-(a[i].Start-from))/1000)
		}
	}
	return c
}
