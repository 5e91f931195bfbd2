package encode_test

import (
	"bytes"
	"io"
	"math"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/encode"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
)

// Each rendition of a segment finds the CRF for its own target, and gets the bytes that it would get alone. One of them begins with a draft.
func TestEachRenditionFindsItsOwnCRF(t *testing.T) {
	t.Parallel()
	found, files := filmtest.Source(t, "film.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1,noise=alls=8:all_seed=1", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
	by := func(m target.Metric, want float64) film.Rendition {
		q := target.Quality{Metric: m, Target: want}.Normalise(film.H264.QualityRange())
		return film.Rendition{Codec: film.H264, CRF: 21, Preset: "medium", Width: 160, Height: 90, PixelFormat: "yuv420p", Quality: q}
	}
	run := func(renditions ...film.Rendition) ([]film.Chunk, blob.Store) {
		job := film.Job{
			ID: filmtest.Job, Source: found.Source, Renditions: renditions, Segments: 1,
			Request: film.Request{Compute: film.Compute{Threads: 2}}, Outputs: []film.OutputPlan{{Name: "a", Container: film.MP4}},
		}
		v := found.Source.Video
		var facts film.SegmentFacts
		scratch := filmtest.Store(t)
		filmtest.RunSpec(t, encode.Kind{Tools: filmtest.Tools(t)}, job, film.VideoUnit(0), film.Segment{Last: true, Start: v.Start, End: v.End, Frames: 25}, files, scratch, &facts)
		return facts.Chunks, scratch
	}
	renditions := []film.Rendition{by(target.XPSNR, 38), by(target.SSIM, 0.96)}
	both, scratch := run(renditions...)
	for i, c := range []struct{ want, within float64 }{{38, 0.25}, {0.96, 0.004}} {
		q := both[i].Quality
		switch {
		case q == nil || len(q.Probes) < 2 || q.Draft || q.Probes[0].Draft != (i == 0):
			t.Errorf("rendition %d: probes %+v, want some, the first of them a draft: %v", i, q, i == 0)
		case math.Abs(q.Mean-c.want) > c.within || q.Worst > q.Mean || both[i].Frames != 25:
			t.Errorf("rendition %d: %+v of %d frames, want %v within %v of 25", i, q, both[i].Frames, c.want, c.within)
		}
	}
	for i, r := range renditions {
		alone, other := run(r)
		if alone[0].Quality.Probe != both[i].Quality.Probe || !bytes.Equal(content(t, other, alone[0].Key), content(t, scratch, both[i].Key)) {
			t.Errorf("%+v beside another rendition, %+v alone", both[i], alone[0])
		}
	}
}

// What is measured of an encode does not depend on what was encoded before: neither on drafts nor on the frames that are kept.
func TestProbesAreMeasuredAlike(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filter    string // of the source
		frames    int
		rendition film.Rendition
	}{
		"8 bits":           {"null", 25, film.Rendition{PixelFormat: "yuv420p"}},
		"10 bits":          {"null", 25, film.Rendition{PixelFormat: "yuv420p10le"}},
		"variable rate":    {"select='mod(n,5)-mod(n,3)'", 16, film.Rendition{PixelFormat: "yuv420p"}},
		"another rate":     {"null", 25, film.Rendition{PixelFormat: "yuv420p", Rate: media.Rational{Num: 50, Den: 1}}},
		"deinterlaced":     {"interlace,setfield=tff", 12, film.Rendition{PixelFormat: "yuv420p", Deinterlace: true}},
		"a single picture": {"select='eq(n,7)'", 1, film.Rendition{PixelFormat: "yuv420p"}},
	} {
		found, files := filmtest.Source(t, "film.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1,noise=alls=8:all_seed=1,"+c.filter,
			"-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
		run := func(q target.Quality) film.Chunk {
			r := c.rendition
			r.Codec, r.Preset, r.Width, r.Height, r.Quality = film.AV1, "8", 128, 72, q.Normalise(film.AV1.QualityRange())
			job := film.Job{
				ID: filmtest.Job, Source: found.Source, Renditions: []film.Rendition{r}, Segments: 1,
				Request: film.Request{Compute: film.Compute{Threads: 2}}, Outputs: []film.OutputPlan{{Name: "a", Container: film.MP4}},
			}
			v := found.Source.Video
			var facts film.SegmentFacts
			filmtest.RunSpec(t, encode.Kind{Tools: filmtest.Tools(t)}, job, film.VideoUnit(0), film.Segment{Last: true, Start: v.Start, End: v.End, Frames: c.frames}, files, filmtest.Store(t), &facts)
			return facts.Chunks[0]
		}
		searched := run(target.Quality{Target: 36})
		q := searched.Quality
		if len(q.Probes) < 2 || !q.Probes[0].Draft || q.Draft {
			t.Fatalf("%s: %+v, want a draft, and another to be kept", name, q)
		}
		alone := run(target.Quality{Target: 36, Min: int(q.CRF), Max: int(q.CRF)})
		if len(alone.Quality.Probes) != 1 || alone.Quality.Probe != q.Probe || alone.Size != searched.Size || alone.Frames != searched.Frames {
			t.Errorf("%s: %+v of %d bytes after a search, %+v of %d bytes alone", name, q.Probe, searched.Size, alone.Quality.Probe, alone.Size)
		}
	}
}

func content(t *testing.T, store blob.Store, key string) []byte {
	t.Helper()
	r, err := store.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
