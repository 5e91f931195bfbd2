package verify

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
)

const (
	// listenFor is how much sound is compared at each place: enough for speech to be unlike itself elsewhere.
	listenFor = time.Second
	// searchFor is how far to either side it is looked for in the output. The usual mistakes are below 400 ms.
	searchFor = 500 * time.Millisecond
	// Places lie about this far apart, and there are no fewer and no more than these.
	placeEvery              = 5 * time.Second
	leastPlaces, mostPlaces = 6, 120
	// silence is the level below which a place says nothing: -60 dB of full scale, as root mean square.
	silence = 32768.0 / 1000
	// alike is the correlation from which two pieces of sound count as the same. A choice: equal sound has 1, two unlike noises next to 0.
	alike = 0.5
	// faint is the correlation from which a sound counts as the same that is found just where it should be. Opus makes noise
	// of its own of what it cannot afford: at 24 kbit/s birds and wind in a real film had 0.41 to 0.8, at 16 kbit/s 0.18 to
	// 0.68, all of them at the right place; another sound would be found within 5 ms of it by one chance in a hundred.
	faint = 0.15
	// onsetFor is how much is compared around the first sample of a sound that repeats itself: half of it is silence, so
	// that a millisecond of what is not costs 0.002 of the correlation.
	onsetFor = 500 * time.Millisecond
)

// heard is a whole decoded track: one channel at ffmpeg.SoundRate in a file that has no name any more.
type heard struct {
	file *os.File
	log  ffmpeg.SoundLog
	rate int64 // of the track's own samples, Hz
	size int64 // samples at ffmpeg.SoundRate
}

// listen decodes a track. The caller closes what it returns.
func listen(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, s ffmpeg.Stream, stderr io.Writer, progress func(samples int64)) (*heard, error) {
	if s.SampleRate <= 0 {
		return nil, fault.New(fault.Unsupported, "stream %d does not say its sample rate", s.Index)
	}
	file, err := os.CreateTemp("", "mapreel-sound-*")
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "make a temporary file")
	}
	_ = os.Remove(file.Name()) // the space is free again when the file is closed, however this process ends
	h := &heard{file: file, rate: int64(s.SampleRate)}
	out := &counted{to: file, progress: progress}
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, ffmpeg.SoundArgs(in, s.Index), ffmpeg.RunOptions{Stdout: out, Pipe: &h.log, Stderr: stderr}); err != nil {
		_ = file.Close()
		return nil, err
	}
	h.size = out.n / 2
	return h, nil
}

func (h *heard) close() { _ = h.file.Close() }

// counted passes bytes on and counts them.
type counted struct {
	to       io.Writer
	n        int64
	progress func(samples int64)
}

func (c *counted) Write(data []byte) (int, error) {
	n, err := c.to.Write(data)
	c.n += int64(n)
	if c.progress != nil {
		c.progress(c.n / 2)
	}
	return n, err
}

// start is the time of the first sample.
func (h *heard) start() time.Duration {
	if len(h.log.Runs) == 0 {
		return 0
	}
	return h.time(h.log.Runs[0].PTS)
}

func (h *heard) time(samples int64) time.Duration {
	return time.Duration(math.Round(float64(samples) / float64(h.rate) * float64(time.Second)))
}

// length is how long the samples sound.
func (h *heard) length() time.Duration { return h.time(h.log.Total) }

// end is when the last sample has sounded.
func (h *heard) end() time.Duration {
	n := len(h.log.Runs)
	if n == 0 {
		return 0
	}
	last := h.log.Runs[n-1]
	return h.time(last.PTS + h.log.Total - last.First)
}

// sounds is for how long there is sound: holes do not count, and what lies twice at one time counts once.
func (h *heard) sounds() time.Duration {
	var sum int64
	until := int64(math.MinInt64)
	for i, run := range h.log.Runs {
		next := h.log.Total
		if i+1 < len(h.log.Runs) {
			next = h.log.Runs[i+1].First
		}
		end := run.PTS + next - run.First
		sum += max(end-max(run.PTS, until), 0)
		until = max(until, end)
	}
	return h.time(sum)
}

