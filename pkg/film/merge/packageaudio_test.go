package merge

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// The audio of a long film has as many media segments as its video.
func TestMediaSegmentsOfLongAudio(t *testing.T) {
	const hours, seconds = 20, 2
	m := attempt{out: film.OutputPlan{Name: "film"}, job: film.Job{Request: film.Request{Outputs: []film.Output{
		{Name: "film", Package: &film.Package{Seconds: film.Seconds(seconds * time.Second)}},
	}}}}
	start := int64(film.MediaTimeOffset * 48_000)
	cuts := m.audioCuts(start, start+hours*3600*48_000, media.Rational{Num: 1, Den: 48_000}, hours*3600*48_000/1024)
	if want := hours*3600/seconds - 1; len(cuts) != want {
		t.Fatalf("%d cuts, want %d", len(cuts), want)
	}
	for i, at := range cuts {
		if want := int64(film.MediaTimeOffset+(i+1)*seconds) * 48_000; at != want {
			t.Fatalf("cut %d at %d, want %d", i, at, want)
		}
	}
	if cuts := m.audioCuts(film.MediaTimeOffset, 1<<32, media.Rational{Num: 1, Den: 1}, 2); len(cuts) > 2 {
		t.Errorf("two packets have %d cuts", len(cuts))
	}
}
