package ffmpeg

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// Split is one sequential copy of a video stream into pieces that begin at keyframes.
//
// A piece is a fragmented MP4 with the timescale Den and Offset seconds added to the source's timestamps. Read it back
// as Input{Demuxer: "mov", TimestampOffset: Offset, Next: the piece after it}: then its frames have the source's ticks × Num in the
// timebase 1/Den, and those of an open GOP at the end are found in Next.
type Split struct {
	Input    Input // Location must be absolute: the program runs in the folder of the pieces
	Stream   int
	Timebase media.Rational
	// Start is Media.Start: the pieces' lengths are counted from it, in whole seconds.
	Start   int64 // microseconds
	Seconds int   // how long a piece is at least
}

// SourceChunk is a finished piece.
type SourceChunk struct {
	Name string // within the folder: "000000.mp4"
	// Start and End are microseconds of the source: the first keyframe, rounded, and the end of the last frame. The
	// Start of the first piece is that of the source, in whole seconds: a bound, not a frame.
	Start, End int64
}

// splittable are the codecs whose packets a piece (MP4) can hold: those of codec_mp4_tags in libavformat/movenc.c that
// come in sources without an index.
var splittable = []string{"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "vp9", "av1"}

// Splittable says whether SplitArgs keeps this stream's pictures and times exactly. Where it does not, the source is
// to be encoded in one segment: VideoArgs then takes the times that the decoder finds.
func Splittable(demuxer string, s Stream) bool {
	if sparseTimes(demuxer) && (s.Codec == "h264" || s.Codec == "hevc") {
		return false // the order of the pictures is known to the decoder alone
	}
	return s.Timebase.Known() && slices.Contains(splittable, s.Codec)
}

// packed matches what encoders that packed B-frames wrote into the stream, and ffmpeg's decoder looks for
// (libavcodec/mpeg4videodec.c): "DivX503b1393p".
var packed = regexp.MustCompile(`DivX[0-9]+(?:Build|b)[0-9]+p`)

// Packed says whether the first bytes of a file tell of packed B-frames: MPEG-4 in AVI with two pictures in one packet and
// an empty one later. Only a decoder can tell them apart, so such a source is not Splittable.
func Packed(head []byte) bool { return packed.Match(head) }

// sparseTimes says whether a container leaves out presentation times: AVI has none, an MPEG program stream may have one
// for each group of pictures. For codecs whose packets tell the kind of picture, ffmpeg works them out (genpts).
func sparseTimes(demuxer string) bool { return demuxer == "avi" || demuxer == "mpeg" }

// PieceTimebase is the timebase of what Split writes: 1/Den, so a tick of the source is Num of its ticks.
func (s Split) PieceTimebase() media.Rational { return media.Rational{Num: 1, Den: s.Timebase.Den} }

// SplitArgs are the arguments of ffmpeg that split s into the working folder (RunOptions.Dir), as "000000.mp4" and on.
// Descriptor 3 gets a line for each piece as soon as it is whole (RunOptions.Pipe, a SourceChunkLog). Memory does not grow
// with the source.
func SplitArgs(s Split) []string {
	start := strconv.FormatInt(-s.startSeconds(), 10)
	offset := strconv.FormatInt(s.startSeconds()+Offset, 10)
	if s.Input.Jumps != nil { // its times begin at 0 as they are read
		start, offset = "0", s.Input.offset()
	}
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats",
	}
	args = append(args, s.Input.clock()...)
	if sparseTimes(s.Input.Demuxer) {
		args = append(args, "-fflags", "+genpts")
	}
	args = append(append(args, bounds()...), s.Input.options()...)
	piece := []string{
		"movflags=empty_moov+default_base_moof+frag_discont+frag_keyframe",
		"video_track_timescale=" + strconv.FormatInt(s.Timebase.Den, 10),
		"use_editlist=0", "fflags=bitexact", "avoid_negative_ts=disabled",
		// The segment muxer counts lengths from time 0, so it sees the source shifted there, and this shifts it back.
		"output_ts_offset=" + offset,
	}
	args = append(args, "-i", s.Input.url(), "-map", fmt.Sprintf("0:%d", s.Stream),
		"-map_metadata", "-1", "-map_chapters", "-1", "-c:v", "copy", "-copytb", "1", "-fflags", "+bitexact",
		"-avoid_negative_ts", "disabled", "-output_ts_offset", start,
		"-f", "segment", "-segment_format", "mp4", "-segment_format_options", strings.Join(piece, ":"),
		"-segment_time", strconv.Itoa(s.Seconds), "-segment_list_type", "csv", "-segment_list", "pipe:3", "%06d.mp4")
	return append(args, s.Input.beside()...)
}

// startSeconds is Start rounded down to whole seconds, which any timescale counts exactly.
func (s Split) startSeconds() int64 {
	start := s.Start / 1_000_000
	if s.Start%1_000_000 < 0 {
		start--
	}
	return start
}

// maxPieceLine bounds a line of the list: a name of ten bytes and two times.
const maxPieceLine = 1024

// SourceChunkLog is an io.Writer for RunOptions.Pipe that hands over each piece as soon as it is whole.
type SourceChunkLog struct {
	Split Split // what SplitArgs got
	// Each gets the pieces in order, from another goroutine than Run's caller, one at a time. Its error stops the run.
	Each  func(SourceChunk) error
	lines lineSplitter
}

// Write takes more of the list's text.
func (l *SourceChunkLog) Write(data []byte) (int, error) {
	if l.lines.each == nil {
		l.lines = lineSplitter{limit: maxPieceLine, each: l.line}
	}
	return l.lines.Write(data)
}

func (l *SourceChunkLog) line(line []byte) error {
	piece, err := parsePiece(string(line))
	if err != nil {
		return err
	}
	shift := l.Split.startSeconds() * 1_000_000
	piece.Start += shift
	piece.End += shift
	return l.Each(piece)
}

// ParseSegmentList reads the whole list that SplitArgs(s) wrote.
func ParseSegmentList(s Split, r io.Reader) ([]SourceChunk, error) {
	var pieces []SourceChunk
	log := SourceChunkLog{Split: s, Each: func(p SourceChunk) error { pieces = append(pieces, p); return nil }}
	if _, err := io.Copy(&log, r); err != nil {
		return nil, fmt.Errorf("read segment list: %w", err)
	}
	if err := log.lines.flush(); err != nil {
		return nil, fmt.Errorf("read segment list: %w", err)
	}
	return pieces, nil
}

// parsePiece reads "000001.mp4,2.000000,4.000000".
func parsePiece(line string) (SourceChunk, error) {
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(fields) != 3 {
		return SourceChunk{}, fmt.Errorf("segment list: unexpected line %q", line)
	}
	start, ok := micros(fields[1])
	end, ok2 := micros(fields[2])
	if !ok || !ok2 || fields[0] == "" || strings.ContainsAny(fields[0], "/\x00") {
		return SourceChunk{}, fmt.Errorf("segment list: unexpected line %q", line)
	}
	return SourceChunk{Name: fields[0], Start: start, End: end}, nil
}
