package remux

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
)

// Split is one sequential copy of a video stream into source chunks that begin at keyframes.
//
// The first source chunk also has the packets before the first keyframe, of a capture that begins
// within a GOP: what can be seen of them is the decoder's decision, as in a single pass.
//
// A source chunk is a fragmented MP4 with the timescale Den and ffmpeg.Offset seconds added to the
// source's timestamps. Read it as ffmpeg.Input{Demuxer: "mov", TimestampOffset: Offset, Next: the
// following source chunk}. Its frames then have the source's ticks × Num in the timebase 1/Den, and
// ffmpeg finds those of an open GOP at its end in Next.
type Split struct {
	Input    ffmpeg.Input // Location must be absolute: the program runs in the folder of the source chunks
	Stream   int
	Timebase media.Rational
	// Start is probe.Media.Start: the lengths of source chunks are counted from it, in whole
	// seconds.
	Start   int64 // microseconds
	Seconds int   // the minimum length of a source chunk
	// Parsed leaves out packets that cannot be parsed. ffmpeg 5.1 writes wrong sizes for damaged packets of AV1, whose frames no decoder
	// shows.
	Parsed bool
	// Steps is the path of a list of the places where the clock steps back, for SteppedBack; "" =
	// none. They are looked for in this stream and in the audio streams Audio.
	Steps string
	// Starts is the path of a list of the first packet of each of the audio streams Audio, for
	// AudioStarts; "" = none.
	Starts string
	Audio  []int
}

// SourceChunk is a finished source chunk.
type SourceChunk struct {
	Name string // within the folder: "000000.mp4"
	// Start and End are microseconds of the source: the first keyframe, rounded, and the end of the
	// last frame. The Start of the first source chunk is that of the source, in whole seconds: a
	// bound, not a frame.
	Start, End int64
}

// splittable are the codecs whose packets a source chunk (MP4) can hold: those of codec_mp4_tags in
// libavformat/movenc.c that occur in sources without an index.
var splittable = []string{"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "vp9", "av1"}

// Splittable reports whether SplitArgs keeps this stream's frames and times exactly. If not, the
// source must be encoded in one segment, with the times that the decoder finds.
func Splittable(demuxer string, s probe.Stream) bool {
	if lacksPTS(demuxer) && (s.Codec == "h264" || s.Codec == "hevc") {
		return false // only the decoder knows the order of the frames
	}
	return s.Timebase.Known() && slices.Contains(splittable, s.Codec)
}

// lacksPTS reports whether a container omits presentation times: AVI has none, and an MPEG program
// stream may have one for each GOP. ffmpeg reconstructs them (genpts) for codecs whose packets
// declare the type of frame.
func lacksPTS(demuxer string) bool { return demuxer == "avi" || demuxer == "mpeg" }

// SplitArgs returns the arguments of ffmpeg that split s into the working folder (RunOptions.Dir),
// from "000000.mp4" on. Descriptor 3 carries a line for each source chunk as soon as it is complete
// (RunOptions.Pipe, a SourceChunkLog). Memory does not grow with the source.
func SplitArgs(s Split) []string {
	start := strconv.FormatInt(-s.startSeconds(), 10)
	offset := strconv.FormatInt(s.startSeconds()+ffmpeg.Offset, 10)
	if s.Input.Jumps != nil { // its times begin at 0 as they are read
		start, offset = "0", s.Input.OutputOffset()
	}
	args := append(option.Progress(), s.Input.TimestampOptions()...)
	if lacksPTS(s.Input.Demuxer) {
		args = append(args, "-fflags", "+genpts")
	}
	args = append(append(args, ffmpeg.AllocationLimits()...), s.Input.Options()...)
	chunk := []string{
		"movflags=empty_moov+default_base_moof+frag_discont+frag_keyframe",
		"video_track_timescale=" + strconv.FormatInt(s.Timebase.Den, 10),
		"use_editlist=0", "fflags=bitexact", "avoid_negative_ts=disabled",
		// The segment muxer counts lengths from time 0, so the source is shifted there, and this
		// shifts it back.
		"output_ts_offset=" + offset,
	}
	args = append(args, "-i", s.Input.URL(), "-map", fmt.Sprintf("0:%d", s.Stream),
		"-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy", "-copyinkf", "-copytb", "1", "-fflags", "+bitexact",
		"-avoid_negative_ts", "disabled", "-output_ts_offset", start)
	if s.Parsed {
		args = append(args, "-bsf:v", "trace_headers") // it parses each packet, and drops those with which that fails
	}
	args = append(args, "-f", "segment", "-segment_format", "mp4", "-segment_format_options", strings.Join(chunk, ":"),
		"-segment_time", strconv.Itoa(s.Seconds), "-segment_list_type", "csv", "-segment_list", "pipe:3", "%06d.mp4")
	if s.Steps != "" {
		args = append(args, s.stepsOutput()...)
	}
	if s.Starts != "" && len(s.Audio) > 0 {
		args = append(args, s.startsOutput()...)
	}
	return append(args, s.Input.ClockOutput()...)
}

// stepBack is by how many seconds a packet's decode time must be earlier than that of the packet
// before to be listed. ffmpeg takes a step of 0.1 s for a jump of the clock, and counts from the end
// of the packet before, which is at most 0.048 s long (AAC of 22.05 kHz).
const stepBack = 0.05

// stepsOutput returns the arguments of an output that lists the packets with which the clock steps
// back. A packet gets its number as its time, or listed if it steps back; then only those are kept.
func (s Split) stepsOutput() []string {
	const listed = 1 << 40
	filter := fmt.Sprintf(`setts=ts=if(lt(DTS+%g/TB\,PREV_INDTS)\,%d+N\,N),noise=drop=lt(dts\,%[2]d)`, stepBack, int64(listed))
	var args []string
	for _, stream := range append([]int{s.Stream}, s.Audio...) {
		args = append(args, "-map", fmt.Sprintf("0:%d", stream))
	}
	return append(args, "-c", "copy", "-copyinkf", "-bsf:v", filter, "-bsf:a", filter, "-avoid_negative_ts", "disabled",
		"-f", "framecrc", option.FileURL(s.Steps))
}

// startsOutput returns the arguments of an output that lists the first packet of each audio stream.
func (s Split) startsOutput() []string {
	var args []string
	for _, stream := range s.Audio {
		args = append(args, "-map", fmt.Sprintf("0:%d", stream))
	}
	return append(args, "-c", "copy", "-copyinkf", "-frames:a", "1", "-avoid_negative_ts", "disabled",
		"-output_ts_offset", s.Input.OutputOffset(), "-f", "framecrc", option.FileURL(s.Starts))
}

// AudioStarts parses a list of SplitArgs (Split.Starts). It returns the time of the first packet of
// each of Split.Audio in microseconds of the source, as it is read across jumps of its clock; nil
// for a stream without packets.
func (s Split) AudioStarts(list []byte) ([]*media.Ticks, error) {
	starts := make([]*media.Ticks, len(s.Audio))
	timebases := make([]media.Rational, len(s.Audio))
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		bad := fault.New(fault.Corrupt, "%.80q in a list of the first packets of audio", line)
		if declared, ok := strings.CutPrefix(line, "#tb "); ok {
			stream, tb, _ := strings.Cut(declared, ": ")
			n, err := strconv.Atoi(stream)
			if err != nil || n < 0 || n >= len(starts) {
				return nil, bad
			}
			timebases[n] = output.Rational(tb, "/")
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		n, first, ok := parsePacket(line)
		if !ok || n < 0 || n >= int64(len(starts)) || !timebases[n].Known() {
			return nil, bad
		}
		starts[n] = new(media.Rescale(media.Ticks(first.Start), timebases[n], media.Microseconds) - ffmpeg.Offset*1_000_000)
	}
	return starts, nil
}

// SteppedBack reports whether a list of SplitArgs (Split.Steps) has any packet.
func SteppedBack(list []byte) bool {
	for line := range bytes.Lines(list) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true
		}
	}
	return false
}

