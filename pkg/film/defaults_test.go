package film

import (
	"testing"
	"time"
)

// Each start of ffmpeg costs as much as decoding some seconds, or the keyframes of some minutes.
func TestSegmentsAreAsLongAsTheirWorkIsQuick(t *testing.T) {
	still := Output{Name: "a", Container: Stills}
	keys := Output{Name: "b", Container: Sprites, Preview: &Preview{Keyframes: true}}
	for _, c := range []struct {
		name    string
		outputs []Output
		want    time.Duration
	}{
		{"a film", []Output{{Name: "a", Container: MP4}}, 0}, // it follows from the source
		{"previews beside a film", []Output{still, keys, {Name: "c", Container: MP4}}, 0},
		{"previews alone", []Output{still, keys}, 30 * time.Second},
		{"keyframes alone", []Output{keys}, 10 * time.Minute},
	} {
		if got := (Request{Outputs: c.outputs}).segmentLength(); got != c.want {
			t.Errorf("%s: segments of %v, want %v", c.name, got, c.want)
		}
	}
}
