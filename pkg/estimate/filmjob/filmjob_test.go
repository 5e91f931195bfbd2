package filmjob_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// transcode is a job of 25 frames a second.
func transcode(length time.Duration, width, height int, renditions ...[2]int) film.Job {
	j := film.Job{Source: film.Source{
		Duration: media.Ticks(length / time.Microsecond), Video: &film.VideoTrack{Width: width, Height: height, ConstantRate: media.Rational{Num: 25, Den: 1}},
	}}
	for _, r := range renditions {
		j.Renditions = append(j.Renditions, film.Rendition{Codec: film.H264, Preset: "medium", Width: r[0], Height: r[1]})
	}
	j.Request.Compute = film.Compute{Mode: film.LambdaBatch, Concurrency: 1000, Threads: 2}
	return j
}

// planOf returns a plan that divides a job into segments.
func planOf(t *testing.T, j film.Job, segment time.Duration) work.Plan {
	t.Helper()
	doc, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	whole := time.Duration(j.Source.Duration) * time.Microsecond
	n := int((whole + segment - 1) / segment)
	units := func(yield func(work.Unit) bool) {
		for i := range n {
			if !yield(work.Unit{Name: fmt.Sprintf("video/%05d", i)}) {
				return
			}
		}
	}
	return work.Plan{
		Planner: filmjob.Planner, Doc: doc, Concurrency: j.Request.Compute.Concurrency, Phases: []work.Phase{{Name: "encode", Units: units}},
		OutputPhase: work.Phase{Name: "merge", Units: func(yield func(work.Unit) bool) { yield(work.Unit{Name: "output/film"}) }},
		Groups: []work.Group{
			{Name: "video", Noun: "segments", Units: n, Total: work.Amount{Count: int64(whole.Seconds() * 25)}}, {Name: "output/film", Noun: "outputs", Units: 1},
		},
	}
}

// TestWhatADeadlineExpectsIsWithinTheForecast compares the whole numbers that deadlines are judged by with the simulation.
func TestWhatADeadlineExpectsIsWithinTheForecast(t *testing.T) {
	for name, j := range map[string]film.Job{
		"1 h of 4K to 720p":          transcode(time.Hour, 3840, 2160, [2]int{1280, 720}),
		"2 h of 1080p to five sizes": transcode(2*time.Hour, 1920, 1080, [2]int{1920, 1080}, [2]int{1280, 720}, [2]int{960, 540}, [2]int{640, 360}, [2]int{426, 240}),
		"40 min of 1080p to 720p":    transcode(40*time.Minute, 1920, 1080, [2]int{1280, 720}),
		"10 min of 720p to 720p":     transcode(10*time.Minute, 1280, 720, [2]int{1280, 720}),
	} {
		for _, segment := range []time.Duration{4 * time.Second, 10 * time.Second, 30 * time.Second} {
			speed := func(j film.Job) (filmjob.Speed, error) {
				n := plan.FrameWork(j)
				return filmjob.Speed{CPU: estimate.Range{Low: n, High: n}}, nil
			}
			e, err := filmjob.Of(t.Context(), planOf(t, j, segment), speed, filmjob.Options{Prices: price.Default(), OnAWS: true})
			if err != nil {
				t.Fatal(err)
			}
			wall := e.Places[0].Wall
			if got := plan.Expected(j, segment, 1000).Milliseconds(); got < wall.Low || got > wall.High {
				t.Errorf("%s in segments of %v: %d ms are expected, and the forecast is %d to %d", name, segment, got, wall.Low, wall.High)
			}
		}
	}
}

// Half a minute of a video with 750 frames of 1,000 bytes each, in three segments that have 2,000 bytes more, and a track that is copied.
func TestBytesHaveTheAudioAsItIsCopied(t *testing.T) {
	for _, c := range []struct {
		track film.AudioTrack
		audio int64 // bytes of 30 s
	}{
		{film.AudioTrack{Channels: 6, BitRate: 192_580}, 722_175},
		{film.AudioTrack{Channels: 2}, 480_000}, // 128 kbit/s are usual
	} {
		j := transcode(30*time.Second, 854, 480, [2]int{854, 480})
		j.Source.Audio, j.AudioRenditions = []film.AudioTrack{c.track}, []film.AudioRendition{{Codec: film.AudioCopy}}
		speed := func(film.Job) (filmjob.Speed, error) {
			return filmjob.Speed{CPU: estimate.Range{Low: 1000, High: 1000}, Bytes: estimate.Range{Low: 1_000_000, High: 1_000_000}, Head: 2000}, nil
		}
		e, err := filmjob.Of(t.Context(), planOf(t, j, 10*time.Second), speed, filmjob.Options{Prices: price.Default()})
		if err != nil {
			t.Fatal(err)
		}
		const video = 750*1000 + 3*2000
		if got, want := e.Work.Output, (estimate.Range{Low: video + c.audio*95/100, High: video + c.audio*105/100}); got != want {
			t.Errorf("%+v: %+v, want %+v", c.track, got, want)
		}
	}
}

// The segments of a source without an index are planned after it was split. The estimate counts as many as there will be.
func TestSegmentsThatAreNotPlannedYetAreAsLongAsTheJobWantsThem(t *testing.T) {
	speed := func(film.Job) (filmjob.Speed, error) {
		return filmjob.Speed{CPU: estimate.Range{Low: 1000, High: 1000}}, nil
	}
	for want, j := range map[int]film.Job{
		8:  transcode(4*time.Minute, 854, 480, [2]int{854, 480}),
		24: transcode(4*time.Minute, 1920, 1080, [2]int{1920, 1080}),
	} {
		p := planOf(t, j, time.Minute)
		p.Open, p.Groups[0].Units = true, 0
		e, err := filmjob.Of(t.Context(), p, speed, filmjob.Options{Prices: price.Default()})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Work.Groups[0].Units; got != want {
			t.Errorf("%d segments of %d lines, want %d", got, j.Source.Video.Height, want)
		}
	}
}
