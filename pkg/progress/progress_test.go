package progress

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/progress/progresstest"
	"github.com/mapreel/mapreel/pkg/work"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// newTracker returns a tracker with events, whose keys are seconds after noon.
func newTracker(events map[float64][]engine.Event) *Tracker {
	m := &Tracker{}
	for s := 0.0; s <= 1000; s += 0.5 {
		for _, e := range events[s] {
			m.Add(local.Event{Event: e, Time: atSecond(s)})
		}
	}
	return m
}

func atSecond(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

func approxEqual(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestRatesAndTimeLeftFollowTheWork(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(10, 0, 0, 100e6, 0)},
		1: {{Type: engine.Started, Unit: "video/00000"}},
		2: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 1, Media: 4e4}}},
		5: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 200, Media: 8e6, Bytes: 4000}}},
	})
	r := m.Snapshot(atSecond(5))
	if !approxEqual(r.FPS, 50) || !approxEqual(r.Speed, 2) {
		t.Errorf("%v fps at %vx, want 50 fps at 2x: 200 frames and 8 s of film in 4 s", r.FPS, r.Speed)
	}
	if want := 46 * time.Second; (r.Remaining - want).Abs() > time.Millisecond {
		t.Errorf("%v left, want %v: 92 s at 2x", r.Remaining, want)
	}
	if !approxEqual(r.VideoFraction, 0.08) || r.Bytes != 4000 || r.Done != 0 || r.Elapsed != 5*time.Second {
		t.Errorf("%+v, want 8 %%, 4000 bytes, none done, after 5 s", r)
	}
	if r = m.Snapshot(atSecond(9)); !approxEqual(r.Speed, 1) {
		t.Errorf("%vx after 4 s of silence, want 1x", r.Speed)
	}
}

func TestFramesSpeedAndTimeLeftAgree(t *testing.T) {
	// The encoder looks ahead, so that its timestamps run ahead of its frames.
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(10, 0, 0, 100e6, 2500), {Type: engine.Started, Unit: "video/00000"}},
		1: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 10, Media: 3e6}}},
		4: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 100, Media: 9e6}}},
	})
	r := m.Snapshot(atSecond(4))
	if !approxEqual(r.FPS, 25) || !approxEqual(r.Speed, 1) || (r.Remaining-96*time.Second).Abs() > time.Millisecond {
		t.Errorf("%v fps, %vx, %v left; want 25 fps, 1x, 96 s, which all say 100 frames of 2500 in 4 s", r.FPS, r.Speed, r.Remaining)
	}
}

func TestThereIsNoEstimateWhileTheEncodersStart(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(10, 0, 0, 100e6, 2500), {Type: engine.Started, Unit: "video/00000"}},
		4: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 1}}},
		6: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 200}}},
	})
	for _, second := range []float64{2, 4.5, 6.5} {
		if r := m.Snapshot(atSecond(second)); r.FPS != 0 || r.Speed != 0 || r.Remaining >= 0 {
			t.Errorf("after %v s: %v fps, %vx, %v left; want none of them", second, r.FPS, r.Speed, r.Remaining)
		}
	}
	if r := m.Snapshot(atSecond(8)); !approxEqual(r.FPS, 25) || r.Remaining < 0 {
		t.Errorf("after 8 s: %v fps and %v left, want 25 fps and an estimate", r.FPS, r.Remaining)
	}
}

func TestRatesIgnoreOldWork(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0:   {progresstest.Planned(2, 0, 0, 1000e6, 0), {Type: engine.Started, Unit: "video/00000"}},
		10:  {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 9000, Media: 300e6}}},
		90:  {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 9000, Media: 300e6}}},
		100: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 9100, Media: 310e6}}},
	})
	if r := m.Snapshot(atSecond(100)); r.FPS > 10 || r.FPS < 1 {
		t.Errorf("%v fps, want the rate of the last seconds, between 1 and 10", r.FPS)
	}
	if r := m.Snapshot(atSecond(200)); r.FPS != 0 || r.Remaining >= 0 {
		t.Errorf("%v fps and %v left after a long silence, want 0 and no estimate", r.FPS, r.Remaining)
	}
}

