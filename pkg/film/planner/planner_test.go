package planner

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// results are the results of finished units, by their names.
type results map[string]work.Result

func (r results) Result(_ context.Context, unit string) (work.Result, bool, error) {
	result, done := r[unit]
	return result, done, nil
}

func (results) All(context.Context, string) iter.Seq2[work.Finished, error] {
	return func(func(work.Finished, error) bool) {}
}

func put(t *testing.T, store blob.Store, key, data string) {
	t.Helper()
	if _, err := store.Put(t.Context(), key, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// splitResult returns the result of the split unit of a job.
func splitResult(t *testing.T, job string) work.Result {
	t.Helper()
	var r work.Result
	if err := r.SetFacts(film.SplitFacts{Chunks: 3, Index: film.SourceIndexKey(job), Jumps: true}); err != nil {
		t.Fatal(err)
	}
	return r
}

func newStore(t *testing.T) *dir.Store {
	t.Helper()
	store, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestExtendPlansTheSegmentsOfASplitSource(t *testing.T) {
	t.Parallel()
	j := jobWith(func(j *film.Job) { j.Split = true })
	open := planOf(t, j, nil)
	scratch := newStore(t)
	put(t, scratch, film.SourceIndexKey(j.ID), `{"start": -5, "end": 700, "sync": [0, 260, 500]}`)

	got, err := Planner{}.Extend(t.Context(), &work.PlanEnv{
		Scratch: scratch, Results: results{film.SplitUnit: splitResult(t, j.ID)},
	}, open)
	if err != nil {
		t.Fatal(err)
	}
	if got.Open || got.ID != open.ID || len(got.Phases) != 2 || got.Phases[0].Name != "split" || got.Phases[0].Units != nil {
		t.Errorf("got %+v, want a complete plan that leaves the units of the split phase to the ledger", got)
	}
	var segments []film.Segment
	for _, u := range unitsOf(t, got.Phases[1]) {
		if !strings.HasPrefix(u.Name, film.VideoKind+"/") {
			continue
		}
		var seg film.Segment
		if err := json.Unmarshal(u.Spec, &seg); err != nil {
			t.Fatal(err)
		}
		segments = append(segments, seg)
	}
	want := []film.Segment{
		{Index: 0, Start: -5, End: 260, Seek: -5, LeadSync: -5, NextKeyframe: new(media.Ticks(260))},
		{Index: 1, Start: 260, End: 500, Seek: 260, LeadSync: 0, NextKeyframe: new(media.Ticks(500)), Boundary: film.AtSourceChunk},
		{Index: 2, Start: 500, End: 700, Seek: 500, LeadSync: 260, Last: true, Boundary: film.AtSourceChunk},
	}
	if diff := cmp.Diff(want, segments); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
	var doc film.Job
	if err := json.Unmarshal(got.Doc, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Segments != 3 || doc.Source.Video.Start != -5 || doc.Source.Video.End != 700 || !doc.Source.Jumps {
		t.Errorf("got %d segments of a video track from %d to %d, jumps %v", doc.Segments, doc.Source.Video.Start, doc.Source.Video.End, doc.Source.Jumps)
	}
}

func TestExtendFailsWithoutTheIndexOfTheSourceChunks(t *testing.T) {
	t.Parallel()
	j := jobWith(func(j *film.Job) { j.Split = true })
	for _, c := range []struct {
		name  string
		index string // "" for none
		done  bool
		want  fault.Kind
	}{
		{"the split unit is not done", `{"sync": [0]}`, false, fault.Corrupt},
		{"the index is missing", "", true, fault.NotFound},
		{"the index is damaged", `{"sync": [`, true, fault.Corrupt},
		{"the index is empty", `{}`, true, fault.Corrupt},
	} {
		scratch, done := newStore(t), results{}
		if c.index != "" {
			put(t, scratch, film.SourceIndexKey(j.ID), c.index)
		}
		if c.done {
			done[film.SplitUnit] = splitResult(t, j.ID)
		}
		open := planOf(t, j, nil)
		got, err := Planner{}.Extend(t.Context(), &work.PlanEnv{Scratch: scratch, Results: done}, open)
		if fault.KindOf(err) != c.want || !got.Open {
			t.Errorf("%s: got %v and open %v, want an error of kind %s and the open plan", c.name, err, got.Open, c.want)
		}
	}
	damaged := work.Plan{ID: j.ID, Open: true, Doc: json.RawMessage(`{"segments": "many"}`)}
	if _, err := (Planner{}).Extend(t.Context(), &work.PlanEnv{}, damaged); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("a damaged record of the job: got %v, want an error of kind %s", err, fault.Corrupt)
	}
}

func TestAnOutputMustNotReplaceTheSource(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	put(t, store, "films/a.mp4", "source")
	put(t, store, "films/b.mp4", "an older output")
	resolve := func(_ context.Context, url string) (blob.Store, string, error) {
		return store, strings.TrimPrefix(url, "s3://b/"), nil
	}
	for file, replaces := range map[string]bool{"a.mp4": true, "b.mp4": false, "c.mp4": false} {
		req := film.Request{Source: "s3://b/films/a.mp4", Destination: "s3://b/films/"}
		err := refuseToReplaceSource(t.Context(), resolve, req, film.OutputPlan{File: file})
		if (err != nil) != replaces || replaces && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, want an error: %v", file, err, replaces)
		}
	}
}

func TestRequiredEncodersAreListedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		codecs []film.VideoCodec
		gpu    bool
		want   []string // nil: refused
	}{
		{"on CPUs", []film.VideoCodec{film.H264, film.AV1, film.H264}, false, []string{"aac", "libsvtav1", "libx264"}},
		{"on a GPU", []film.VideoCodec{film.H265}, true, []string{"aac", "hevc_nvenc"}},
		{"VP9 on a GPU", []film.VideoCodec{film.VP9}, true, nil},
	} {
		j := jobWith(func(j *film.Job) {
			j.Request.Compute.GPU, j.Renditions = c.gpu, nil
			for _, codec := range c.codecs {
				j.Renditions = append(j.Renditions, film.Rendition{Codec: codec})
			}
		})
		got, err := requiredEncoders(j)
		if c.want == nil {
			if fault.KindOf(err) != fault.Unsupported {
				t.Errorf("%s: got %v, %v, want an error of kind %s", c.name, got, err, fault.Unsupported)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

func TestATrackBehindAJumpStartsWhereSplitFoundIt(t *testing.T) {
	t.Parallel()
	ticks := media.Rational{Num: 1, Den: 90_000}
	tracks := []film.AudioTrack{{Start: 46 * 90_000, Timebase: ticks}, {Start: 90_001, Timebase: ticks}, {Start: 7, Timebase: ticks}}
	got := startingAt(tracks, []*media.Ticks{new(media.Ticks(13_000_000)), new(media.Ticks(1_000_000)), nil})
	for i, want := range []media.Ticks{13 * 90_000, 90_001, 7} { // the second is the same time, rounded
		if got[i].Start != want {
			t.Errorf("track %d starts at %d, want %d", i+1, got[i].Start, want)
		}
	}
	if tracks[0].Start != 46*90_000 {
		t.Error("the caller's tracks were changed")
	}
}
