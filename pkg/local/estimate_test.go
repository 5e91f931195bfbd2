package local

import (
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film/planner"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestOnlyUnitsThatAreNotDoneNeedSpace(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	group := func(units, done int, scratch, destination int64) engine.GroupProgress {
		return engine.GroupProgress{Group: work.Group{Units: units, Space: work.Space{Scratch: scratch, Destination: destination}}, Done: done}
	}
	for _, c := range []struct {
		name   string
		groups []engine.GroupProgress
		want   work.Space // without what is added to every estimate
	}{
		{"no groups", nil, work.Space{}},
		{"none done", []engine.GroupProgress{group(10, 0, 78*mb, 0), group(1, 0, 0, 78*mb)}, work.Space{Scratch: 78 * mb, Destination: 78 * mb}},
		{"half done", []engine.GroupProgress{group(10, 5, 78*mb, 0), group(1, 0, 0, 78*mb)}, work.Space{Scratch: 39 * mb, Destination: 78 * mb}},
		{"all done", []engine.GroupProgress{group(10, 10, 78*mb, 0), group(1, 1, 0, 78*mb)}, work.Space{}},
		{"not divided yet", []engine.GroupProgress{group(0, 0, 78*mb, mb)}, work.Space{Scratch: 78 * mb, Destination: mb}},
		{"more than a disk holds", []engine.GroupProgress{group(1, 0, math.MaxInt64, mb)}, work.Space{Scratch: math.MaxInt64, Destination: mb}},
	} {
		bytes := func(n int64) int64 { return int64(min(float64(n)*spaceMargin+fixedSpace, math.MaxInt64/4)) }
		want := work.Space{Scratch: bytes(c.want.Scratch), Destination: bytes(c.want.Destination)}
		if got := needed(c.groups); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

// The planner divides its estimate among the groups. Their sum is the estimate for the whole job.
func TestTheEstimateOfAPlanIsTheSumOfItsGroups(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The source is larger than what the encode may take.
	source := filepath.Join(t.TempDir(), "in.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4",
		"-f", "lavfi", "-i", "sine=d=4", "-vf", "noise=alls=100:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac", source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const (
		video = 160 * 90 * 100 * 0.25 / 8 // 100 frames of 0.25 bits a pixel
		audio = 160_000 / 8 * 4           // 160 kbit/s for 4 s
	)
	for container, want := range map[string]struct{ scratch, destination, segments float64 }{
		"mp4": {2*audio + video, audio + video, audio + video}, // a chunk has the audio interleaved
		"mkv": {3*audio + 3*video, audio + video, video},       // ffmpeg writes the output twice
	} {
		request, err := json.Marshal(map[string]any{
			"source": source, "destination": t.TempDir(), "segment": map[string]any{"seconds": 1},
			"outputs": []any{map[string]any{"name": "out", "container": container, "audio": map[string]any{"codec": "aac", "bitrate": "160k"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		p, err := planner.Planner{Tools: tools}.Plan(t.Context(), &work.PlanEnv{Resolve: files{source: source}.resolve, Dir: t.TempDir()}, request)
		if err != nil {
			t.Fatal(err)
		}
		var groups []engine.GroupProgress
		for _, g := range p.Groups {
			groups = append(groups, engine.GroupProgress{Group: g})
		}
		check := func(what string, got int64, want float64) {
			t.Helper()
			// The container declares a duration that differs from 4 s by some milliseconds.
			if d := float64(got-fixedSpace)/spaceMargin - want; math.Abs(d) > want/50 {
				t.Errorf("%s: %s: %d bytes, want %.0f and the margin", container, what, got, want)
			}
		}
		space := needed(groups)
		check("scratch", space.Scratch, want.scratch)
		check("destination", space.Destination, want.destination)
		left := 0.0 // share of the segments
		for i := range groups {
			if groups[i].Name == "video" {
				groups[i].Done = groups[i].Units / 2
				left = 1 - float64(groups[i].Done)/float64(groups[i].Units)
			}
		}
		if left == 0 || left == 1 {
			t.Fatalf("%s: groups %+v, want several segments", container, p.Groups)
		}
		space = needed(groups)
		check("scratch with some segments done", space.Scratch, want.scratch-(1-left)*want.segments)
		check("destination with some segments done", space.Destination, want.destination)
	}
}
