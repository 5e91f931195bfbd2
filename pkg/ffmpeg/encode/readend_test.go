package encode

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

// A worker of an image sequence gets the frames of its segment, the one after it, and those that an encoder, a constant frame
// rate or a picture needs.
func TestReadEnd(t *testing.T) {
	rate := media.Rational{Num: 24, Den: 1}
	base := Video{Timebase: media.Rational{Num: 1, Den: 24}, Start: new(int64(48)), End: new(int64(96)), ContextFrames: true}
	h264 := Rendition{Codec: "h264", Preset: "medium", FrameRate: rate}
	grid := h264
	grid.Grid = &Grid{Rate: media.Rational{Num: 12, Den: 1}, First: 24, End: new(int64(48)), Scale: 12}
	grid.FrameRate = grid.Grid.Rate
	for _, c := range []struct {
		name       string
		renditions []Rendition
		pictures   []Pictures
		want       int64
	}{
		{"av1 looks at no other segment", []Rendition{{Codec: "av1", FrameRate: rate}}, nil, 97},
		{"x264 looks 40 frames ahead", []Rendition{h264}, nil, 137},
		{"x264 at half the rate looks twice as far", []Rendition{grid}, nil, 178},
		{"pictures look as far as they say", nil, []Pictures{{Ahead: new(int64(120))}}, 121},
	} {
		v := base
		v.Renditions, v.Pictures = c.renditions, c.pictures
		if got := v.ReadEnd(); got == nil || *got != c.want {
			t.Errorf("%s: %v, want %d", c.name, *got, c.want)
		}
	}
	base.End = nil
	if got := base.ReadEnd(); got != nil {
		t.Errorf("to the end: %d", *got)
	}
}
