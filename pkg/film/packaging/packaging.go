// Package packaging lays out samples as the media segments of packages (HLS, DASH), and describes
// the segments for the ledger.
package packaging

import (
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// Segments makes a media segment of each run of samples, and describes them all. The runs are of
// one track; there is at least one.
func Segments(runs []isobmff.SampleRun) (*film.MediaFacts, []isobmff.Segment, error) {
	t := runs[0].Track
	facts := &film.MediaFacts{Entry: t.Entry, Timescale: t.Timescale, Width: t.Width, Height: t.Height}
	var segments []isobmff.Segment
	for _, run := range runs {
		s, err := run.Segment()
		if err != nil {
			return nil, nil, err
		}
		m := film.MediaSegment{Start: s.Start, End: s.Start + s.Duration, Size: s.Bytes}
		if t.Handler == "vide" {
			m.Frames = len(run.Samples)
			for _, f := range s.Fragments {
				m.Keyframes = append(m.Keyframes, film.Keyframe{Start: f.Start, Offset: f.Keyframe.Offset, Size: f.Keyframe.Length})
			}
		}
		facts.Segments, segments = append(facts.Segments, m), append(segments, s)
	}
	return facts, segments, nil
}
