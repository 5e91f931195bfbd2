package main

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/stage"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// feed gives events to a new meter, each some seconds after noon.
func feed(events map[float64][]stage.Event) *meter {
	m := &meter{}
	for s := 0.0; s <= 1000; s += 0.5 {
		for _, e := range events[s] {
			m.add(local.Event{Event: e, Time: after(s)})
		}
	}
	return m
}

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestRatesAndTimeLeftFollowTheWork(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0: {{Type: stage.Planned, Segments: 10, Duration: 100e6}},
		1: {{Type: stage.Started, Unit: "video/00000"}},
		5: {{Type: stage.Progress, Unit: "video/00000", Frames: 200, Media: 8e6, Bytes: 4000}},
	})
	r := m.at(after(5))
	if !near(r.FPS, 50) || !near(r.Speed, 2) {
		t.Errorf("%v fps at %vx, want 50 fps at 2x: 200 frames and 8 s of film in 4 s", r.FPS, r.Speed)
	}
	if want := 46 * time.Second; (r.Left - want).Abs() > time.Millisecond {
		t.Errorf("%v left, want %v: 92 s at 2x", r.Left, want)
	}
	if !near(r.Fraction, 0.08) || r.Bytes != 4000 || r.Done != 0 || r.Elapsed != 5*time.Second {
		t.Errorf("%+v, want 8 %%, 4000 bytes, none done, after 5 s", r)
	}
	if r = m.at(after(9)); !near(r.Speed, 1) {
		t.Errorf("%vx after 4 s of silence, want 1x", r.Speed)
	}
}

func TestRatesForgetWhatIsLongPast(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0:   {{Type: stage.Planned, Segments: 2, Duration: 1000e6}, {Type: stage.Started, Unit: "video/00000"}},
		10:  {{Type: stage.Progress, Unit: "video/00000", Frames: 9000, Media: 300e6}},
		90:  {{Type: stage.Progress, Unit: "video/00000", Frames: 9000, Media: 300e6}},
		100: {{Type: stage.Progress, Unit: "video/00000", Frames: 9100, Media: 310e6}},
	})
	if r := m.at(after(100)); r.FPS > 10 || r.FPS < 1 {
		t.Errorf("%v fps, want what the last seconds gave, between 1 and 10", r.FPS)
	}
	if r := m.at(after(200)); r.FPS != 0 || r.Left >= 0 {
		t.Errorf("%v fps and %v left after a long silence, want none, and no guess", r.FPS, r.Left)
	}
}

func TestSegmentsOfAnEarlierRunCountAsDoneButNotForSpeed(t *testing.T) {
	plan := stage.Event{Type: stage.Planned, Segments: 4, Done: 2, Duration: 40e6}
	if r := feed(map[float64][]stage.Event{0: {plan}}).at(after(0)); r.Done != 2 || !near(r.Fraction, 0.5) {
		t.Errorf("%d done, %v, at the start; want the 2 that the plan knows of, half", r.Done, r.Fraction)
	}
	m := feed(map[float64][]stage.Event{
		0: {plan},
		1: {{Type: stage.Skipped, Unit: "video/00000", Frames: 250, Media: 10e6, Bytes: 5}, {Type: stage.Started, Unit: "video/00002"}},
		2: {{Type: stage.Skipped, Unit: "video/00001", Frames: 250, Media: 10e6, Bytes: 5}},
		6: {{Type: stage.Finished, Unit: "video/00002", Frames: 250, Media: 10e6, Bytes: 5}},
	})
	r := m.at(after(6))
	if r.Done != 3 || !near(r.Fraction, 0.75) || r.Bytes != 15 {
		t.Errorf("%d done, %v, %d bytes; want 3, 0.75, 15", r.Done, r.Fraction, r.Bytes)
	}
	if !near(r.FPS, 50) || !near(r.Speed, 2) || r.Worked != 10e6 {
		t.Errorf("%v fps, %vx, %d worked; want 50, 2, 10e6 from the one segment of this run", r.FPS, r.Speed, r.Worked)
	}
}

func TestWorkAddsToSegmentsOfWhichOnlyTheNumberIsKnown(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0: {{Type: stage.Planned, Segments: 4, Done: 2, Duration: 40e6, Frames: 1000}},
		1: {{Type: stage.Started, Unit: "video/00002"}},
		3: {{Type: stage.Progress, Unit: "video/00002", Frames: 100}},
	})
	r := m.at(after(3))
	if !near(r.Fraction, 0.6) || !near(r.Speed, 2) || (r.Left-8*time.Second).Abs() > time.Millisecond {
		t.Errorf("%+v, want 0.6 at 2x, 8 s left: 20 s were done before, and 100 frames are 4 s", r)
	}
}

func TestAFailedAttemptIsWorkButNotProgress(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0: {{Type: stage.Planned, Segments: 1, Duration: 10e6}, {Type: stage.Started, Unit: "video/00000"}},
		2: {{Type: stage.Progress, Unit: "video/00000", Frames: 100, Media: 4e6, Bytes: 9}},
		4: {{Type: stage.Broken, Unit: "video/00000", Error: "x"}},
	})
	if r := m.at(after(4)); r.Fraction != 0 || r.Bytes != 0 || !near(r.FPS, 25) {
		t.Errorf("%+v, want nothing done and no bytes, at 25 fps", r)
	}
}

