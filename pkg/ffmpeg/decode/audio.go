package decode

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
	"github.com/mapreel/mapreel/pkg/media"
)

// AudioRate is the rate in Hz to which AudioArgs resamples: enough to locate speech and music to a
// tenth of a millisecond, in 16 kB a second.
const AudioRate = 8000

// AudioArgs returns the arguments of ffmpeg that write a part of an audio stream to standard output, as
// one channel of 16-bit samples at AudioRate, and the times and counts of its samples at a rate in
// Hz to descriptor 3, for an AudioLog. The rate is the stream's own; where that changes on the way,
// the samples are converted to it, as an encoder's are in one pass.
func AudioArgs(in ffmpeg.Input, stream, rate int, part Part) []string {
	graph := fmt.Sprintf("[0:%d]aresample=%d,%sasettb=1/sr,astats=metadata=1:measure_overall=Number_of_samples:measure_perchannel=none,"+
		"ametadata=mode=print:key="+sampleCount+`:file=pipe\\:3:direct=1,`+
		"aformat=sample_fmts=s16:channel_layouts=mono,aresample=%d[a]", stream, rate, part.filter("atrim", media.Rational{Num: 1, Den: int64(rate)}), AudioRate)
	args := append(inputArgs(in, 0, part), "-filter_complex", graph, "-map", "[a]", "-f", "s16le", "pipe:1")
	return append(args, in.ClockOutput()...)
}

// sampleCount is the entry of astats that counts the samples of each channel so far.
const sampleCount = "lavfi.astats.Overall.Number_of_samples"

// AudioLog is an io.Writer that parses the log of AudioArgs. Pass it to ffmpeg.Run as Pipe. It has
// an entry for each place where timestamps and sample count diverge, not for each frame. The zero
// value is ready to use.
type AudioLog struct {
	Runs  []SampleRun
	Total int64 // samples of each channel so far

	// ffmpeg begins to count again where the stream's parameters change; base is what came before.
	base  int64
	pts   int64
	fresh bool // the last run has one frame
	lines output.Lines
}

// SampleRun is a range of samples without a gap.
type SampleRun struct {
	First int64 // number of its first sample
	PTS   int64 // time of that sample, in samples of the stream's own rate
}

// maxJitter is how many samples a timestamp may differ from the count before a new run begins.
// Matroska rounds to milliseconds, which is 96 samples at most (at 96 kHz and half a millisecond
// either way).
const maxJitter = 100

// place adds a run where the time of the next frame does not follow from the runs before. A single frame between two that follow each other
// has a wrong time, as the first long frame after short ones that ffmpeg reads of Vorbis in Ogg.
func (l *AudioLog) place() {
	n := len(l.Runs)
	switch {
	case l.follows(n - 1):
		l.fresh = false
		return
	case l.fresh && l.follows(n-2):
		l.Runs, l.fresh = l.Runs[:n-1], false
		return
	}
	l.Runs, l.fresh = append(l.Runs, SampleRun{First: l.Total, PTS: l.pts}), true
}

// follows reports whether the next frame has the time that follows from a run.
func (l *AudioLog) follows(run int) bool {
	return run >= 0 && abs(l.pts-(l.Runs[run].PTS+l.Total-l.Runs[run].First)) <= maxJitter
}

// Write takes more of the log's text.
func (l *AudioLog) Write(data []byte) (int, error) {
	if l.lines.Each == nil {
		l.lines = output.Lines{Limit: output.MaxLine, Each: l.line}
	}
	return l.lines.Write(data)
}

func (l *AudioLog) line(line []byte) error {
	text := string(line)
	if value, ok := strings.CutPrefix(text, sampleCount+"="); ok {
		total, err := strconv.ParseFloat(value, 64)
		total += float64(l.base)
		if err != nil || total < float64(l.Total) || total > math.MaxInt64/2 {
			return fmt.Errorf("audio log: %q is not a valid sample count", text)
		}
		l.place()
		l.Total = int64(math.Round(total))
		return nil
	}
	fields := strings.Fields(text)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "frame:") || !strings.HasPrefix(fields[1], "pts:") {
		return fmt.Errorf("audio log: unexpected line %q", text)
	}
	pts, err := strconv.ParseInt(strings.TrimPrefix(fields[1], "pts:"), 10, 64)
	if err != nil {
		return fmt.Errorf("audio log: a frame has no timestamp: %q", text)
	}
	l.pts = pts
	if fields[0] == "frame:0" {
		l.base = l.Total
	}
	return nil
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
