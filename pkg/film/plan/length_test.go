package plan_test

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestTheLengthOfSegmentsFollowsFromTheGoalAndTheSource(t *testing.T) {
	for _, test := range []struct {
		name    string
		goal    film.Goal
		seconds time.Duration // of the request
		film    time.Duration
		want    time.Duration
	}{
		{"as ever", "", 0, 2 * time.Hour, 10 * time.Second},
		{"balanced", film.GoalBalanced, 0, 2 * time.Hour, 10 * time.Second},
		{"cheap", film.GoalCost, 0, 2 * time.Hour, 30 * time.Second},
		{"soon", film.GoalTime, 0, time.Hour, 4 * time.Second},
		{"soon, and more than run at once", film.GoalTime, 0, 2 * time.Hour, 7200 * time.Millisecond},
		{"soon, of a source that claims to be endless", film.GoalTime, 0, 100_000 * time.Hour, time.Minute},
		{"the length that is usual for the goal is asked for", film.GoalTime, 4 * time.Second, 2 * time.Hour, 4 * time.Second},
		{"a length is asked for", film.GoalTime, 20 * time.Second, 10 * time.Hour, 20 * time.Second},
	} {
		r := film.Request{Source: "s3://b/in/a.mp4", Destination: "s3://b/out/", Outputs: []film.Output{{Name: "a"}}}
		r.Segment = film.Segmenting{Seconds: film.Seconds(test.seconds), Goal: test.goal}
		r, err := r.Normalise(true)
		if err != nil {
			t.Fatal(err)
		}
		job := film.Job{Request: r, Source: film.Source{Video: &film.VideoTrack{}}}
		job.Source.Duration = media.Ticks(test.film / time.Microsecond)
		if got := plan.SegmentLength(job); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		again, err := r.Normalise(true)
		if err != nil || again.Segment != r.Segment {
			t.Errorf("%s: normalised again it is %+v, not %+v: %v", test.name, again.Segment, r.Segment, err)
		}
	}
}
