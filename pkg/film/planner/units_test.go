package planner

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// jobWith returns a job of 1000 s with one video rendition, two audio renditions with four parts in
// all, subtitles and two outputs, after change has changed it.
func jobWith(change func(*film.Job)) film.Job {
	j := film.Job{
		ID: "0123456789abcdef0123",
		Request: film.Request{
			Source: "/in/film.mkv", Destination: "/out/",
			Compute: film.Compute{Mode: film.LambdaBatch, Concurrency: 100}, Retention: film.Retention{Hours: 3},
		},
		Source: film.Source{
			URL: "/in/film.mkv", Size: 1_000_000_000, Duration: 1000_000_000,
			Video:     &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 25}, End: 25_000, Frames: 25_000},
			Audio:     []film.AudioTrack{{Codec: "flac"}, {Codec: "aac"}},
			Subtitles: []film.SubtitleTrack{{Codec: "subrip", IsText: true}},
		},
		Renditions: []film.Rendition{{Codec: film.H264, CRF: 21, Width: 1920, Height: 1080}},
		AudioRenditions: []film.AudioRendition{
			{Track: 0, Codec: film.AAC, Bitrate: 160_000, Rate: 48_000, Step: 16_000_000, Parts: 3},
			{Track: 1, Codec: film.AudioCopy},
		},
		SubtitleRenditions: []film.SubtitleRendition{{Codec: "mov_text"}},
		Outputs: []film.OutputPlan{
			{Name: "film", File: "film.mp4", Container: film.MP4, Renditions: []int{0}, Audio: []int{0, 1}, Subtitles: []int{0}},
			{Name: "web", File: "web.m3u8", Container: film.HLS, Renditions: []int{0}, Audio: []int{0}},
		},
		Warnings: []string{"film.mp4: left out: 1 chapter"},
	}
	change(&j)
	return j
}

func audioOnly(j *film.Job) {
	j.Source.Video, j.Renditions, j.SubtitleRenditions = nil, nil, nil
	j.Outputs = []film.OutputPlan{{Name: "film", File: "film.mp4", Container: film.MP4, Audio: []int{0, 1}}}
}

func withoutAudioAndSubtitles(j *film.Job) {
	j.AudioRenditions, j.SubtitleRenditions = nil, nil
	for i := range j.Outputs {
		j.Outputs[i].Audio, j.Outputs[i].Subtitles = nil, nil
	}
}

// segmentsOf returns n segments.
func segmentsOf(n int) []film.Segment {
	segments := make([]film.Segment, n)
	for i := range segments {
		segments[i] = film.Segment{Index: i, Start: media.Ticks(i * 250), End: media.Ticks((i + 1) * 250), Last: i == n-1}
	}
	return segments
}

