package planner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// A first pass and the sharing out come before the segments. The audio of a file with a size comes before both, because its bytes count.
func TestWhatComesBeforeSegmentsWithABitrate(t *testing.T) {
	t.Parallel()
	source := film.Source{Duration: 20_000_000, Video: &film.VideoTrack{}, Audio: []film.AudioTrack{{Codec: "aac"}}}
	segments := []film.Segment{{Index: 0}, {Index: 1, Last: true}}
	for _, c := range []struct {
		name string
		set  func(*film.Rendition)
		want map[string][]string
	}{
		{"neither", func(*film.Rendition) {}, map[string][]string{phaseEncode: {"audio/00000", "video/00000", "video/00001"}}},
		{"a bit rate", func(r *film.Rendition) { r.Bitrate = 800_000 }, map[string][]string{
			film.PassPhase: {"pass/00000", "pass/00001"}, film.SharesPhase: {"shares/film"}, phaseEncode: {"audio/00000", "video/00000", "video/00001"},
		}},
		{"a size", func(r *film.Rendition) { r.FileSize, r.SizedFile = 5_000_000, "a.mp4" }, map[string][]string{
			film.PassPhase: {"audio/00000", "pass/00000", "pass/00001"}, film.SharesPhase: {"shares/film"}, phaseEncode: {"video/00000", "video/00001"},
		}},
	} {
		j := film.Job{
			Source: source, Renditions: []film.Rendition{{Codec: film.H264}}, AudioRenditions: []film.AudioRendition{{Codec: film.AAC}},
			Outputs: []film.OutputPlan{{Name: "a", File: "a.mp4", Container: film.MP4, Renditions: []int{0}, Audio: []int{0}}},
		}
		c.set(&j.Renditions[0])
		p, err := newPlan(j, segments, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		grouped := 0
		for _, phase := range p.Phases {
			for u := range phase.Units {
				got[phase.Name] = append(got[phase.Name], u.Name)
				for _, g := range p.Groups {
					if g.Contains(u.Name) {
						grouped++
					}
				}
				if segment := u.Needs.Class == work.ClassEncode; segment != (len(u.Spec) > 0) {
					t.Errorf("%s: %s is of class %s", c.name, u.Name, u.Needs.Class)
				}
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		units := 0
		for _, g := range p.Groups {
			units += g.Units
		}
		if units != grouped+1 { // and the output
			t.Errorf("%s: %d units are planned, and %d counted", c.name, grouped+1, units)
		}
	}
}

// The memory of a first pass is that of two encoders for each rendition, of joined sources too.
func TestAFirstPassNeedsTheMemoryOfTwoEncoders(t *testing.T) {
	t.Parallel()
	one := []film.Rendition{{Codec: film.H264}}
	j := film.Job{Renditions: one, Source: film.Source{Joined: []film.JoinedSource{{Renditions: one}}}}
	if both := twice(j); len(both.Renditions) != 2 || len(both.Source.Joined[0].Renditions) != 2 {
		t.Errorf("the first pass encodes %d and %d renditions, want 2", len(both.Renditions), len(both.Source.Joined[0].Renditions))
	}
	if len(j.Renditions) != 1 || len(j.Source.Joined[0].Renditions) != 1 {
		t.Errorf("the job itself has %d and %d renditions, want 1", len(j.Renditions), len(j.Source.Joined[0].Renditions))
	}
}
