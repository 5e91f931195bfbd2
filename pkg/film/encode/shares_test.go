package encode_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/encode"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/film/sizing"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// results are those of units that are done.
type results map[string]work.Result

func (r results) Result(_ context.Context, unit string) (work.Result, bool, error) {
	one, done := r[unit]
	return one, done, nil
}

func (r results) All(_ context.Context, prefix string) iter.Seq2[work.Finished, error] {
	return func(yield func(work.Finished, error) bool) {
		var names []string
		for name := range r {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(work.Finished{Unit: name, Result: r[name]}, nil) {
				return
			}
		}
	}
}

// do does a unit, and adds its result.
func (r results) do(t *testing.T, kind work.Kind, job film.Job, unit string, spec any, files, scratch blob.Store) {
	t.Helper()
	about, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	env := &work.Env{
		Job: filmtest.Job, Doc: doc, Unit: unit, Attempt: 1, Dir: t.TempDir(), Scratch: scratch, Results: r,
		Resolve:  func(_ context.Context, url string) (blob.Store, string, error) { return files, url, nil },
		Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
	}
	if r[unit], err = kind.Run(t.Context(), env, work.Unit{Name: unit, Spec: about}); err != nil {
		t.Fatal(err)
	}
}

// An easy and a hard segment share the bits of the film, which has its bit rate; again, they get the same bytes.
func TestSegmentsShareTheBitsOfAFilm(t *testing.T) {
	t.Parallel()
	found, files := filmtest.Source(t, "film.mp4", "-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=2", "-f", "lavfi", "-i", "mandelbrot=s=160x90:r=25,trim=end=2",
		"-filter_complex", "[0]setsar=1,format=yuv420p[a];[1]setsar=1,format=yuv420p[b];[a][b]concat", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "6", "-g", "50", "-sc_threshold", "0")
	v := found.Source.Video
	middle := v.Start + media.Rescale(2_000_000, media.Microseconds, v.Timebase)
	segments := []film.Segment{
		{Start: v.Start, End: middle, Frames: 50},
		{Index: 1, Last: true, Start: middle, End: v.End, Seek: middle, LeadSync: v.Start, Frames: 50},
	}
	tools := filmtest.Tools(t)
	run := func() ([]film.Chunk, blob.Store) {
		job := film.Job{
			ID: filmtest.Job, Source: found.Source, Segments: 2, Request: film.Request{Compute: film.Compute{Threads: 2}},
			Renditions: []film.Rendition{{Codec: film.H264, CRF: 21, Preset: "ultrafast", Width: 160, Height: 90, PixelFormat: "yuv420p", Bitrate: 300_000}},
			Outputs:    []film.OutputPlan{{Name: "a", Container: film.MP4}},
		}
		r, scratch := results{}, filmtest.Store(t)
		for i, s := range segments {
			r.do(t, encode.Pass{Tools: tools}, job, film.PassUnit(i), s, files, scratch)
		}
		r.do(t, encode.Shares{}, job, film.SharesUnit, nil, files, scratch)
		var chunks []film.Chunk
		for i, s := range segments {
			r.do(t, encode.Kind{Tools: tools}, job, film.VideoUnit(i), s, files, scratch)
			var facts film.SegmentFacts
			if err := json.Unmarshal(r[film.VideoUnit(i)].Facts, &facts); err != nil {
				t.Fatal(err)
			}
			chunks = append(chunks, facts.Chunks[0])
		}
		return chunks, scratch
	}
	const wanted = 300_000 / 8 * 4
	chunks, scratch := run()
	var total int64
	for i, c := range chunks {
		s := c.Sizing
		if s == nil || c.Frames != 50 || c.Size-c.Header != s.Probe.Bytes || math.Abs(float64(s.Probe.Bytes)-s.Wanted) > max(0.015*s.Wanted, 0.01*wanted/2) {
			t.Fatalf("segment %d: %+v of %+v", i, s, c)
		}
		total += s.Probe.Bytes
	}
	if math.Abs(float64(total)/wanted-1) > 0.02 {
		t.Errorf("%d bytes, want %d", total, wanted)
	}
	easy, hard := chunks[0].Sizing, chunks[1].Sizing
	if hard.Wanted < 2*easy.Wanted {
		t.Errorf("a fractal gets %v bytes, lines %v", hard.Wanted, easy.Wanted)
	}
	again, other := run()
	for i := range chunks {
		if !bytes.Equal(content(t, scratch, chunks[i].Key), content(t, other, again[i].Key)) {
			t.Errorf("segment %d has other bytes when it is done again", i)
		}
	}
}

