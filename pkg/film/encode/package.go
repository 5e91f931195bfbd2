package encode

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// gridPoints returns what keyframes does, in ticks of the source.
func (a *attempt) gridPoints(r film.Rendition) (first int64, points []plan.GridPoint) {
	p := *a.job.Source.Video
	grid, limit := plan.GridOf(r), plan.MaxForcedKeyframes
	if r.TrickPlay {
		limit = plan.MaxTrickPlayFrames
	}
	if a.job.Split {
		first, points = grid.PointsBetween(a.segment, p.Start, p.Timebase, limit)
	} else {
		first, points = grid.Points(a.segment, p.Start, p.Timebase, limit)
	}
	if plan.ChoosesKeyframes(r, a.job.Request.Compute.GPU) { // keyframeDistance counts them, so they must not go on after the end
		points = slices.DeleteFunc(points, func(g plan.GridPoint) bool { return g.At >= a.segment.End })
	}
	return first, points
}

// keyframes returns the points of a rendition's grid within this segment, in ticks of the rendition's
// timebase on the output's timeline, and the number of the point that the segment's own start stands
// for. Where an encoder cannot be told where to put keyframes, the segment is one media segment.
func (a *attempt) keyframes(r film.Rendition) (first int64, points []plan.GridPoint) {
	p := *a.job.Source.Video
	first, points = a.gridPoints(r)
	scale := r.OutputTimebase(p)
	origin := media.Rescale(p.Start, p.Timebase, scale) - a.job.Source.Origin.In(scale)
	whole := plan.KeyframesUnforced(a.job)
	for i := range points {
		points[i].At = origin + media.Rescale(points[i].At-p.Start, p.Timebase, scale)
		points[i].Segment = points[i].Segment && !whole
	}
	return first, points
}

// forcedKeyframes returns keyframes as the encoder gets them: microseconds of the encoder's own
// clock, rounded down so that the frame at a point is not before it.
func (a *attempt) forcedKeyframes(r film.Rendition) []int64 {
	scale := r.OutputTimebase(*a.job.Source.Video)
	shift := media.Ticks(a.expected(r, nil).shift)
	nano := media.Rational{Num: 1, Den: 1_000_000_000}
	var times []int64
	_, points := a.keyframes(r)
	for _, p := range points {
		us := media.Rescale(p.At-shift, scale, media.Microseconds)
		if us*1000 > media.Rescale(p.At-shift, scale, nano) {
			us--
		}
		times = append(times, int64(us))
	}
	return times
}

// keyframeDistance returns the number of frames from one keyframe to the next that gives a rendition
// of a package as many keyframes as its grid has in this segment; 0 where the number of frames is not
// known, or the rendition is for files.
func (a *attempt) keyframeDistance(r film.Rendition) int {
	rate := r.Rate
	if !rate.Known() {
		rate = a.job.Source.Video.FrameRate
	}
	if r.SegmentDuration == 0 || !rate.Known() {
		return 0
	}
	frames := int(media.Rescale(a.segment.End-a.segment.Start, a.job.Source.Video.Timebase, media.Rational{Num: rate.Den, Den: rate.Num}))
	if a.segment.Frames > 0 && !r.Rate.Known() {
		frames = a.segment.Frames
	}
	_, points := a.keyframes(r)
	n := len(points) + 1
	if frames < n {
		return 0
	}
	return (frames + n - 1) / n
}

// cuts returns where a chunk is divided into fragments: at the frames of the grid's points. An
// encoder that chooses its keyframes itself was asked for as many as there are points.
func (a *attempt) cuts(r film.Rendition, chunk isobmff.Chunk) (first int64, cuts []plan.GridPoint) {
	first, points := a.keyframes(r)
	if !plan.ChoosesKeyframes(r, a.job.Request.Compute.GPU) || r.TrickPlay {
		return first, plan.CutPoints(media.TicksOf(chunk.Presentation()), points)
	}
	now := chunk.Start
	for i, s := range chunk.Samples {
		if n := len(cuts); i > 0 && s.Sync && n < len(points) {
			cuts = append(cuts, plan.GridPoint{N: points[n].N, At: media.Ticks(now + int64(s.Offset))})
		}
		now += int64(s.Duration)
	}
	return first, cuts
}