func planOf(t *testing.T, j film.Job, segments []film.Segment) work.Plan {
	t.Helper()
	p, err := newPlan(j, segments, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// unitsOf returns the units of a phase.
func unitsOf(t *testing.T, p work.Phase) []work.Unit {
	t.Helper()
	if p.Units == nil {
		t.Fatalf("phase %s has no units", p.Name)
	}
	return slices.Collect(p.Units)
}

func namesOf(units []work.Unit) []string {
	var names []string
	for _, u := range units {
		names = append(names, u.Name)
	}
	return names
}

func TestPhasesOfAPlan(t *testing.T) {
	t.Parallel()
	encode := []string{
		"audio/00000", "audio/00001", "audio/00002", "audio/00003", "sidecar/00000", "video/00000", "video/00001",
	}
	type phase struct {
		Name         string
		Intermediate bool
		Units        []string
	}
	for _, c := range []struct {
		name     string
		change   func(*film.Job)
		segments int
		open     bool
		want     []phase
	}{
		{"a source with an index", func(*film.Job) {}, 2, false, []phase{{"encode", false, encode}}},
		{"a source that has to be split", func(j *film.Job) { j.Split = true }, 0, true, []phase{{"split", true, []string{"split/source"}}}},
		{
			"a source that was split", func(j *film.Job) { j.Split = true }, 2, false,
			[]phase{{"split", true, []string{"split/source"}}, {"encode", false, encode}},
		},
		{"audio only", audioOnly, 0, false, []phase{{"encode", false, encode[:4]}}},
		{
			"video without audio and subtitles", withoutAudioAndSubtitles, 2, false, []phase{{"encode", false, encode[5:]}},
		},
		{
			"a cover needs the sidecar unit",
			func(j *film.Job) {
				withoutAudioAndSubtitles(j)
				j.Outputs[0].Cover = true
			}, 2, false,
			[]phase{{"encode", false, encode[4:]}},
		},
	} {
		j := jobWith(c.change)
		p := planOf(t, j, segmentsOf(c.segments))
		var got []phase
		for _, ph := range p.Phases {
			got = append(got, phase{ph.Name, ph.Intermediate, namesOf(unitsOf(t, ph))})
		}
		if diff := cmp.Diff(c.want, got); diff != "" || p.Open != c.open {
			t.Errorf("%s: open %v, want %v; phases (-want +got):\n%s", c.name, p.Open, c.open, diff)
		}
		var outputs []string
		for _, out := range j.Outputs {
			outputs = append(outputs, "output/"+out.Name)
		}
		if diff := cmp.Diff(outputs, namesOf(unitsOf(t, p.OutputPhase))); diff != "" || p.OutputPhase.Name != "merge" || p.OutputPhase.Intermediate {
			t.Errorf("%s: output phase %q, intermediate %v, units (-want +got):\n%s", c.name, p.OutputPhase.Name, p.OutputPhase.Intermediate, diff)
		}
	}
}

// Units of a phase start in the order of their names, so the names decide that audio comes first.
func TestEncodeUnitsAreYieldedInTheOrderOfTheirNames(t *testing.T) {
	t.Parallel()
	p := planOf(t, jobWith(func(j *film.Job) { j.AudioRenditions[0].Parts = 1200 }), segmentsOf(10_000))
	names := namesOf(unitsOf(t, p.Phases[0]))
	if len(names) != 1201+1+10_000 {
		t.Fatalf("got %d names", len(names))
	}
	for i := range names[1:] {
		if names[i] >= names[i+1] {
			t.Fatalf("%s comes before %s", names[i], names[i+1])
		}
	}
	if names[0] != film.AudioUnit(0) || names[1201] != film.SidecarUnit || names[1202] != film.VideoUnit(0) {
		t.Errorf("audio begins with %s, then come %s and %s", names[0], names[1201], names[1202])
	}
}

func TestPhasesCanBeReadTwiceAndInPart(t *testing.T) {
	t.Parallel()
	p := planOf(t, jobWith(func(*film.Job) {}), segmentsOf(3))
	for _, phase := range []work.Phase{p.Phases[0], p.OutputPhase} {
		all := namesOf(unitsOf(t, phase))
		for n := range all {
			var some []string
			for u := range phase.Units {
				if some = append(some, u.Name); len(some) > n {
					break
				}
			}
			if !slices.Equal(some, all[:n+1]) {
				t.Fatalf("the first %d units are %q, want %q", n+1, some, all[:n+1])
			}
		}
	}
}

func TestAVideoUnitHoldsItsSegment(t *testing.T) {
	t.Parallel()
	want := segmentsOf(4)
	want[1].NextKeyframe, want[1].MidScene, want[1].Frames = new(media.Ticks(270)), true, 250
	p := planOf(t, jobWith(func(*film.Job) {}), want)
	var got []film.Segment
	for _, u := range unitsOf(t, p.Phases[0]) {
		if !strings.HasPrefix(u.Name, film.VideoKind+"/") {
			if u.Spec != nil {
				t.Errorf("%s has the spec %s", u.Name, u.Spec)
			}
			continue
		}
		var seg film.Segment
		if err := json.Unmarshal(u.Spec, &seg); err != nil {
			t.Fatal(err)
		}
		if u.Name != film.VideoUnit(seg.Index) {
			t.Errorf("%s holds segment %d", u.Name, seg.Index)
		}
		got = append(got, seg)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNeedsFollowTheModeOfTheRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode           film.ComputeMode
		gpu            bool
		encode, others work.Route
	}{
		{film.Lambda, false, work.RouteLambda, work.RouteLambda},
		{film.LambdaBatch, false, work.RouteLambdaBatch, work.RouteLambdaBatch},
		{film.Batch, false, work.RouteBatch, work.RouteLambdaBatch},
		{film.Batch, true, work.RouteBatch, work.RouteLambdaBatch}, // Normalise sets this mode for GPUs
	} {
		j := jobWith(func(j *film.Job) {
			j.Split, j.Request.Compute.Mode, j.Request.Compute.GPU = true, c.mode, c.gpu
		})
		p := planOf(t, j, segmentsOf(2))
		other := func(class work.Class) work.Needs { return work.Needs{Class: class, Route: c.others} }
		want := map[string]work.Needs{
			film.SplitKind:   other(work.ClassSplit),
			film.AudioKind:   other(work.ClassAudio),
			film.SidecarKind: other(work.ClassAudio),
			film.VideoKind:   {Class: work.ClassEncode, Route: c.encode, GPU: c.gpu, Memory: input.Video(j).Need()},
			film.OutputKind:  other(work.ClassMerge),
		}
		seen := map[string]bool{}
		for _, phase := range append(p.Phases, p.OutputPhase) {
			for u := range phase.Units {
				kind, _, _ := strings.Cut(u.Name, "/")
				seen[kind] = true
				u.Needs.Load = work.Load{} // see TestUnitsTellWhatTheyNeedOfAWorker
				if diff := cmp.Diff(want[kind], u.Needs); diff != "" {
					t.Errorf("mode %s, GPU %v: %s (-want +got):\n%s", c.mode, c.gpu, u.Name, diff)
				}
			}
		}
		if len(seen) != len(want) {
			t.Errorf("mode %s: units of the kinds %v, want all of them", c.mode, seen)
		}
	}
}

func TestGroupsCoverEachUnitOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		change   func(*film.Job)
		segments int
		want     []work.Group // without Space
	}{
		{"all kinds", func(j *film.Job) { j.Split = true }, 100, []work.Group{
			{Name: "video", Noun: "segments", Units: 100, Total: work.Amount{Media: 1000_000_000, Count: 25_000}},
			{Name: "audio", Noun: "audio parts", Units: 4, Total: work.Amount{Media: 2 * 1000_000_000}},
			{Name: "sidecar", Noun: "sidecars", Units: 1},
			{Name: "split", Noun: "splits", Units: 1, Total: work.Amount{Media: 1000_000_000}},
			{Name: "output/film", Noun: "outputs", Units: 1},
			{Name: "output/web", Noun: "outputs", Units: 1},
		}},
		{"audio only", audioOnly, 0, []work.Group{
			{Name: "audio", Noun: "audio parts", Units: 4, Total: work.Amount{Media: 2 * 1000_000_000}},
			{Name: "output/film", Noun: "outputs", Units: 1},
		}},
	} {
		p := planOf(t, jobWith(c.change), segmentsOf(c.segments))
		counted := map[string]int{}
		for _, phase := range append(p.Phases, p.OutputPhase) {
			for u := range phase.Units {
				for _, g := range p.Groups {
					if g.Contains(u.Name) {
						counted[g.Name]++
					}
				}
			}
		}
		var got []work.Group
		for _, g := range p.Groups {
			if counted[g.Name] != g.Units {
				t.Errorf("%s: group %s has %d units, want the %d that the phases yield", c.name, g.Name, g.Units, counted[g.Name])
			}
			g.Space = work.Space{}
			got = append(got, g)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAPlanDescribesItsJob(t *testing.T) {
	t.Parallel()
	j := jobWith(func(*film.Job) {})
	p := planOf(t, j, segmentsOf(50))
	var doc film.Job
	if err := json.Unmarshal(p.Doc, &doc); err != nil {
		t.Fatal(err)
	}
	j.Segments = 50
	if diff := cmp.Diff(j, doc); diff != "" {
		t.Errorf("Doc (-want +got):\n%s", diff)
	}
	p.Doc, p.Phases, p.OutputPhase, p.Groups = nil, nil, work.Phase{}, nil
	want := work.Plan{
		ID: j.ID, Planner: "film", Source: "/in/film.mkv", Outputs: []string{"/out/film.mp4", "/out/web.m3u8"},
		Concurrency: 100, Retention: 3 * time.Hour, Warnings: j.Warnings,
		Duration: 1000 * time.Second * slowestPace / 50, // 50 segments use 50 of 100 workers
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheLongestDurationAllowsForOneWorkerAtLeast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		segments, concurrency int
		want                  time.Duration
	}{
		{0, 100, 1000 * slowestPace * time.Second},
		{1, 100, 1000 * slowestPace * time.Second},
		{200, 100, 10 * slowestPace * time.Second},
		{200, 1000, 5 * slowestPace * time.Second},
	} {
		j := jobWith(func(j *film.Job) { j.Request.Compute.Concurrency = c.concurrency })
		if got := planOf(t, j, segmentsOf(c.segments)).Duration; got != c.want {
			t.Errorf("%d segments, concurrency %d: got %v, want %v", c.segments, c.concurrency, got, c.want)
		}
	}
}
