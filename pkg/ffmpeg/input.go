package ffmpeg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Offset is by how many seconds the timestamps of chunks, audio parts and source chunks exceed the
// source's. A frame at source tick p of a timebase num/den has the composition time p × num +
// Offset × den in its chunk, whose timescale is den. It keeps decode times before the first frame
// (B-frames, AAC priming) from being negative.
const Offset = 10

// Input is a source as ffmpeg may open it.
type Input struct {
	// Location is an absolute path, or an http or https URL. A path may contain any character but
	// NUL.
	Location string
	// Demuxer is the one that probe.Sniff chose. It is always forced, so that ffmpeg never follows
	// a playlist that poses as a video.
	Demuxer string
	// Next is the source chunk after Location, as remux.SplitArgs wrote it; "" = none. ffmpeg reads
	// the two as one stream, so that it finds the frames of an open GOP that follow the next
	// keyframe in the file and precede it in time. Neither name may contain "|"; names relative to
	// RunOptions.Dir avoid it in any folder.
	Next string
	// Previous are the source chunks before Location, the oldest first: for filters that look at the
	// frame before the first, and for decoders that need a run-up.
	Previous []string
	// TimestampOffset is by how many seconds the input's timestamps exceed the source's: Offset for
	// files that remux.SplitArgs or encode.AudioArgs wrote, 0 for a source. It is subtracted as the
	// input is read.
	TimestampOffset int
	// Origin is also subtracted from the timestamps, in microseconds: where another timeline
	// begins.
	Origin int64
	// Rate is the number of frames a second of a raw stream, which has no timestamps: frame n is at
	// n ticks of 1/Rate; zero = keep the source's timestamps.
	Rate media.Rational
	// ProbeBytes is how far ffmpeg may read to find the streams' parameters, where its own default
	// does not reach the first packets of a stream; 0 = the default.
	ProbeBytes int64
	// Jumps corrects a clock that jumps; nil = keep the source's timestamps.
	Jumps *Jumps
	// Sequence declares that Location is the folder of an image sequence, whose first file is frame
	// FirstFrame; nil = it is a file. Demuxer is "image2".
	Sequence   *Sequence
	FirstFrame int64
}

// Filters returns the filters that every decode of the input's video puts first.
func (in Input) Filters() []string {
	if in.Sequence == nil {
		return nil
	}
	return in.Sequence.Filters()
}

// Jumps describes how to read a source whose clock jumps, as where two recordings were joined.
// ffmpeg then shifts everything after a jump of 10 s or more (Step) by what the
// first packet after it implies. So two commands get the same clock only if they read the same
// streams, including those that they do not use.
type Jumps struct {
	Start int64 // probe.Media.Start, in microseconds: times before the first jump are kept
	Also  []int // the streams to read besides the one that is used
	// Decoded are the audio streams, with the one that is used. ffmpeg expects what follows a jump
	// where the last samples before it end: those that it has decoded. Of packets that are copied it
	// may not know how long they are.
	Decoded []int
	// Step is the longest step in seconds that is not a jump: JumpStep of the video's frame rate;
	// 0 = ffmpeg's default.
	Step int
}

// defaultJumpStep is the default in seconds of ffmpeg's option dts_delta_threshold.
const defaultJumpStep = 10

// maxReordered is by how many frames encoders put the decode time before the presentation time: two
// with a B-frame pyramid, five with one of 32 frames.
const maxReordered = 5

// JumpStep returns the longest step of a source's clock, in seconds, that is not a jump. ffmpeg
// compares decode times, also those of different streams. At less than one frame a second, decode
// times of frames that are reordered lie further before the sound than ffmpeg's default allows.
func JumpStep(rate media.Rational) int {
	const (
		longest = 86400 // s a frame; beyond it the product may overflow
		highest = 1000  // frames a second; ffprobe reports more where it has seen too few frames to tell
		unknown = 5     // s a frame
	)
	switch {
	case rate.Num <= 0 || rate.Den <= 0:
		return defaultJumpStep
	case rate.Num/rate.Den > highest:
		return defaultJumpStep + maxReordered*unknown
	case rate.Den <= rate.Num:
		return defaultJumpStep
	}
	return defaultJumpStep + maxReordered*int(min((rate.Den+rate.Num-1)/rate.Num, longest))
}

