package encode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
)

// Originals are the frames that the encoder of a rendition gets, kept as raw video in NUT, which keeps the time of each. An encode with other
// settings of the encoder can read them (Video.FromOriginals) and gives the same bytes as one that decodes the source again, as long as no frame
// has anything else that its encoder writes, such as captions.
type Originals struct {
	Path string // "" = they are not kept
	// Preset is the preset with which the frames will be encoded again. Its encoder may look further ahead.
	Preset    string
	MaxFrames int // the file ends there; it is of no use then, because more may have followed
}

// ExactOriginals reports whether NUT keeps the times of a rendition's frames exactly. It makes ticks finer than 1/48000 s, and can do so by
// whole factors where their length is a whole fraction of a second, or 1001 times that.
func (v Video) ExactOriginals(i int) bool {
	const precision = 48000
	r := v.Renditions[i]
	tb := v.onClockOf(r).Timebase
	return r.FrameRate.Known() && (tb.Num == 1 || tb.Num == 1001 && tb.Den < 1001*precision) && tb.Den < 1<<24
}

// furthest returns r with the preset whose encoder looks furthest ahead of those that get its frames.
func (r Rendition) furthest() Rendition {
	if r.Originals.Path != "" {
		r.Preset = r.Originals.Preset
	}
	return r
}

// LeadFrames returns how many copies of the segment's first frame rendition i begins with.
func (v Video) LeadFrames(i int) int { return v.padding(v.Renditions[i]).lead }

// OriginalFrames returns about how many frames the Originals of rendition i have; 0 = unknown. frames is the number in the segment.
func (v Video) OriginalFrames(i, frames int) int {
	p := v.padding(v.Renditions[i].furthest())
	if p.frames > 0 && v.Renditions[i].Grid != nil {
		frames = p.frames
	}
	if frames == 0 {
		return 0
	}
	return p.lead + frames + p.tail
}

// splitOriginals returns the end of a branch of the graph: its frames go to the encoder, and to the file that keeps them.
func (v Video) splitOriginals(i int) string {
	r := v.Renditions[i]
	if r.Originals.Path == "" || v.FromOriginals {
		return fmt.Sprintf("[v%d]", i)
	}
	return fmt.Sprintf(",split[o%[1]d][e%[1]d];[e%[1]d]%[2]s[v%[1]d]", i, strings.Join(v.trimAhead(r), ","))
}

// trimAhead returns the filter that ends the frames where the encoder of r looks no further.
func (v Video) trimAhead(r Rendition) []string {
	end, all := v.encodeEnd(r), v.encodeEnd(r.furthest())
	if end == nil || *end == *all {
		return []string{"null"}
	}
	return trim(nil, end)
}

// keepOriginals returns the outputs that keep frames.
func (v Video) keepOriginals() (args []string) {
	if v.FromOriginals {
		return nil
	}
	for i, r := range v.Renditions {
		if r.Originals.Path == "" {
			continue
		}
		tb := v.onClockOf(r).Timebase
		args = append(args, "-map", fmt.Sprintf("[o%d]", i), "-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough",
			"-enc_time_base", fmt.Sprintf("%d:%d", tb.Num, tb.Den), "-c:v", "rawvideo", "-fflags", "+bitexact", "-avoid_negative_ts", "disabled",
			"-output_ts_offset", strconv.Itoa(ffmpeg.Offset), "-frames:v", strconv.Itoa(r.Originals.MaxFrames), "-f", "nut", option.FileURL(r.Originals.Path))
	}
	return args
}

// originalInputs returns the arguments that open the files with the frames of all renditions.
func (v Video) originalInputs() []string {
	args := append(option.Progress(), "-copyts", "-filter_complex_threads", "1")
	for _, r := range v.Renditions {
		args = append(args, "-itsoffset", strconv.Itoa(-ffmpeg.Offset), "-threads", "1")
		args = append(args, ffmpeg.DecodingLimits(r.encodedSize())...)
		args = append(args, "-f", "nut", "-i", option.FileURL(r.Originals.Path))
	}
	return args
}

// originalFilters returns the graph that passes kept frames to the encoders, with the clock and the declarations that they had.
func (v Video) originalFilters() string {
	var chains []string
	for i, r := range v.Renditions {
		chain := append([]string{"settb=" + v.onClockOf(r).Timebase.String()}, v.trimAhead(r)...)
		chains = append(chains, fmt.Sprintf("[%d:v:0]%s[v%d]", i, strings.Join(append(chain, r.parameters()...), ","), i))
	}
	return strings.Join(chains, ";")
}

// decoded returns the parameter of x264 for Decoded, whose name must be a plain word there.
func (r Rendition) decoded() string {
	if !option.Declared(r.Decoded) {
		return ""
	}
	return "dump-yuv=" + r.Decoded
}
