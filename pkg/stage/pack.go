package stage

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// every is how far the media segments of a rendition's packages lie apart.
func every(r film.Rendition) time.Duration {
	return time.Duration(r.SegmentDuration) * time.Microsecond
}

// unforced says whether one of the job's encoders sets keyframes by itself alone: SVT-AV1 as ffmpeg 5.1 runs it. Then
// all media segments are whole segments of the job.
func unforced(j film.Job) bool {
	return !j.Request.Compute.GPU && slices.ContainsFunc(j.Renditions, func(r film.Rendition) bool { return r.SegmentDuration > 0 && r.Codec == film.AV1 })
}

// packaged is how long the media segments of the job's packages are, which are cut alike; 0 where it has none.
func packaged(j film.Job) time.Duration {
	for _, r := range j.Renditions {
		if r.SegmentDuration > 0 {
			return every(r)
		}
	}
	return 0
}

// wanted is about how long the job's segments should be.
func wanted(j film.Job) time.Duration {
	if unforced(j) {
		return packaged(j)
	}
	return time.Duration(j.Request.Segment.Seconds)
}

// lines are where a rendition's media segments begin in this segment: ticks of its clock, on the output's timeline.
func (e *encode) lines(r film.Rendition) []media.Ticks {
	if unforced(e.job) {
		return nil
	}
	p := *e.job.Source.Video
	scale := r.OutputTimebase(p)
	start := media.Rescale(p.Start, p.Timebase, scale) - e.job.Source.Origin.In(scale)
	lines := plan.SegmentStarts(e.seg, p.Start, p.Timebase, every(r), plan.MaxForcedKeyframes)
	for i, t := range lines {
		lines[i] = start + media.Rescale(t-p.Start, p.Timebase, scale)
	}
	return lines
}

// forced are the lines as the encoder is told them: microseconds of its own clock, rounded down so that each lies after
// the frame before it.
func (e *encode) forced(r film.Rendition) []int64 {
	scale := r.OutputTimebase(*e.job.Source.Video)
	shift := media.Ticks(e.wanted(r, nil).shift)
	nano := media.Rational{Num: 1, Den: 1_000_000_000}
	var times []int64
	for _, t := range e.lines(r) {
		us := media.Rescale(t-shift, scale, media.Microseconds)
		if us*1000 > media.Rescale(t-shift, scale, nano) {
			us--
		}
		times = append(times, int64(us))
	}
	return times
}

// pack cuts what the encoder made for packages into media segments and puts them where players will ask for them. What
// goes into single files is put in scratch instead, the segments one after the other. Another attempt writes the same
// bytes under the same names.
func (e *encode) pack(ctx context.Context, facts *film.Chunk, r int, key string, piece isobmff.Chunk, payload func() io.Reader) error {
	rendition := e.job.Renditions[r]
	lead := film.MediaTimeOffset * int64(piece.Track.Timescale)
	var at []int64
	for _, t := range plan.CutPoints(ticks(piece.Presentation()), e.lines(rendition)) {
		at = append(at, int64(t)+lead)
	}
	piece = piece.Shift(lead)
	end := piece.End()
	if e.seg.Last {
		at = plan.WithoutShortTail(at, end, media.Rational{Num: 1, Den: int64(piece.Track.Timescale)})
	}
	stretches, err := piece.Cut(at, end)
	if err != nil {
		return fmt.Errorf("rendition %s: %w", rendition.Name, err)
	}
	var segments []isobmff.Segment
	facts.Media, segments, err = mediaOf(stretches)
	if err != nil {
		return fmt.Errorf("rendition %s: %w", rendition.Name, err)
	}
	for _, s := range segments {
		facts.Size += s.Bytes
	}
	for _, out := range e.job.Packages(r) {
		samples := payload()
		if out.SingleFile {
			if facts.Key != "" {
				continue
			}
			facts.Key = key
			_, err := putWritten(ctx, e.Scratch, key, func(w io.Writer) error {
				for _, s := range segments {
					if err := s.Write(w, samples); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			continue
		}
		folder := mediaURL(e.job.Request, out)
		for _, s := range segments {
			store, key, err := e.Resolve(ctx, folder+"/"+film.MediaPath(rendition.Name, s.Start))
			if err != nil {
				return err
			}
			store = blob.Cached(store, film.CacheForever)
			if _, err := putWritten(ctx, store, key, func(w io.Writer) error { return s.Write(w, samples) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// mediaURL is the folder of a package's media.
func mediaURL(req film.Request, out film.OutputPlan) string {
	return destined(req, out.Folder)
}

// mediaOf lays stretches out as media segments, and tells of them.
func mediaOf(stretches []isobmff.SampleRun) (*film.MediaFacts, []isobmff.Segment, error) {
	t := stretches[0].Track
	facts := &film.MediaFacts{Entry: t.Entry, Timescale: t.Timescale, Width: t.Width, Height: t.Height}
	var segments []isobmff.Segment
	for _, stretch := range stretches {
		s, err := stretch.Segment()
		if err != nil {
			return nil, nil, err
		}
		m := film.MediaSegment{Start: s.Start, End: s.Start + s.Duration, Size: s.Bytes}
		if t.Handler == "vide" {
			m.Frames = len(stretch.Samples)
			for _, f := range s.Fragments {
				m.Keyframes = append(m.Keyframes, film.Keyframe{Start: f.Start, Offset: f.Keyframe.Offset, Size: f.Keyframe.Length})
			}
		}
		facts.Segments, segments = append(facts.Segments, m), append(segments, s)
	}
	return facts, segments, nil
}

// media lists the sizes of the files in a package's folder, under their paths in it.
func (w *Worker) media(ctx context.Context, url string) (map[string]int64, error) {
	const any = "-" // some name in the folder: stores are found for files
	store, key, err := w.Resolve(ctx, url+"/"+any)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimSuffix(key, any)
	have := map[string]int64{}
	for info, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		have[strings.TrimPrefix(info.Key, prefix)] = info.Size
	}
	return have, nil
}