func TestLengthIsGuessedWhereThePlanDoesNotKnowIt(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0:  {{Type: stage.Planned, Segments: 4}, {Type: stage.Started, Unit: "video/00000"}},
		10: {{Type: stage.Finished, Unit: "video/00000", Frames: 100, Media: 10e6}},
	})
	if r := m.at(after(10)); !near(r.Fraction, 0.25) || (r.Left-30*time.Second).Abs() > time.Millisecond {
		t.Errorf("%v done and %v left, want a quarter and 30 s", r.Fraction, r.Left)
	}
}

func TestSoundAloneHasSpeedAndTimeLeft(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0: {{Type: stage.Planned, Pieces: 1, Duration: 100e6}, {Type: stage.Started, Unit: "audio/00000"}},
		2: {{Type: stage.Progress, Unit: "audio/00000", Media: 40e6}},
	})
	if r := m.at(after(2)); !near(r.Speed, 20) || !near(r.Sound, 0.4) || (r.Left-3*time.Second).Abs() > time.Millisecond {
		t.Errorf("%+v, want 20x, 40 %%, 3 s left", r)
	}
}

func TestASourceThatIsSplitFirstGetsItsSegmentsLater(t *testing.T) {
	m := feed(map[float64][]stage.Event{
		0: {{Type: stage.Planned, Pieces: 1}},
		5: {{Type: stage.Planned, Segments: 3, Pieces: 1, Duration: 30e6}},
	})
	if r := m.at(after(6)); r.Segments != 3 || r.Pieces != 1 || r.Joining() {
		t.Errorf("%+v, want 3 segments to do", r)
	}
}

func TestWhatAMeterSaysAlwaysMakesSense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments, pieces := rapid.IntRange(0, 5).Draw(t, "segments"), rapid.IntRange(0, 3).Draw(t, "pieces")
		m, now := &meter{}, noon
		tell := func(e stage.Event) {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "pause")))
			m.add(local.Event{Event: e, Time: now})
		}
		tell(stage.Event{
			Type: stage.Planned, Segments: segments, Pieces: pieces, Done: rapid.IntRange(0, segments).Draw(t, "before"),
			Duration: media.Ticks(rapid.Int64Range(0, 1e12).Draw(t, "duration")), Frames: rapid.Int64Range(0, 1e6).Draw(t, "planned"),
		})
		var units []string
		for i := range segments {
			units = append(units, film.VideoUnit(i))
		}
		for i := range pieces {
			units = append(units, film.AudioUnit(i))
		}
		kinds := []stage.EventType{stage.Started, stage.Progress, stage.Broken, stage.Finished, stage.Skipped, stage.Warning, local.Retried}
		var last reading
		check := func() {
			r := m.at(now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later"))))
			bad := ""
			switch {
			case r.Done < last.Done || r.Heard < last.Heard || r.Worked < last.Worked:
				bad = "went back"
			case r.Done > r.Segments || r.Heard > r.Pieces || r.Segments != segments || r.Pieces != pieces:
				bad = "counts more than there are"
			case !(r.Fraction >= 0 && r.Fraction <= 1 && r.Sound >= 0 && r.Sound <= 1):
				bad = "fraction outside 0 to 1"
			case (r.Fraction == 1) != (segments > 0 && r.Done == segments) || (r.Sound == 1) != (pieces > 0 && r.Heard == pieces):
				bad = "full is not when all are done"
			case !(r.FPS >= 0 && r.Speed >= 0 && r.FPS < math.Inf(1) && r.Speed < math.Inf(1)) || r.Bytes < 0 || r.Elapsed < 0:
				bad = "negative or not a number"
			case r.Left < -1:
				bad = "time left"
			}
			if bad != "" {
				t.Fatalf("%s: %+v after %+v", bad, r, last)
			}
			last = r
		}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			if len(units) == 0 {
				break
			}
			tell(stage.Event{
				Type: rapid.SampledFrom(kinds).Draw(t, "type"), Unit: rapid.SampledFrom(units).Draw(t, "unit"),
				Frames: rapid.Int64Range(0, 1e6).Draw(t, "frames"), Media: media.Ticks(rapid.Int64Range(0, 1e11).Draw(t, "media")), Bytes: rapid.Int64Range(0, 1e12).Draw(t, "bytes"),
			})
			check()
			if len(m.samples) > int(window/spacing)+3 {
				t.Fatalf("%d samples are kept", len(m.samples))
			}
		}
		for _, u := range units {
			tell(stage.Event{Type: stage.Finished, Unit: u})
		}
		check()
		if last.Joining() != (len(units) > 0) || last.Done != segments {
			t.Fatalf("after all are finished: %+v", last)
		}
	})
}

func TestAMeterOfAFullMapIsQuick(t *testing.T) {
	m := &meter{}
	m.add(local.Event{Event: stage.Event{Type: stage.Planned, Segments: 10_000, Duration: 1e11}, Time: noon})
	began := time.Now()
	for i := range 10_000 {
		m.add(local.Event{Event: stage.Event{Type: stage.Finished, Unit: fmt.Sprintf("video/%05d", i), Media: 1e7}, Time: noon.Add(time.Duration(i) * time.Millisecond)})
		m.at(noon.Add(time.Duration(i) * time.Millisecond))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("10,000 events took %v", took)
	}
}
