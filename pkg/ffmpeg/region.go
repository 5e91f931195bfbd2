package ffmpeg

import "fmt"

// Region is a rectangle of a frame, in pixels; the zero value is the whole frame.
type Region struct{ Width, Height, X, Y int }

// Filters returns the filter that keeps the region; nil for the whole frame.
func (r Region) Filters() []string {
	if r == (Region{}) {
		return nil
	}
	return []string{fmt.Sprintf("crop=%d:%d:%d:%d", r.Width, r.Height, r.X, r.Y)}
}
