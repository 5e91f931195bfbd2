// Package sound decodes whole audio tracks and finds where a window of one lies in another.
package sound

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// Track is a whole decoded audio track, mixed to one channel at decode.AudioRate, in a file
// that is already unlinked.
type Track struct {
	file *os.File
	Log  decode.AudioLog
	Rate int64 // of the track's own samples, Hz
	size int64 // samples at decode.AudioRate
}

// Decode decodes a part of a track of a file that declares itself as declared. The caller closes the result.
func Decode(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, declared budget.Source, s probe.Stream, part decode.Part, stderr io.Writer, progress func(samples int64)) (*Track, error) {
	if s.SampleRate <= 0 {
		return nil, fault.New(fault.Unsupported, "stream %d declares no sample rate", s.Index)
	}
	file, err := os.CreateTemp("", "mapreel-audio-*")
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "make a temporary file")
	}
	_ = os.Remove(file.Name()) // the space is freed when the file is closed, however this process ends
	d := &Track{file: file, Rate: int64(s.SampleRate)}
	out := &countingWriter{to: file, progress: progress, limit: 2 * declared.Samples(decode.AudioRate)}
	limits := budget.Worker{}.Limit(ctx, budget.DecodedAudio(declared, s.Channels))
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, decode.AudioArgs(in, s.Index, s.SampleRate, part),
		ffmpeg.RunOptions{Stdout: out, Pipe: &d.Log, Stderr: stderr, Limits: limits}); err != nil {
		_ = file.Close()
		return nil, err
	}
	d.size = out.n / 2
	return d, nil
}

func (d *Track) Close() { _ = d.file.Close() }

// countingWriter passes bytes on, up to a limit, and reports how many samples it has written.
type countingWriter struct {
	to       io.Writer
	n, limit int64 // bytes
	progress func(samples int64)
}

func (c *countingWriter) Write(data []byte) (int, error) {
	if c.n+int64(len(data)) > c.limit {
		return 0, fault.New(fault.Unsupported, "the audio plays for more than %v, which is out of proportion to the length and size of its file",
			time.Duration(c.limit/2)*time.Second/decode.AudioRate)
	}
	n, err := c.to.Write(data)
	c.n += int64(n)
	if c.progress != nil {
		c.progress(c.n / 2)
	}
	return n, err
}

// Start returns the time of the first sample.
func (d *Track) Start() time.Duration {
	if len(d.Log.Runs) == 0 {
		return 0
	}
	return d.duration(d.Log.Runs[0].PTS)
}

// duration converts a number of the track's own samples.
func (d *Track) duration(samples int64) time.Duration {
	return time.Duration(math.Round(float64(samples) / float64(d.Rate) * float64(time.Second)))
}

// Length returns the playing time of all samples.
func (d *Track) Length() time.Duration { return d.duration(d.Log.Total) }

// End returns the time at which the last sample ends.
func (d *Track) End() time.Duration {
	n := len(d.Log.Runs)
	if n == 0 {
		return 0
	}
	last := d.Log.Runs[n-1]
	return d.duration(last.PTS + d.Log.Total - last.First)
}

// AudibleLength returns the time during which the track has samples. Gaps do not count, and samples
// that overlap in time count once.
func (d *Track) AudibleLength() time.Duration {
	var sum int64
	until := int64(math.MinInt64)
	for i, run := range d.Log.Runs {
		next := d.Log.Total
		if i+1 < len(d.Log.Runs) {
			next = d.Log.Runs[i+1].First
		}
		end := run.PTS + next - run.First
		sum += max(end-max(run.PTS, until), 0)
		until = max(until, end)
	}
	return d.duration(sum)
}

// Window reads n samples at decode.AudioRate, starting at a time. It also returns the exact time of
// the first of them, in such samples. Gaps between runs are silent. Where a run begins before the
// previous one ends, its beginning is dropped, as players do.
func (d *Track) Window(at time.Duration, n int) (list []float64, first float64, err error) {
	const rate = decode.AudioRate
	list = make([]float64, n)
	ratio := rate / float64(d.Rate)
	zero := int64(math.Round(at.Seconds() * rate))
	first = float64(zero)
	runs := d.Log.Runs
	here := max(sort.Search(len(runs), func(i int) bool { return d.duration(runs[i].PTS) > at })-1, 0)
	done := int64(0) // samples of the list that are filled
	for i := max(here-1, 0); i < len(runs); i++ {
		later := float64(runs[i].PTS-runs[i].First) * ratio // time minus position in the file
		if i == here {
			first += later - math.Round(later)
		}
		begin, end := int64(math.Round(float64(runs[i].First)*ratio)), d.size
		if i+1 < len(runs) {
			end = min(end, int64(math.Round(float64(runs[i+1].First)*ratio)))
		}
		shift := int64(math.Round(later)) - zero
		if begin+shift >= int64(n) {
			break
		}
		from, to := max(begin+shift, done), min(end+shift, int64(n))
		if from >= to {
			continue
		}
		raw := make([]byte, 2*(to-from))
		if _, err := d.file.ReadAt(raw, 2*(from-shift)); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, fmt.Errorf("read decoded audio: %w", err)
		}
		for i := range to - from {
			list[from+i] = float64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		}
		done = to
	}
	return list, first, nil
}
