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

// Segments makes a media segment of each group of runs of samples, and describes them all. The runs
// are of one track; there is at least one. Keyframes are those with which runs begin. delay is that of isobmff.NewSegment.
func Segments(groups [][]isobmff.SampleRun, delay int64) (*film.MediaFacts, []isobmff.Segment, error) {
	t := groups[0][0].Track
	facts := &film.MediaFacts{Entry: t.Entry, Timescale: t.Timescale, Width: t.Width, Height: t.Height, Delay: delay}
	var segments []isobmff.Segment
	for _, runs := range groups {
		s, err := isobmff.NewSegment(runs, delay)
		if err != nil {
			return nil, nil, err
		}
		m := film.MediaSegment{Start: s.Start, End: s.Start + s.Duration, Size: s.Bytes}
		if t.Handler == "vide" {
			for _, run := range runs {
				m.Frames += len(run.Samples)
				facts.ShortestFrame = shortest(facts.ShortestFrame, run.Chunk)
			}
			for i, f := range s.Fragments {
				if !runs[i].Samples[0].Sync {
					continue
				}
				m.Keyframes = append(m.Keyframes, film.Keyframe{Start: f.Start, Offset: f.Keyframe.Offset, Size: f.Keyframe.Length})
			}
		}
		facts.Segments, segments = append(facts.Segments, m), append(segments, s)
	}
	return facts, segments, nil
}

// shortest returns the smaller of d, if it is not 0, and the duration of the chunk's shortest frame.
func shortest(d int64, chunk isobmff.Chunk) int64 {
	for _, sample := range chunk.Samples {
		s := int64(sample.Duration)
		if s*maxRate >= int64(chunk.Track.Timescale) && (d == 0 || s < d) {
			d = s
		}
	}
	return d
}