// putPackaged cuts a chunk into the media segments of packages and puts them where players will
// request them. For packages of single files it puts them in scratch instead, one segment after the
// other. Every attempt writes the same bytes to the destination.
func (a *attempt) putPackaged(ctx context.Context, facts *film.Chunk, r int, key string, chunk isobmff.Chunk, payload func() io.Reader) error {
	rendition := a.job.Renditions[r]
	offset := film.MediaTimeOffset * int64(chunk.Track.Timescale)
	chunk = chunk.Shift(offset)
	groups, err := a.fragments(rendition, chunk, media.Ticks(offset))
	if err != nil {
		return fmt.Errorf("rendition %s: %w", rendition.Name, err)
	}
	var segments []isobmff.Segment
	facts.Media, segments, err = packaging.Segments(groups, rendition.Delay(*a.job.Source.Video))
	if err != nil {
		return fmt.Errorf("rendition %s: %w", rendition.Name, err)
	}
	protection, err := packaging.NewProtection(ctx, a.Resolve, a.job)
	if err != nil {
		return err
	}
	if protection != nil {
		encrypted, remove, err := a.encrypt(protection, facts.Media, r, segments, payload)
		if err != nil {
			return fmt.Errorf("rendition %s: %w", rendition.Name, err)
		}
		defer remove()
		payload = encrypted
	}
	facts.Media.OpenEnd = !a.segment.Last && a.next == nil && rendition.Rate.Num == 0
	for _, s := range facts.Media.Segments {
		facts.Size += s.Size
	}
	for _, out := range a.job.Packages(r) {
		if out.SingleFile {
			if facts.Key == "" { // once for all packages
				facts.Key = key
				err = a.putSingleFile(ctx, key, segments, payload())
			}
		} else {
			err = a.putSegments(ctx, protection, rendition.Name, out, segments, payload())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fragments divides a chunk, which was moved by offset, into fragments, and these into media segments.
// A fragment's number is that of its point in the grid, so that workers need not know how many
// fragments the others wrote.
func (a *attempt) fragments(r film.Rendition, chunk isobmff.Chunk, offset media.Ticks) ([][]isobmff.SampleRun, error) {
	first, cuts := a.cuts(r, chunk.Shift(-int64(offset)))
	var at, starts []int64 // of all fragments, and of those with which media segments begin
	for _, c := range cuts {
		at = append(at, int64(c.At+offset))
		if c.Segment {
			starts = append(starts, int64(c.At+offset))
		}
	}
	end := chunk.End()
	if a.segment.Last {
		starts = plan.WithoutShortTail(starts, end, media.Rational{Num: 1, Den: int64(chunk.Track.Timescale)})
	}
	cut := chunk.Cut
	if r.TrickPlay { // not every encoder can make all of its frames keyframes
		cut = chunk.CutInOrder
	}
	runs, err := cut(at, end)
	if err != nil {
		return nil, err
	}
	groups := [][]isobmff.SampleRun{nil}
	for i, run := range runs {
		n := first
		if i > 0 {
			n = cuts[i-1].N
		}
		run.Sequence = uint32(min(n+1, math.MaxUint32))
		if len(starts) > 0 && run.Start == starts[0] {
			groups, starts = append(groups, nil), starts[1:]
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], run)
	}
	return groups, nil
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
func (a *attempt) putSegments(
	ctx context.Context, protection *packaging.Protection, rendition string, out film.OutputPlan, segments []isobmff.Segment, samples io.Reader,
) error {
	folder := a.job.Request.URL(out.Folder)
	for _, s := range segments {
		path := film.MediaPath(rendition, s.Start)
		store, key, err := a.Resolve(ctx, folder+"/"+path)
		if err != nil {
			return err
		}
		info, err := blob.Write(ctx, blob.Cached(store, film.CacheForever), key, func(w io.Writer) error {
			return protection.Write(w, "vide", rendition, s.Start, func(w io.Writer) error { return s.Write(w, samples) })
		})
		if err != nil {
			return err
		}
		a.artifacts = append(a.artifacts, work.Artifact{Folder: folder, Key: path, Size: info.Size})
	}
	return nil
}
