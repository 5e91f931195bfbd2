// Package decode builds the arguments of ffmpeg that decode a whole stream to raw frames or samples
// on standard output, with a log of their times on descriptor 3.
package decode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Video is one decode of a whole video stream to raw frames of one size and format.
type Video struct {
	Input    ffmpeg.Input
	Stream   int            // index of the stream in the input
	Timebase media.Rational // of the stream, and of the frame log
	Part     Part
	// Threads of the decoder; 0 = as many as there are cores. The result of decoding a damaged
	// frame depends on it.
	Threads int

	Deinterlace bool          // converts fields to frames, as encode.VideoArgs does
	Crop        ffmpeg.Region // of the frame, before anything else but Deinterlace; zero = all
	// Filter is applied after Crop to each frame by itself, if package filter allows it. Matrix and range of its conversions are Colours'.
	Filter  string
	Colours filter.Colours
	// CropWidth and CropHeight keep the upper left part of that size, before scaling; 0 = all.
	CropWidth, CropHeight int
	// Overlay lies over the scaled frames, whose colours have the matrix OverlayMatrix, by the scaler's name.
	Overlay       ffmpeg.Overlay
	OverlayMatrix string
	Burn          ffmpeg.Burn    // subtitles that are drawn over that
	BurnAspect    media.Rational // of a pixel of the scaled frames
	Width, Height int
	// PixelFormat is planar ("yuv420p", "yuv422p10le"). The range of the samples is always limited
	// ("tv").
	PixelFormat string
	// Matrix is how RGB frames are converted to PixelFormat, as ffprobe names it ("bt709"); "" = by
	// BT.601, as ffmpeg does on its own.
	Matrix string
}

// VideoArgs returns the arguments of ffmpeg that write the frames to standard output, one after the
// other, and their timestamps to descriptor 3, for an ffmpeg.FrameLog. A timestamp is written
// before its frame, unbuffered, so a reader may wait for either.
func VideoArgs(v Video) []string {
	chain := v.Input.Filters()
	if v.Deinterlace {
		chain = append(chain, "bwdif=mode=send_frame:deint=interlaced")
	}
	chain = append(chain, fmt.Sprintf("settb=%s", v.Timebase), v.Part.filter("trim", v.Timebase)+ffmpeg.FrameLogFilters()+":direct=1")
	chain = append(chain, v.Crop.Filters()...)
	if c, err := filter.Parse(v.Filter); err == nil {
		chain = append(chain, c.Graph(v.Colours)...)
	}
	if v.CropWidth > 0 && v.CropHeight > 0 {
		chain = append(chain, fmt.Sprintf("crop=%d:%d:0:0:exact=1", v.CropWidth, v.CropHeight))
	}
	scale := fmt.Sprintf("scale=%d:%d:flags=bicubic:out_range=tv", v.Width, v.Height)
	if m := scaleMatrix[v.Matrix]; m != "" {
		scale += ":out_color_matrix=" + m
	}
	chain = append(chain, scale)
	if option.Declared(v.PixelFormat) {
		chain = append(chain, "format="+v.PixelFormat)
	}
	args := inputArgs(v.Input, v.Threads, v.Part)
	if v.Overlay.Path != "" && option.Declared(v.OverlayMatrix) {
		args = append(args, v.Overlay.InputArgs()...)
		chain = append(chain, v.Overlay.Filters(1, "o", v.Timebase, 0, v.PixelFormat, v.OverlayMatrix, "tv")...)
	}
	if text := v.Burn.Filter(media.Size{Width: v.Width, Height: v.Height}, v.BurnAspect); text != "" {
		chain = append(chain, text)
	}
	args = append(args, "-filter_complex", fmt.Sprintf("[0:%d]%s[v]", v.Stream, strings.Join(chain, ",")))
	args = append(args, "-map", "[v]", "-fps_mode", "passthrough",
		"-enc_time_base", fmt.Sprintf("%d:%d", v.Timebase.Num, v.Timebase.Den), "-f", "rawvideo", "pipe:1")
	return append(args, v.Input.ClockOutput()...)
}

// scaleMatrix has the filter scale's name of a matrix for each of ffprobe's.
var scaleMatrix = map[string]string{
	"bt709": "bt709", "fcc": "fcc", "bt470bg": "bt470", "smpte170m": "smpte170m", "smpte240m": "smpte240m", "bt2020nc": "bt2020",
}

// inputArgs returns the arguments that read an input. If its clock jumps, times count from
// Jumps.Start.
func inputArgs(in ffmpeg.Input, threads int, part Part) []string {
	args := append([]string{"-hide_banner", "-nostdin", "-loglevel", ffmpeg.Levelled, "-nostats"}, in.TimestampOptions()...)
	args = append(args, ffmpeg.AllocationLimits()...)
	if threads > 0 {
		args = append(args, "-threads", strconv.Itoa(threads))
	}
	if in.Sequence != nil { // its filters accept frames that change
		args = append(args, "-reinit_filter", "0")
	}
	args = append(args, part.inputOptions()...)
	return append(append(args, in.Options()...), "-i", in.URL())
}
