package planner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestUnitsTellWhatTheyNeedOfAWorker(t *testing.T) {
	t.Parallel()
	const gb = 1_000_000_000
	sizes := func(j film.Job, segments []film.Segment) map[string]work.Load {
		got := map[string]work.Load{}
		p := planOf(t, j, segments)
		for _, phase := range append(p.Phases, p.OutputPhase) {
			for _, u := range unitsOf(t, phase) {
				if u.Needs.Load != (work.Load{}) && u.Needs.Load.Hint == "" {
					t.Errorf("%s has a load, and no word on what to do about it", u.Name)
				}
				u.Needs.Load.Hint = ""
				got[u.Name] = u.Needs.Load
			}
		}
		return got
	}
	// Estimates: twice the source, of which a third is likely.
	film3 := func(c film.Container) film.Job {
		return jobWith(func(j *film.Job) {
			j.Source = film.Source{Size: 15 * gb, Duration: 7_200_000_000}
			j.Renditions = []film.Rendition{{Codec: film.H264, CRF: 21, Width: 4096, Height: 4096}}
			j.AudioRenditions = nil
			j.Outputs = []film.OutputPlan{{Name: "out", Container: c, Renditions: []int{0}}}
		})
	}
	out := film.OutputKind + "/out"
	two := make([]film.Segment, 2)
	two[1].Index = 1
	for name, c := range map[string]struct {
		job      film.Job
		segments []film.Segment
		want     map[string]work.Load
	}{
		"MP4 is joined by the store": {film3(film.MP4), two, map[string]work.Load{
			film.VideoUnit(0): {}, film.VideoUnit(1): {}, out: {Joined: 10 * gb},
		}},
		"Matroska is written to disk": {film3(film.Matroska), two, map[string]work.Load{
			film.VideoUnit(0): {}, film.VideoUnit(1): {}, out: {Joined: 10 * gb, Disk: 10 * gb, Read: 20 * gb},
		}},
		"one segment reads the whole source": {film3(film.MP4), two[:1], map[string]work.Load{
			film.VideoUnit(0): {Read: 15 * gb}, out: {Joined: 10 * gb},
		}},
	} {
		got := sizes(c.job, c.segments)
		delete(got, film.SidecarUnit)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	split := film3(film.MP4)
	split.Split = true
	split.Source.Audio = []film.AudioTrack{{Codec: "aac"}}
	split.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}}
	if got := sizes(split, two)[film.AudioUnit(0)]; got.Read != 15*gb {
		t.Errorf("audio of a source without an index reads %d bytes, want all", got.Read)
	}
	if got := sizes(split, nil)[film.SplitUnit]; got.Read != 15*gb {
		t.Errorf("split reads %d bytes, want all", got.Read)
	}
}