// startSeconds returns Start rounded down to whole seconds, which are exact in any timescale.
func (s Split) startSeconds() int64 {
	start := s.Start / 1_000_000
	if s.Start%1_000_000 < 0 {
		start--
	}
	return start
}

// SourceChunkLog is an io.Writer for RunOptions.Pipe. It calls Each for every source chunk as soon
// as it is complete.
type SourceChunkLog struct {
	Split Split // that of SplitArgs
	// Each receives the source chunks in order, one at a time, on another goroutine than Run's
	// caller. Its error stops the program.
	Each  func(SourceChunk) error
	lines output.Lines
}

// Write takes more of the list's text.
func (l *SourceChunkLog) Write(data []byte) (int, error) {
	if l.lines.Each == nil {
		l.lines = output.Lines{Limit: output.MaxLine, Each: l.line}
	}
	return l.lines.Write(data)
}

func (l *SourceChunkLog) line(line []byte) error {
	chunk, err := parseSourceChunk(string(line))
	if err != nil {
		return err
	}
	shift := l.Split.startSeconds() * 1_000_000
	chunk.Start += shift
	chunk.End += shift
	return l.Each(chunk)
}

// parseSourceChunk parses "000001.mp4,2.000000,4.000000".
func parseSourceChunk(line string) (SourceChunk, error) {
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(fields) != 3 {
		return SourceChunk{}, fmt.Errorf("segment list: unexpected line %q", line)
	}
	start, ok := output.Micros(fields[1])
	end, ok2 := output.Micros(fields[2])
	if !ok || !ok2 || fields[0] == "" || strings.ContainsAny(fields[0], "/\x00") {
		return SourceChunk{}, fmt.Errorf("segment list: unexpected line %q", line)
	}
	return SourceChunk{Name: fields[0], Start: start, End: end}, nil
}
