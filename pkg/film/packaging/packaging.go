// Package packaging lays out samples as the media segments of packages (HLS, DASH), and describes
// the segments for the ledger.
package packaging

import (
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// maxRate is the highest frame rate of films. A shorter distance of two frames is one of damaged or
// doubled timestamps.
const maxRate = 240

// Segments makes a media segment of each run of samples, and describes them all. The runs are of
// one track; there is at least one. delay is that of isobmff.SampleRun.Segment.
func Segments(runs []isobmff.SampleRun, delay int64) (*film.MediaFacts, []isobmff.Segment, error) {
	t := runs[0].Track
	facts := &film.MediaFacts{Entry: t.Entry, Timescale: t.Timescale, Width: t.Width, Height: t.Height, Delay: delay}
	var segments []isobmff.Segment
	for _, run := range runs {
		s, err := run.Segment(delay)
		if err != nil {
			return nil, nil, err
		}
		m := film.MediaSegment{Start: s.Start, End: s.Start + s.Duration, Size: s.Bytes}
		if t.Handler == "vide" {
			m.Frames = len(run.Samples)
			for _, sample := range run.Samples {
				d := int64(sample.Duration)
				if d*maxRate >= int64(t.Timescale) && (facts.ShortestFrame == 0 || d < facts.ShortestFrame) {
					facts.ShortestFrame = d
				}
			}
			for _, f := range s.Fragments {
				m.Keyframes = append(m.Keyframes, film.Keyframe{Start: f.Start, Offset: f.Keyframe.Offset, Size: f.Keyframe.Length})
			}
		}
		facts.Segments, segments = append(facts.Segments, m), append(segments, s)
	}
	return facts, segments, nil
}