// Whatever the CRF, chunks of a package declare their decoder alike: a rendition has a single declaration for all of its segments.
func TestChunksOfPackagesDeclareOneDecoder(t *testing.T) {
	t.Parallel()
	found, files := filmtest.Source(t, "film.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1,noise=alls=8:all_seed=1", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
	of := func(rate film.Bitrate) film.Rendition {
		return film.Rendition{
			Name: rate.String(), Codec: film.H264, CRF: 21, Preset: "ultrafast", Width: 160, Height: 90, PixelFormat: "yuv420p", Bitrate: rate, SegmentDuration: 1_000_000, Keyframes: 1,
		}
	}
	job := film.Job{
		ID: filmtest.Job, Source: found.Source, Segments: 1, Request: film.Request{Compute: film.Compute{Threads: 2}}, Renditions: []film.Rendition{of(200_000), of(800_000)},
		Outputs: []film.OutputPlan{{Name: "a", Container: film.HLS, Renditions: []int{0, 1}, SingleFile: true}},
	}
	v := found.Source.Video
	segment := film.Segment{Last: true, Start: v.Start, End: v.End, Frames: 25}
	r, scratch, tools := results{}, filmtest.Store(t), filmtest.Tools(t)
	r.do(t, encode.Pass{Tools: tools}, job, film.PassUnit(0), segment, files, scratch)
	r.do(t, encode.Shares{}, job, film.SharesUnit, nil, files, scratch)
	r.do(t, encode.Kind{Tools: tools}, job, film.VideoUnit(0), segment, files, scratch)
	var facts film.SegmentFacts
	if err := json.Unmarshal(r[film.VideoUnit(0)].Facts, &facts); err != nil {
		t.Fatal(err)
	}
	a, b := facts.Chunks[0], facts.Chunks[1]
	if a.Sizing.Probe.CRF < b.Sizing.Probe.CRF+2 {
		t.Fatalf("CRF %v and %v are too near to tell", a.Sizing.Probe.CRF, b.Sizing.Probe.CRF)
	}
	if !bytes.Equal(a.Media.Entry, b.Media.Entry) {
		t.Errorf("CRF %v and %v declare\n%x and\n%x", a.Sizing.Probe.CRF, b.Sizing.Probe.CRF, a.Media.Entry, b.Media.Entry)
	}
}

// The container takes some bytes for each frame of the output, of which a frame rate makes more than the source has.
func TestAHigherFrameRateLeavesLessOfAFile(t *testing.T) {
	t.Parallel()
	left := func(rate media.Rational) int64 {
		pass, err := json.Marshal(film.PassFacts{Duration: 10_000_000, Frames: 250, Renditions: []sizing.Curve{{{CRF: 20, Bytes: 400_000}}}})
		if err != nil {
			t.Fatal(err)
		}
		r := results{film.PassUnit(0): {Facts: pass}}
		job := film.Job{
			Segments: 1, Renditions: []film.Rendition{{Codec: film.H264, Rate: rate, FileSize: 500_000, SizedFile: "a.mp4"}},
			Outputs: []film.OutputPlan{{File: "a.mp4", Container: film.MP4, Renditions: []int{0}}},
		}
		r.do(t, encode.Shares{}, job, film.SharesUnit, nil, nil, nil)
		var facts film.SharesFacts
		if err := json.Unmarshal(r[film.SharesUnit].Facts, &facts); err != nil {
			t.Fatal(err)
		}
		return facts.Renditions[0].Bytes
	}
	source, double := left(media.Rational{}), left(media.Rational{Num: 50, Den: 1})
	if less := source - double; less < 250*10 || less > 250*25 {
		t.Errorf("%d bytes of video at the source's 25 frames a second, %d at 50", source, double)
	}
}
