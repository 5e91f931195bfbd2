package planner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

// The loudness of a track is that of all its rates, so it is measured before the first of them only.
func TestEachTrackIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	j := film.Job{
		AudioRenditions: []film.AudioRendition{
			{Track: 0, Bitrate: 64_000, Loudness: -2300},
			{Track: 0, Bitrate: 128_000, Loudness: -2300},
			{Track: 1, Bitrate: 64_000, Loudness: -2300},
			{Track: 1, Bitrate: 128_000, Loudness: -2300},
			{Track: 2, Bitrate: 128_000},
		},
	}
	var got []string
	for _, u := range loudnessUnits(j) {
		got = append(got, u.Name)
	}
	if diff := cmp.Diff([]string{film.LoudnessUnit(0), film.LoudnessUnit(2)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
