package ffmpeg

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// Pictures is one decode of a whole video stream to raw pictures, all of one size and format.
type Pictures struct {
	Input    Input
	Stream   int            // index of the stream in the input
	Timebase media.Rational // of the stream, in which the frame log counts
	// Threads is how many the decoder gets; 0 = as many as there are cores. What is shown for a damaged frame depends on it.
	Threads int

	Deinterlace bool // turns fields into frames, as VideoArgs does
	// CropWidth and CropHeight keep the left and upper part of that size, before scaling; 0 = all.
	CropWidth, CropHeight int
	Width, Height         int
	// PixelFormat is planar ("yuv420p", "yuv422p10le"). Range of the numbers is always that of television.
	PixelFormat string
}

// PicturesArgs are the arguments of ffmpeg that write the pictures to standard output, one after the other, and their
// timestamps to descriptor 3 as a FrameLog reads them. A timestamp is written before its picture, unbuffered, so that a
// reader may wait for either.
func PicturesArgs(p Pictures) []string {
	var chain []string
	if p.Deinterlace {
		chain = append(chain, "bwdif=mode=send_frame:deint=interlaced")
	}
	key, value, _ := strings.Cut(frameMark, "=")
	chain = append(chain, fmt.Sprintf("settb=%s", p.Timebase),
		"metadata=mode=add:key="+key+":value="+value, "metadata=mode=print:key="+key+`:file=pipe\\:3:direct=1`)
	if p.CropWidth > 0 && p.CropHeight > 0 {
		chain = append(chain, fmt.Sprintf("crop=%d:%d:0:0:exact=1", p.CropWidth, p.CropHeight))
	}
	chain = append(chain, fmt.Sprintf("scale=%d:%d:flags=bicubic:out_range=tv", p.Width, p.Height))
	if declared(p.PixelFormat) {
		chain = append(chain, "format="+p.PixelFormat)
	}
	args := append(decodeArgs(p.Input, p.Threads), "-filter_complex", fmt.Sprintf("[0:%d]%s[v]", p.Stream, strings.Join(chain, ",")))
	args = append(args, "-map", "[v]", "-fps_mode", "passthrough",
		"-enc_time_base", fmt.Sprintf("%d:%d", p.Timebase.Num, p.Timebase.Den), "-f", "rawvideo", "pipe:1")
	return append(args, p.Input.beside()...)
}

// SoundRate is the rate in Hz to which SoundArgs resamples: enough for timing speech and music to a tenth of a
// millisecond, and 16 kB a second.
const SoundRate = 8000

// SoundArgs are the arguments of ffmpeg that write a whole audio stream to standard output as one channel of 16-bit
// samples at SoundRate, and to descriptor 3 what a SoundLog reads: the times and numbers of the stream's own samples.
func SoundArgs(in Input, stream int) []string {
	graph := fmt.Sprintf("[0:%d]asettb=1/sr,astats=metadata=1:measure_overall=Number_of_samples:measure_perchannel=none,"+
		"ametadata=mode=print:key="+soundMark+`:file=pipe\\:3:direct=1,`+
		"aformat=sample_fmts=s16:channel_layouts=mono,aresample=%d[a]", stream, SoundRate)
	args := append(decodeArgs(in, 0), "-filter_complex", graph, "-map", "[a]", "-f", "s16le", "pipe:1")
	return append(args, in.beside()...)
}

// decodeArgs reads an input. Where its clock may jump, times count from Jumps.Start.
func decodeArgs(in Input, threads int) []string {
	args := append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-nostats"}, in.clock()...)
	args = append(args, bounds()...)
	if threads > 0 {
		args = append(args, "-threads", strconv.Itoa(threads))
	}
	return append(append(args, in.options()...), "-i", in.url())
}

// soundMark is the entry of astats that counts the samples of each channel so far.
const soundMark = "lavfi.astats.Overall.Number_of_samples"

// SoundLog reads what SoundArgs logs. Give it to Run as Pipe. It holds an entry for each place where the timestamps
// and the count of samples part, not for each frame. The zero value is ready.
type SoundLog struct {
	Runs  []SoundRun
	Total int64 // samples of each channel so far

	pts   int64
	lines lineSplitter
}

// SoundRun is a stretch of sound without a gap.
type SoundRun struct {
	First int64 // number of its first sample
	PTS   int64 // time of that sample, in samples of the stream's own rate
}

// gap is how many samples a timestamp may lie off the count before a new run begins. Matroska rounds to milliseconds,
// which is 96 samples at most (at 96 kHz and half a millisecond either way).
const gap = 100

// Write takes more of the log's text.
func (l *SoundLog) Write(data []byte) (int, error) {
	if l.lines.each == nil {
		l.lines = lineSplitter{limit: maxFrameLine, each: l.line}
	}
	return l.lines.Write(data)
}

func (l *SoundLog) line(line []byte) error {
	text := string(line)
	if value, ok := strings.CutPrefix(text, soundMark+"="); ok {
		total, err := strconv.ParseFloat(value, 64)
		if err != nil || total < float64(l.Total) || total > math.MaxInt64/2 {
			return fmt.Errorf("sound log: %q is no number of samples", text)
		}
		if n := len(l.Runs); n == 0 || abs(l.pts-(l.Runs[n-1].PTS+l.Total-l.Runs[n-1].First)) > gap {
			l.Runs = append(l.Runs, SoundRun{First: l.Total, PTS: l.pts})
		}
		l.Total = int64(math.Round(total))
		return nil
	}
	fields := strings.Fields(text)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "frame:") || !strings.HasPrefix(fields[1], "pts:") {
		return fmt.Errorf("sound log: unexpected line %q", text)
	}
	pts, err := strconv.ParseInt(strings.TrimPrefix(fields[1], "pts:"), 10, 64)
	if err != nil {
		return fmt.Errorf("sound log: a frame has no timestamp: %q", text)
	}
	l.pts = pts
	return nil
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// Packet is where one compressed frame lies.
type Packet struct {
	PTS int64 // ticks of the stream's timebase
	Pos int64 // byte in the file; -1 = unknown
	Key bool  // decoding can start here
}

// PacketsArgs are the arguments of ffprobe that list a stream's packets without decoding them, for a PacketLog.
func PacketsArgs(in Input, stream int) []string {
	args := append([]string{"-hide_banner", "-loglevel", "error"}, in.options()...)
	return append(args, "-select_streams", strconv.Itoa(stream), "-show_entries", "packet=pts,pos,flags",
		"-print_format", "compact=p=0", "-i", in.url())
}

// PacketLog reads what ffprobe prints for PacketsArgs and hands over each packet that has a timestamp. Give it to Run
// as Stdout.
type PacketLog struct {
	Each func(Packet)

	lines lineSplitter
}

// Write takes more of the list's text.
func (l *PacketLog) Write(data []byte) (int, error) {
	if l.lines.each == nil {
		l.lines = lineSplitter{limit: maxFrameLine, each: l.line}
	}
	return l.lines.Write(data)
}

func (l *PacketLog) line(line []byte) error {
	p := Packet{Pos: -1}
	timed := false
	for field := range strings.SplitSeq(string(line), "|") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "pts":
			if pts, err := strconv.ParseInt(value, 10, 64); err == nil {
				p.PTS, timed = pts, true
			}
		case "pos":
			p.Pos = count(value, -1)
		case "flags":
			p.Key = strings.HasPrefix(value, "K")
		}
	}
	if timed {
		l.Each(p)
	}
	return nil
}

var _ io.Writer = (*SoundLog)(nil)