// samples reads n samples at ffmpeg.SoundRate from a time on, and tells when the first of them is heard, in such samples.
// Where runs lie apart there is silence between them; where one begins before another ends, its beginning is left out,
// as players do.
func (h *heard) samples(at time.Duration, n int) (list []float64, first float64, err error) {
	const rate = ffmpeg.SoundRate
	list = make([]float64, n)
	ratio := rate / float64(h.rate)
	zero := int64(math.Round(at.Seconds() * rate))
	first = float64(zero)
	runs := h.log.Runs
	here := max(sort.Search(len(runs), func(i int) bool { return h.time(runs[i].PTS) > at })-1, 0)
	done := int64(0) // samples of the list
	for i := max(here-1, 0); i < len(runs); i++ {
		later := float64(runs[i].PTS-runs[i].First) * ratio // time less place in the file
		if i == here {
			first += later - math.Round(later)
		}
		begin, end := int64(math.Round(float64(runs[i].First)*ratio)), h.size
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
		if _, err := h.file.ReadAt(raw, 2*(from-shift)); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, fmt.Errorf("read decoded sound: %w", err)
		}
		for i := range to - from {
			list[from+i] = float64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		}
		done = to
	}
	return list, first, nil
}

// Place is how the sound lies at one place of the film.
type Place struct {
	At     time.Duration // after the first frame of the source (without a picture: after its first sample)
	Offset time.Duration // how much later the output's sound comes, against its picture; negative = earlier
	Match  float64       // correlation, 1 = equal; below 0.5 the Offset means nothing
	Silent bool          // the output is silent where the source is not
	// Vague is by how much other offsets differ that fit as well, as those of a tone do, a period apart: Offset is the
	// smallest of them.
	Vague time.Duration
	Onset bool // the beginning of the track, with the silence before it
}

// listenTo compares two tracks at places all over the film. Origins are the times that count as 0.
func listenTo(ctx context.Context, source, output *heard, sourceOrigin, outputOrigin time.Duration) (places []Place, silent int, err error) {
	if len(source.log.Runs) == 0 || len(output.log.Runs) == 0 {
		return nil, 0, nil
	}
	const rate = ffmpeg.SoundRate
	compare := func(at, length time.Duration) (p Place, loud bool, err error) {
		window, want, err := source.samples(sourceOrigin+at, int(length.Seconds()*rate))
		if err != nil || level(window) < silence {
			return Place{}, false, err
		}
		field, have, err := output.samples(outputOrigin+at-searchFor, int((length+2*searchFor).Seconds()*rate))
		if err != nil {
			return Place{}, false, err
		}
		f := locate(window, field)
		late := (have + f.at - outputOrigin.Seconds()*rate) - (want - sourceOrigin.Seconds()*rate)
		inTime := func(samples float64) time.Duration { return time.Duration(samples / rate * float64(time.Second)) }
		return Place{At: at, Offset: inTime(late), Match: f.match, Silent: level(field) < silence/2, Vague: inTime(f.spread)}, true, nil
	}
	start, vague := source.start()-sourceOrigin, true
	for _, at := range placesOf(start, source.length()) {
		if err := context.Cause(ctx); err != nil {
			return nil, 0, fault.Wrap(fault.KindOf(err), err, "compare the sound")
		}
		p, loud, err := compare(at, listenFor)
		switch {
		case err != nil:
			return nil, 0, err
		case !loud:
			silent++
		default:
			places = append(places, p)
			vague = vague && p.Vague > soundLimit
		}
	}
	if vague && len(places) > 0 {
		p, loud, err := compare(start-onsetFor/2, onsetFor)
		if err != nil {
			return nil, 0, err
		}
		if p.Onset = true; loud {
			places = append([]Place{p}, places...)
		}
	}
	return places, silent, nil
}

// placesOf are the times to compare a sound at that begins at start: the first and the last second, and between.
func placesOf(start, length time.Duration) []time.Duration {
	last := length - listenFor
	if last <= 0 {
		return []time.Duration{start}
	}
	n := min(max(int(length/placeEvery), leastPlaces), mostPlaces)
	n = min(n, int(last/(listenFor/2))+1)
	if n < 2 {
		return []time.Duration{start, start + last}
	}
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = start + last*time.Duration(i)/time.Duration(n-1)
	}
	return list
}

func level(samples []float64) float64 {
	sum := 0.0
	for _, v := range samples {
		sum += v * v
	}
	return math.Sqrt(sum / float64(max(len(samples), 1)))
}
