package encode

import (
	"context"
	"fmt"
	"io"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// segmentStarts returns where a rendition's media segments should begin within this segment, in
// ticks of the rendition's timebase on the output's timeline. The segment's own start is not among
// them.
func (a *attempt) segmentStarts(r film.Rendition) []media.Ticks {
	if plan.KeyframesUnforced(a.job) {
		return nil
	}
	p := *a.job.Source.Video
	scale := r.OutputTimebase(p)
	first := media.Rescale(p.Start, p.Timebase, scale) - a.job.Source.Origin.In(scale)
	starts := plan.SegmentStarts(a.segment, p.Start, p.Timebase, plan.RenditionSegmentLength(r), plan.MaxForcedKeyframes)
	for i, t := range starts {
		starts[i] = first + media.Rescale(t-p.Start, p.Timebase, scale)
	}
	return starts
}

// forcedKeyframes returns segmentStarts as the encoder gets them: microseconds of the encoder's own
// clock, rounded down so that the frame at a start is not before it.
func (a *attempt) forcedKeyframes(r film.Rendition) []int64 {
	scale := r.OutputTimebase(*a.job.Source.Video)
	shift := media.Ticks(a.expected(r, nil).shift)
	nano := media.Rational{Num: 1, Den: 1_000_000_000}
	var times []int64
	for _, t := range a.segmentStarts(r) {
		us := media.Rescale(t-shift, scale, media.Microseconds)
		if us*1000 > media.Rescale(t-shift, scale, nano) {
			us--
		}
		times = append(times, int64(us))
	}
	return times
}

// putPackaged cuts a chunk into the media segments of packages and puts them where players will
// request them. For packages of single files it puts them in scratch instead, one segment after the
// other. Every attempt writes the same bytes to the destination.
func (a *attempt) putPackaged(ctx context.Context, facts *film.Chunk, r int, key string, chunk isobmff.Chunk, payload func() io.Reader) error {
	rendition := a.job.Renditions[r]
	offset := film.MediaTimeOffset * int64(chunk.Track.Timescale)
	var cuts []int64
	for _, t := range plan.CutPoints(media.TicksOf(chunk.Presentation()), a.segmentStarts(rendition)) {
		cuts = append(cuts, int64(t)+offset)
	}
	chunk = chunk.Shift(offset)
	end := chunk.End()
	if a.segment.Last {
		cuts = plan.WithoutShortTail(cuts, end, media.Rational{Num: 1, Den: int64(chunk.Track.Timescale)})
	}
	runs, err := chunk.Cut(cuts, end)
	if err != nil {
		return fmt.Errorf("rendition %s: %w", rendition.Name, err)
	}
	var segments []isobmff.Segment
	facts.Media, segments, err = packaging.Segments(runs, rendition.Delay(*a.job.Source.Video))
	if err != nil {
		return fmt.Errorf("rendition %s: %w", rendition.Name, err)
	}
	facts.Media.OpenEnd = !a.segment.Last && a.next == nil && rendition.Rate.Num == 0
	for _, s := range segments {
		facts.Size += s.Bytes
	}
	for _, out := range a.job.Packages(r) {
		if out.SingleFile {
			if facts.Key == "" { // once for all packages
				facts.Key = key
				err = a.putSingleFile(ctx, key, segments, payload())
			}
		} else {
			err = a.putSegments(ctx, rendition.Name, out, segments, payload())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putSingleFile puts media segments in scratch, one after the other.
func (a *attempt) putSingleFile(ctx context.Context, key string, segments []isobmff.Segment, samples io.Reader) error {
	info, err := blob.Write(ctx, a.Scratch, key, func(w io.Writer) error {
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
	a.artifacts = append(a.artifacts, work.Artifact{Key: key, Size: info.Size})
	return nil
}

// putSegments puts media segments where players will request them.
func (a *attempt) putSegments(ctx context.Context, rendition string, out film.OutputPlan, segments []isobmff.Segment, samples io.Reader) error {
	folder := a.job.Request.URL(out.Folder)
	for _, s := range segments {
		path := film.MediaPath(rendition, s.Start)
		store, key, err := a.Resolve(ctx, folder+"/"+path)
		if err != nil {
			return err
		}
		info, err := blob.Write(ctx, blob.Cached(store, film.CacheForever), key, func(w io.Writer) error { return s.Write(w, samples) })
		if err != nil {
			return err
		}
		a.artifacts = append(a.artifacts, work.Artifact{Folder: folder, Key: path, Size: info.Size})
	}
	return nil
}
