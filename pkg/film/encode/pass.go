package encode

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/sizing"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Pass measures how many bytes a segment takes, with a fast encoder. Where a rendition has a bit rate or its file a size, it comes before
// the segments are encoded.
type Pass struct{ Tools ffmpeg.Tools }

var _ work.Kind = Pass{}

// Name implements work.Kind.
func (Pass) Name() string { return film.PassKind }

// Run implements work.Kind. It makes the first pass over one segment.
func (p Pass) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	a := &attempt{Env: env, tools: p.Tools, pass: true}
	if err := env.Decode(&a.job); err != nil {
		return work.Result{}, err
	}
	if err := json.Unmarshal(u.Spec, &a.segment); err != nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, err, "record of "+u.Name)
	}
	if err := a.choose(); err != nil {
		return work.Result{}, err
	}
	duration := a.micros(a.segment.End - a.segment.Start)
	facts := film.PassFacts{Duration: duration, Renditions: make([]sizing.Curve, len(a.job.Renditions))}
	of := a.useFastEncoder()
	found, err := a.run(ctx)
	if err != nil {
		return work.Result{}, fmt.Errorf("first pass over segment %d: %w", a.segment.Index, err)
	}
	facts.Frames = found.Frames
	for i, c := range found.Chunks {
		if c.Size > 0 {
			facts.Renditions[of[i]] = append(facts.Renditions[of[i]], sizing.Point{CRF: float64(a.job.Renditions[i].CRF), Bytes: c.Size})
		}
	}
	r := work.Result{Done: work.Amount{Media: duration, Count: int64(found.Frames)}}
	return r, r.SetFacts(facts)
}

// fastEncoder is how the first pass encodes a codec. Another codec's encoder would be faster still, but finds other scenes hard: shared out
// by x264, segments of x265 and libvpx were up to 7 steps of CRF apart.
type fastEncoder struct {
	preset string
	around int     // the two values of CRF are so far below and above the one that is expected; 0: one is tried
	equal  float64 // CRF that looks like x264's 21
	bits   float64 // of a pixel of common footage there
	halves float64 // how many steps of CRF halve them
	// What was measured of the default preset on real footage: how many bytes it takes for each of the first pass at the same CRF, and how
	// much faster they change with CRF.
	ratio, steeper float64
}

var fastEncoders = map[film.VideoCodec]fastEncoder{
	film.H264: {preset: "veryfast", around: 3, equal: 21, bits: 0.11, halves: 6, ratio: 1.25, steeper: 0.8},
	film.H265: {preset: "superfast", around: 3, equal: 24, bits: 0.08, halves: 6, ratio: 1.33, steeper: 1.1},
	film.VP9:  {preset: "8", equal: 31, bits: 0.06, halves: 10, ratio: 0.93, steeper: 0.5}, // libvpx is hardly faster for files: one is enough
	film.AV1:  {preset: "12", around: 4, equal: 32, bits: 0.055, halves: 12, ratio: 0.95, steeper: 1.2},
}

// useFastEncoder replaces the renditions of the job by those of the first pass, for each that has a bit rate or whose file has a size. It
// returns which rendition each of them is of.
func (a *attempt) useFastEncoder() (of []int) {
	all, whole := a.job.Renditions, a.film.Renditions
	a.job.Renditions, a.job.Pictures, a.film.Renditions = nil, nil, nil
	for i, r := range all {
		if !r.Sized() {
			continue
		}
		by := fastEncoders[r.Codec]
		middle := a.expectedCRF(r)
		common := whole[i]
		for _, fast := range []*film.Rendition{&r, &common} {
			fast.Preset, fast.MaxBitrate, fast.Bitrate, fast.FileSize = by.preset, 0, 0, 0
		}
		for _, crf := range slices.Compact([]int{middle - by.around, middle + by.around}) {
			r.CRF = crf
			of, a.job.Renditions, a.film.Renditions = append(of, i), append(a.job.Renditions, r), append(a.film.Renditions, common)
		}
	}
	return of
}

// expectedCRF returns about the CRF that gives common footage the bit rate of a rendition.
func (a *attempt) expectedCRF(r film.Rendition) int {
	by, scale := fastEncoders[r.Codec], float64(r.Codec.MaxCRF())/51
	seconds := float64(a.film.Source.Duration) / 1e6
	rate := float64(r.Bitrate)
	if rate == 0 && seconds > 0 {
		rate = float64(r.FileSize) * 8 / seconds
	}
	frames := media.Rational{Num: 25, Den: 1}
	switch v := a.film.Source.Video; {
	case r.Rate.Known():
		frames = r.Rate
	case v.FrameRate.Known():
		frames = v.FrameRate
	}
	pixels := float64(r.Width) * float64(r.Height) * float64(frames.Num) / float64(frames.Den)
	crf := by.equal
	if rate > 0 && pixels > 0 {
		crf -= by.halves * math.Log2(rate/pixels/by.bits)
	}
	const lowest, highest = 10, 41
	return int(min(max(math.Round(crf), lowest*scale), highest*scale))
}

// payload returns how many bytes of video a file has that was encoded: those of the segment, without the frames around it.
func (a *attempt) payload(file string, r film.Rendition, times []media.Ticks) (bytes int64, frames int, err error) {
	expected := a.expected(r, times)
	if len(expected.times) == 0 {
		return 0, 0, nil
	}
	f, err := os.Open(filepath.Join(a.Dir, filepath.Base(file)))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	chunk, _, err := expected.read(f, r.OutputTimebase(*a.job.Source.Video))
	if err != nil {
		return 0, 0, err
	}
	return chunk.Payload(), len(chunk.Samples), nil
}

// measured returns the bytes and frames of a rendition in the first pass, of which nothing is stored.
func (a *attempt) measured(_ context.Context, rendition int, times []media.Ticks) (film.Chunk, error) {
	bytes, frames, err := a.payload(a.file(rendition), a.job.Renditions[rendition], times)
	return film.Chunk{StoredObject: film.StoredObject{Size: bytes}, Frames: frames}, err
}
