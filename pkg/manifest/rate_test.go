package manifest

import "testing"

// A segment's mean hides how close frames are within it. Timestamps in milliseconds are off by up to one.
func TestHighestFrameRateIsThatOfTheShortestFrame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frames         int // of a segment of 4 s
		shortest       int64
		declared, want Ratio
	}{
		"unknown":                   {96, 0, Ratio{24, 1}, Ratio{24, 1}},
		"variable":                  {88, 40, Ratio{22, 1}, Ratio{1000, 40}},
		"constant, in milliseconds": {96, 41, Ratio{24000, 1001}, Ratio{24000, 1001}},
		"59.94, in milliseconds":    {240, 16, Ratio{60000, 1001}, Ratio{60000, 1001}},
	} {
		v := Video{FrameRate: c.declared, ShortestFrame: c.shortest, Rendition: Rendition{Timescale: 1000, Segments: []Segment{{Duration: 4000, Frames: c.frames}}}}
		if got := v.highestRate(4); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
