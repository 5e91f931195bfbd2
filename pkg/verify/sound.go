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
	// asGood is how far below the best correlation another place counts as well: tones repeat, and then the nearest counts.
	asGood = 0.005
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

// position is where in the file the sound of a time lies, in samples at ffmpeg.SoundRate. The file has no gaps, so runs
// that lie apart in time follow each other in it.
func (h *heard) position(at time.Duration) float64 {
	pts := at.Seconds() * float64(h.rate)
	i := sort.Search(len(h.log.Runs), func(i int) bool { return float64(h.log.Runs[i].PTS) > pts })
	run := h.log.Runs[max(i-1, 0)]
	return (float64(run.First) + pts - float64(run.PTS)) * ffmpeg.SoundRate / float64(h.rate)
}

// samples reads n samples from a position on; what lies outside of the file is silent.
func (h *heard) samples(from int64, n int) ([]float64, error) {
	list := make([]float64, n)
	first, last := max(from, 0), min(from+int64(n), h.size)
	if first >= last {
		return list, nil
	}
	raw := make([]byte, 2*(last-first))
	if _, err := h.file.ReadAt(raw, 2*first); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read decoded sound: %w", err)
	}
	for i := range last - first {
		list[first-from+i] = float64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
	}
	return list, nil
}

// Place is how the sound lies at one place of the film.
type Place struct {
	At     time.Duration // after the first frame of the source (without a picture: after its first sample)
	Offset time.Duration // how much later the output's sound comes, against its picture; negative = earlier
	Match  float64       // correlation, 1 = equal; below 0.5 the Offset means nothing
	Silent bool          // the output is silent where the source is not
}

// listenTo compares two tracks at places all over the film. Origins are the times that count as 0.
func listenTo(ctx context.Context, source, output *heard, sourceOrigin, outputOrigin time.Duration) (places []Place, silent int, err error) {
	if len(source.log.Runs) == 0 || len(output.log.Runs) == 0 {
		return nil, 0, nil
	}
	for _, at := range placesOf(source.start()-sourceOrigin, source.length()) {
		if err := context.Cause(ctx); err != nil {
			return nil, 0, fault.Wrap(fault.KindOf(err), err, "compare the sound")
		}
		want := source.position(sourceOrigin + at)
		window, err := source.samples(int64(math.Round(want)), int(listenFor.Seconds()*ffmpeg.SoundRate))
		if err != nil {
			return nil, 0, err
		}
		if level(window) < silence {
			silent++
			continue
		}
		have := output.position(outputOrigin + at - searchFor)
		field, err := output.samples(int64(math.Round(have)), int((listenFor+2*searchFor).Seconds()*ffmpeg.SoundRate))
		if err != nil {
			return nil, 0, err
		}
		p := Place{At: at, Silent: level(field) < silence/2}
		lag, match := locate(window, field)
		rounded := (want - math.Round(want)) - (have - math.Round(have))
		lag += rounded - searchFor.Seconds()*ffmpeg.SoundRate
		p.Offset, p.Match = time.Duration(lag/ffmpeg.SoundRate*float64(time.Second)), match
		places = append(places, p)
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

// coarse is how many samples are taken as one to find the neighbourhood first, which is coarse² times less work.
const coarse = 4

// clearly is the correlation from which the neighbourhood found coarsely is trusted. Sound of high notes alone is not in the
// coarse form; then every place is tried.
const clearly = 0.9

// locate finds window in field, which is longer: at which sample, refined between samples, and how alike they are there
// (normalised cross-correlation). Of places that are as good, the one nearest to the middle counts.
func locate(window, field []float64) (at, match float64) {
	last := len(field) - len(window)
	from, to := 0, last
	if near, match := peak(scores(thin(window), thin(field), 0, last/coarse), last/coarse/2); match >= clearly {
		from, to = max(coarse*(near-2), 0), min(coarse*(near+2), last)
	}
	at, match = top(window, field, from, to)
	// A tone is as good a period away, and the samples of that place may lie nearer to its top.
	if middle := last / 2; at < float64(middle-coarse) || at > float64(middle+coarse) {
		if near, same := top(window, field, max(middle-coarse, 0), min(middle+coarse, last)); same >= match-asGood {
			return near, same
		}
	}
	return at, match
}

// top is the best place from one to another, and how alike the sounds are there, between samples too.
func top(window, field []float64, from, to int) (at, match float64) {
	list := scores(window, field, from, to)
	best, match := peak(list, (len(field)-len(window))/2-from)
	at = float64(from + best)
	if best > 0 && best < len(list)-1 { // the top of a parabola through three points
		l, m, r := list[best-1], list[best], list[best+1]
		if d := l - 2*m + r; d < 0 {
			at += (l - r) / (2 * d)
			match = min(m-(l-r)*(l-r)/(8*d), 1)
		}
	}
	return at, match
}

// thin takes the mean of each few samples.
func thin(samples []float64) []float64 {
	list := make([]float64, len(samples)/coarse)
	for i := range list {
		for _, v := range samples[i*coarse : (i+1)*coarse] {
			list[i] += v / coarse
		}
	}
	return list
}

// scores are the correlations of window with field from one place to another, both included.
func scores(window, field []float64, from, to int) []float64 {
	own, energy := 0.0, 0.0
	for i, v := range window {
		own += v * v
		energy += field[from+i] * field[from+i]
	}
	list := make([]float64, to-from+1)
	for i := range list {
		lag := from + i
		if i > 0 {
			out, in := field[lag-1], field[lag+len(window)-1]
			energy += in*in - out*out
		}
		dot := 0.0
		part := field[lag : lag+len(window)]
		for i, v := range window {
			dot += v * part[i]
		}
		if energy > 1 && own > 1 {
			list[i] = dot / math.Sqrt(own*energy)
		}
	}
	return list
}

// peak is the best of a list, or of its peaks that are as good the one nearest to middle.
func peak(list []float64, middle int) (at int, score float64) {
	for i, v := range list {
		if v > list[at] {
			at = i
		}
	}
	top := list[at]
	for i := 1; i < len(list)-1; i++ {
		if list[i] >= list[i-1] && list[i] >= list[i+1] && list[i] >= top-asGood &&
			magnitude(int64(i-middle)) < magnitude(int64(at-middle)) {
			at = i
		}
	}
	return at, list[at]
}
