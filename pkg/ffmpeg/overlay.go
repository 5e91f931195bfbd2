package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Overlay is a picture that lies over every frame of a video. The zero value is none.
type Overlay struct {
	// Path is a file of raw pixels: red, green, blue and alpha of 16 bits, highest byte first, colours multiplied by alpha.
	Path string
	Size media.Size // of the picture in the file

	Width, Height, X, Y int // where it lies in the frame, in pixels
}

// InputArgs returns the arguments that open the picture as an input of its own.
func (o Overlay) InputArgs() []string {
	return append(AllocationLimits(), "-protocol_whitelist", "file", "-f", "rawvideo", "-pixel_format", "rgba64be",
		"-video_size", fmt.Sprintf("%dx%d", o.Size.Width, o.Size.Height), "-framerate", "1", "-i", option.FileURL(o.Path))
}

// longAgo is a time before that of any frame, in ticks: the picture lies over those that have the time of the picture or a later one.
const longAgo = "-1000000000000"

// maxSync is the number of ticks a second from which on ffmpeg's overlay rounds the times of frames to microseconds (AV_TIME_BASE / 2 of
// ff_framesync_configure, libavfilter/framesync.c).
const maxSync = 500_000

// Filters returns the rest of a chain of filters of a graph: what lays the picture over frames of a format, whose timebase is tb and whose
// colours have a matrix, by the scaler's name, and a range. input is the number of the picture's input, label is
// the beginning of labels that are free. around is a time near to those of the frames, in ticks. Frames keep their times.
func (o Overlay) Filters(input int, label string, tb media.Rational, around int64, format, matrix, colourRange string) []string {
	sampling := "420"
	if strings.Contains(format, "422") {
		sampling = "422"
	} else if strings.Contains(format, "444") {
		sampling = "444"
	}
	layer, blend := "yuva"+sampling+"p", "yuv"+sampling
	if strings.Contains(format, "10") {
		layer, blend = layer+"10le", blend+"p10"
	}
	before, after, clock := coarse(tb, around)
	picture := fmt.Sprintf("[%d:v:0]settb=%s,setpts=%s,format=gbrap16,scale=%d:%d:flags=bicubic+accurate_rnd+full_chroma_int+bitexact,unpremultiply=inplace=1,"+
		"scale=flags=bicubic+accurate_rnd+full_chroma_int+bitexact:out_color_matrix=%s:out_range=%s,format=%s[%slayer]",
		input, clock, longAgo, o.Width, o.Height, matrix, colourRange, layer, label)
	chain := append(before, fmt.Sprintf("null[%[1]sbelow];%[2]s;[%[1]sbelow][%[1]slayer]overlay=%[3]d:%[4]d:format=%[5]s", label, picture, o.X, o.Y, blend))
	return append(chain, after...)
}

// coarse returns the filters that count the ticks of a fine timebase on a coarser clock, those that count them again on their own, and the
// coarser clock: ffmpeg's overlay knows the times of frames no better than to microseconds where there are many ticks a second.
func coarse(tb media.Rational, around int64) (before, after []string, clock string) {
	if tb.Den < maxSync {
		return nil, nil, tb.String()
	}
	by := tb.Den
	for d := int64(2); d*d <= tb.Den; d++ {
		if tb.Den%d != 0 {
			continue
		}
		if tb.Den/d < maxSync {
			by = d
			break
		}
		if d < maxSync {
			by = min(by, tb.Den/d)
		}
	}
	clock = fmt.Sprintf("%d*%d/%d", tb.Num, by, tb.Den)
	at := strconv.FormatInt(around, 10)
	return []string{fmt.Sprintf("setpts=(PTS-(%s))*%d", at, by), "settb=" + clock}, []string{"settb=" + tb.String(), fmt.Sprintf("setpts=PTS/%d+(%s)", by, at)}, clock
}

// ScalerMatrix returns the scaler's name of a matrix by ffprobe's. One that the source does not declare is guessed as players do.
func ScalerMatrix(space string, hd bool) string {
	switch space {
	case "bt709", "fcc", "smpte240m":
		return space
	case "bt470bg", "smpte170m":
		return "bt601"
	case "bt2020nc", "bt2020c":
		return "bt2020"
	}
	if hd {
		return "bt709"
	}
	return "bt601"
}