// TimestampOptions returns the option that keeps the source's timestamps, or that says what is a
// jump of its clock.
func (in Input) TimestampOptions() []string {
	if in.Jumps == nil {
		return []string{"-copyts"}
	}
	if in.Jumps.Step > 0 && in.Jumps.Step != defaultJumpStep {
		return []string{"-dts_delta_threshold", strconv.Itoa(in.Jumps.Step)}
	}
	return nil
}

// OutputOffset returns the value of -output_ts_offset with which output times exceed the source's
// by Offset seconds. Without -copyts ffmpeg subtracts the start from all times as it reads them, so
// it is added here. (-itsoffset cannot prevent that: a start after 10 s would be a jump.)
func (in Input) OutputOffset() string {
	if in.Jumps == nil {
		return strconv.Itoa(Offset)
	}
	return strconv.FormatInt(Offset*1_000_000+in.Jumps.Start, 10) + "us"
}

// ClockOutput returns the arguments of a null output for the streams that are read only for their
// timestamps. They must come last.
func (in Input) ClockOutput() []string {
	if in.Jumps == nil || len(in.Jumps.Also)+len(in.Jumps.Decoded) == 0 {
		return nil
	}
	var args []string
	for _, s := range slices.Concat(in.Jumps.Also, in.Jumps.Decoded) {
		args = append(args, "-map", fmt.Sprintf("0:%d", s))
	}
	return append(args, "-c", "copy", "-c:a", "pcm_s16le", "-f", "null", "-")
}

// remote reports whether the location is a URL; otherwise it is a path.
func (in Input) remote() bool {
	return strings.HasPrefix(in.Location, "https://") || strings.HasPrefix(in.Location, "http://")
}

// probeMicros is how many microseconds of media ffmpeg may read with ProbeBytes: so many that the
// bytes are the limit.
const probeMicros = "3600000000"

// Options returns ffmpeg's arguments before -i: allowed protocols and their settings, time shift,
// rate, demuxer.
func (in Input) Options() []string { return in.options("-r") }

// ProbeOptions returns the same for ffprobe, which does not know -r: the demuxers of raw streams take
// a frame rate themselves.
func (in Input) ProbeOptions() []string { return in.options("-framerate") }

func (in Input) options(rate string) []string {
	var args []string
	switch {
	case strings.HasPrefix(in.Location, "https://"):
		args = append(args, "-protocol_whitelist", "https,tls,tcp", "-tls_verify", "1")
	case in.remote():
		args = append(args, "-protocol_whitelist", "http,tcp")
	case in.Next != "" || len(in.Previous) > 0:
		args = append(args, "-protocol_whitelist", "file,concat")
	default:
		args = append(args, "-protocol_whitelist", "file")
	}
	if in.remote() {
		// A broken connection resumes at its position, for some seconds. A server that is silent
		// for 30 s is given up.
		args = append(args, "-reconnect", "1", "-reconnect_on_network_error", "1",
			"-reconnect_on_http_error", "5xx", "-reconnect_delay_max", "4", "-rw_timeout", "30000000")
	}
	if in.ProbeBytes > 0 {
		args = append(args, "-probesize", strconv.FormatInt(in.ProbeBytes, 10), "-analyzeduration", probeMicros)
	}
	switch {
	case in.Origin != 0:
		args = append(args, "-itsoffset", strconv.FormatInt(-int64(in.TimestampOffset)*1_000_000-in.Origin, 10)+"us")
	case in.TimestampOffset != 0:
		args = append(args, "-itsoffset", strconv.Itoa(-in.TimestampOffset))
	}
	if in.Sequence != nil {
		args = append(args, in.Sequence.options(in.FirstFrame)...)
	}
	if in.Rate.Known() {
		args = append(args, rate, in.Rate.String())
	}
	if in.Demuxer != "" {
		args = append(args, "-f", in.Demuxer)
	}
	if in.Demuxer == "dash" { // it does not know .vtt, and would reject a manifest that names subtitles
		args = append(args, "-allowed_extensions", "ALL")
	}
	return args
}

// URL returns the argument of -i.
func (in Input) URL() string {
	if in.remote() {
		return in.Location
	}
	if in.Next != "" || len(in.Previous) > 0 {
		var urls []string
		for _, path := range append(slices.Clone(in.Previous), in.Location, in.Next) {
			if path != "" {
				urls = append(urls, option.FileURL(path))
			}
		}
		return "concat:" + strings.Join(urls, "|")
	}
	if in.Sequence != nil {
		return option.FileURL(in.Sequence.url(in.Location))
	}
	return option.FileURL(in.Location)
}
