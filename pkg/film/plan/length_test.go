package plan_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/target"
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
		{"no goal", "", 0, 2 * time.Hour, 10 * time.Second},
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

func TestBalancedSegmentsAreLongerWhereFramesAreLittleWork(t *testing.T) {
	small, hd := film.Rendition{Codec: film.H264, Preset: "medium", Width: 854, Height: 480}, film.Rendition{Codec: film.H264, Preset: "medium", Width: 1920, Height: 1080}
	with := func(r film.Rendition, change func(*film.Rendition)) film.Rendition {
		change(&r)
		return r
	}
	for _, test := range []struct {
		name       string
		whole      time.Duration
		gpu        bool
		renditions []film.Rendition
		want       time.Duration
	}{
		{"480 lines", time.Hour, false, []film.Rendition{small}, 30 * time.Second},
		{"of three minutes", 3 * time.Minute, false, []film.Rendition{small}, 30 * time.Second},
		{"of less", 179 * time.Second, false, []film.Rendition{small}, 20 * time.Second},
		{"of a minute and a half", 90 * time.Second, false, []film.Rendition{small}, 15 * time.Second},
		{"of half a minute", 30 * time.Second, false, []film.Rendition{small}, 10 * time.Second},
		{"of unknown length", 0, false, []film.Rendition{small}, 10 * time.Second},
		{"an encoder that takes longer", time.Hour, false, []film.Rendition{with(small, func(r *film.Rendition) { r.Codec, r.Preset = film.H265, "medium" })}, 10 * time.Second},
		{"AV1, which gains nothing", time.Hour, false, []film.Rendition{with(small, func(r *film.Rendition) { r.Codec, r.Preset = film.AV1, "8" })}, 10 * time.Second},
		{"a faster preset", time.Hour, false, []film.Rendition{with(hd, func(r *film.Rendition) { r.Preset = "veryfast" })}, 15 * time.Second},
		{"with a target quality", time.Hour, false, []film.Rendition{with(small, func(r *film.Rendition) { r.Quality = target.Quality{Target: 40} })}, 10 * time.Second},
		{"with a bit rate", time.Hour, false, []film.Rendition{with(small, func(r *film.Rendition) { r.Bitrate = 500_000 })}, 10 * time.Second},
		{"1080 lines", time.Hour, false, []film.Rendition{hd}, 10 * time.Second},
		{"a ladder", time.Hour, false, []film.Rendition{small, hd}, 10 * time.Second},
		{"on a GPU", time.Hour, true, []film.Rendition{small}, 10 * time.Second},
		{"sound alone", time.Hour, false, nil, 10 * time.Second},
	} {
		j := film.Job{Renditions: test.renditions, Source: film.Source{Duration: media.Ticks(test.whole / time.Microsecond), Video: &film.VideoTrack{Width: 854, Height: 480}}}
		j.Request.Compute.GPU = test.gpu
		if got := plan.SegmentLength(j); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		j.Source.Video.ConstantRate = media.Rational{Num: math.MaxInt32, Den: 1} // a source may claim anything
		if got := plan.SegmentLength(j); got != 10*time.Second {
			t.Errorf("%s, which claims 2,147,483,647 frames a second: %v, want 10s", test.name, got)
		}
	}
}

// fourK is an hour of 4K with 25 frames a second, encoded to 720p.
func fourK(deadline time.Duration) film.Job {
	j := film.Job{Source: film.Source{Duration: media.Ticks(time.Hour / time.Microsecond), Video: &film.VideoTrack{Width: 3840, Height: 2160}}}
	j.Renditions = []film.Rendition{{Codec: film.H264, Preset: "medium", Width: 1280, Height: 720}}
	j.Request.Compute = film.Compute{Deadline: film.Seconds(deadline), Concurrency: 1000, Mode: film.LambdaBatch}
	return j
}

func TestADeadlineSelectsTheLongestSegmentsThatMeetIt(t *testing.T) {
	for _, test := range []struct {
		deadline time.Duration
		change   func(*film.Job)
		want     time.Duration
		refused  string
	}{
		{deadline: time.Hour, want: 30 * time.Second},
		{deadline: 80 * time.Second, want: 20 * time.Second},
		{deadline: 50 * time.Second, want: 10 * time.Second},
		{deadline: 31 * time.Second, want: 4 * time.Second},
		{deadline: 20 * time.Second, want: 4 * time.Second, refused: "about 30s on AWS, in segments of 4s and 1000 at once"},
		// What changes no bytes does not change the segments, and may make the deadline impossible.
		{deadline: 50 * time.Second, change: func(j *film.Job) { j.Request.Compute.Concurrency = 2 }, want: 10 * time.Second, refused: "and 2 at once"},
		{deadline: 50 * time.Second, change: func(j *film.Job) { j.Request.Compute.Mode = film.Batch }, want: 10 * time.Second, refused: "about 5m4"},
		{deadline: 50 * time.Second, change: func(j *film.Job) { j.Request.Segment.Seconds = film.Seconds(30 * time.Second) }, want: 30 * time.Second, refused: "in segments of 30s"},
		// Nothing is known of these.
		{deadline: time.Second, change: func(j *film.Job) { j.Request.Compute.GPU = true }, want: 30 * time.Second},
		{deadline: time.Second, change: func(j *film.Job) { j.Source.Duration = 0 }, want: 30 * time.Second},
	} {
		j := fourK(test.deadline)
		if test.change != nil {
			test.change(&j)
		}
		if got := plan.SegmentLength(j); got != test.want {
			t.Errorf("%v: segments of %v, want %v", test.deadline, got, test.want)
		}
		err := plan.CheckDeadline(j)
		if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
			t.Errorf("%v: %v, want %q", test.deadline, err, test.refused)
		}
	}
}