func TestSegmentsOfAnEarlierRunCountAsDoneButNotForSpeed(t *testing.T) {
	plan := progresstest.Planned(4, 2, 0, 40e6, 0)
	if r := newTracker(map[float64][]engine.Event{0: {plan}}).Snapshot(atSecond(0)); r.Done != 2 || !approxEqual(r.VideoFraction, 0.5) {
		t.Errorf("%d done, %v, at the start; want the 2 of the plan, half", r.Done, r.VideoFraction)
	}
	m := newTracker(map[float64][]engine.Event{
		0: {plan},
		1: {{Type: engine.Skipped, Unit: "video/00000", Amount: work.Amount{Count: 250, Media: 10e6, Bytes: 5}}, {Type: engine.Started, Unit: "video/00002"}},
		3: {{Type: engine.Progress, Unit: "video/00002", Amount: work.Amount{Count: 1, Media: 4e4}}},
		2: {{Type: engine.Skipped, Unit: "video/00001", Amount: work.Amount{Count: 250, Media: 10e6, Bytes: 5}}},
		6: {{Type: engine.Done, Unit: "video/00002", Amount: work.Amount{Count: 250, Media: 10e6, Bytes: 5}}},
	})
	r := m.Snapshot(atSecond(6))
	if r.Done != 3 || !approxEqual(r.VideoFraction, 0.75) || r.Bytes != 15 {
		t.Errorf("%d done, %v, %d bytes; want 3, 0.75, 15", r.Done, r.VideoFraction, r.Bytes)
	}
	if !approxEqual(r.FPS, 50) || !approxEqual(r.Speed, 2) || r.Worked != 10e6 {
		t.Errorf("%v fps, %vx, %d worked; want 50, 2, 10e6 from the one segment of this run", r.FPS, r.Speed, r.Worked)
	}
}

func TestWorkAddsToSegmentsKnownOnlyByNumber(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(4, 2, 0, 40e6, 1000)},
		1: {{Type: engine.Started, Unit: "video/00002"}},
		2: {{Type: engine.Progress, Unit: "video/00002", Amount: work.Amount{Count: 10}}},
		5: {{Type: engine.Progress, Unit: "video/00002", Amount: work.Amount{Count: 200}}},
	})
	r := m.Snapshot(atSecond(5))
	if !approxEqual(r.VideoFraction, 0.7) || !approxEqual(r.Speed, 2) || (r.Remaining-6*time.Second).Abs() > time.Millisecond {
		t.Errorf("%+v, want 0.7 at 2x, 6 s left: 20 s were done before, and 200 frames are 8 s", r)
	}
}

func TestAFailedAttemptIsWorkButNotProgress(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(1, 0, 0, 10e6, 0), {Type: engine.Started, Unit: "video/00000"}},
		1: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 100, Media: 4e6, Bytes: 9}}},
		4: {{Type: engine.Failed, Unit: "video/00000", Error: "x"}},
	})
	if r := m.Snapshot(atSecond(4)); r.VideoFraction != 0 || r.Bytes != 0 || !approxEqual(r.FPS, 25) {
		t.Errorf("%+v, want nothing done and no bytes, at 25 fps", r)
	}
}

func TestLengthIsEstimatedIfThePlanHasNone(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0:  {progresstest.Planned(4, 0, 0, 0, 0), {Type: engine.Started, Unit: "video/00000"}},
		1:  {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 1, Media: 4e4}}},
		10: {{Type: engine.Done, Unit: "video/00000", Amount: work.Amount{Count: 100, Media: 10e6}}},
	})
	if r := m.Snapshot(atSecond(10)); !approxEqual(r.VideoFraction, 0.25) || (r.Remaining-30*time.Second).Abs() > time.Millisecond {
		t.Errorf("%v done and %v left, want a quarter and 30 s", r.VideoFraction, r.Remaining)
	}
}

func TestAudioOnlyHasSpeedAndTimeLeft(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(0, 0, 1, 100e6, 0), {Type: engine.Started, Unit: "audio/00000"}},
		1: {{Type: engine.Progress, Unit: "audio/00000", Amount: work.Amount{Media: 1e6}}},
		4: {{Type: engine.Progress, Unit: "audio/00000", Amount: work.Amount{Media: 80e6}}},
	})
	if r := m.Snapshot(atSecond(4)); !approxEqual(r.Speed, 20) || !approxEqual(r.AudioFraction, 0.8) || (r.Remaining-time.Second).Abs() > time.Millisecond {
		t.Errorf("%+v, want 20x, 80 %%, 1 s left", r)
	}
}

func TestSegmentsOfASplitSourceArePlannedLater(t *testing.T) {
	m := newTracker(map[float64][]engine.Event{
		0: {progresstest.Planned(0, 0, 1, 0, 0)},
		5: {progresstest.Planned(3, 0, 1, 30e6, 0)},
	})
	if r := m.Snapshot(atSecond(6)); r.Segments != 3 || r.AudioParts != 1 || r.Merging() {
		t.Errorf("%+v, want 3 segments to do", r)
	}
}

func TestSnapshotsAreAlwaysConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments, audioParts := rapid.IntRange(0, 5).Draw(t, "segments"), rapid.IntRange(0, 3).Draw(t, "audio parts")
		m, now := &Tracker{}, noon
		send := func(e engine.Event) {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "pause")))
			m.Add(local.Event{Event: e, Time: now})
		}
		send(progresstest.Planned(
			segments, rapid.IntRange(0, segments).Draw(t, "before"), audioParts,
			media.Ticks(rapid.Int64Range(0, 1e12).Draw(t, "duration")), rapid.Int64Range(0, 1e6).Draw(t, "planned"),
		))
		var units []string
		for i := range segments {
			units = append(units, film.VideoUnit(i))
		}
		for i := range audioParts {
			units = append(units, film.AudioUnit(i))
		}
		kinds := []engine.EventType{engine.Started, engine.Progress, engine.Failed, engine.Done, engine.Skipped, engine.Warning, local.Retried}
		var last Snapshot
		check := func() {
			r := m.Snapshot(now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later"))))
			bad := ""
			switch {
			case r.Done < last.Done || r.AudioDone < last.AudioDone || r.Worked < last.Worked:
				bad = "went back"
			case r.Done > r.Segments || r.AudioDone > r.AudioParts || r.Segments != segments || r.AudioParts != audioParts:
				bad = "counts more than there are"
			case !(r.VideoFraction >= 0 && r.VideoFraction <= 1 && r.AudioFraction >= 0 && r.AudioFraction <= 1):
				bad = "fraction outside 0 to 1"
			case (r.VideoFraction == 1) != (segments > 0 && r.Done == segments) || (r.AudioFraction == 1) != (audioParts > 0 && r.AudioDone == audioParts):
				bad = "the fraction is not 1 exactly when all are done"
			case !(r.FPS >= 0 && r.Speed >= 0 && r.FPS < math.Inf(1) && r.Speed < math.Inf(1)) || r.Bytes < 0 || r.Elapsed < 0:
				bad = "negative or not a number"
			case r.Remaining < -1:
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
			send(engine.Event{
				Type: rapid.SampledFrom(kinds).Draw(t, "type"), Unit: rapid.SampledFrom(units).Draw(t, "unit"),
				Amount: work.Amount{
					Count: rapid.Int64Range(0, 1e6).Draw(t, "frames"), Media: media.Ticks(rapid.Int64Range(0, 1e11).Draw(t, "media")),
					Bytes: rapid.Int64Range(0, 1e12).Draw(t, "bytes"),
				},
			})
			check()
			if len(m.samples) > int(rateWindow/sampleInterval)+3 {
				t.Fatalf("%d samples", len(m.samples))
			}
		}
		for _, u := range units {
			send(engine.Event{Type: engine.Done, Unit: u})
		}
		check()
		if last.Merging() != (len(units) > 0) || last.Done != segments {
			t.Fatalf("after all are finished: %+v", last)
		}
	})
}

func TestProgressOfTenThousandSegmentsIsFast(t *testing.T) {
	m := &Tracker{}
	m.Add(local.Event{Event: progresstest.Planned(10_000, 0, 0, 1e11, 0), Time: noon})
	began := time.Now()
	for i := range 10_000 {
		m.Add(local.Event{Event: engine.Event{Type: engine.Done, Unit: fmt.Sprintf("video/%05d", i), Amount: work.Amount{Media: 1e7}}, Time: noon.Add(time.Duration(i) * time.Millisecond)})
		m.Snapshot(noon.Add(time.Duration(i) * time.Millisecond))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("10,000 events took %v", took)
	}
}

// The first pass has a fraction of its own, and does not count in the rates of the encoders.
func TestAFirstPassIsShownBeforeTheSegments(t *testing.T) {
	plan := progresstest.Planned(2, 0, 0, 20e6, 500)
	pass := plan.Groups[0]
	pass.Name = film.PassKind
	plan.Groups = append(plan.Groups, pass)
	m := newTracker(map[float64][]engine.Event{
		0:  {plan, {Type: engine.Started, Unit: "pass/00000"}},
		2:  {{Type: engine.Progress, Unit: "pass/00000", Amount: work.Amount{Count: 125}}},
		8:  {{Type: engine.Done, Unit: "pass/00000", Amount: work.Amount{Count: 250, Media: 10e6}}},
		9:  {{Type: engine.Progress, Unit: "pass/00001", Amount: work.Amount{Count: 125}}},
		10: {{Type: engine.Done, Unit: "pass/00001", Amount: work.Amount{Count: 250, Media: 10e6}}},
		11: {{Type: engine.Progress, Unit: "video/00000", Amount: work.Amount{Count: 50}}},
	})
	s := m.Snapshot(atSecond(10))
	if s.FirstPass() || s.PassesDone != 2 || s.FPS != 0 || s.Remaining >= 0 {
		t.Errorf("after the first pass: %+v", s)
	}
	if s = m.Snapshot(atSecond(11)); !approxEqual(s.Fraction(), 0.1) {
		t.Errorf("%v of the video is done, want 0.1", s.Fraction())
	}
	m = newTracker(map[float64][]engine.Event{
		0: {plan, {Type: engine.Started, Unit: "pass/00000"}},
		2: {{Type: engine.Done, Unit: "pass/00000", Amount: work.Amount{Count: 250, Media: 10e6}}},
		3: {{Type: engine.Progress, Unit: "pass/00001", Amount: work.Amount{Count: 125}}},
	})
	if s = m.Snapshot(atSecond(9)); !s.FirstPass() || s.PassesDone != 1 || !approxEqual(s.Fraction(), 0.75) || s.FPS != 0 || s.Bytes != 0 {
		t.Errorf("during the first pass: %+v", s)
	}
}
