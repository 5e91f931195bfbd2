package plan

import (
	"fmt"
	"slices"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Take makes src the part of the source that a request asks for: its origin, its duration, its chapters and the bounds of its video
// track. It returns the index of the part, nil where index is nil. An error is of kind fault.Invalid and holds film.Problems: the
// source has nothing of the part.
func Take(src *film.Source, index *Index, part film.Part) (*Index, error) {
	if part == (film.Part{}) {
		return index, nil
	}
	start, end, err := src.Bounds(part)
	if err != nil {
		return nil, err
	}
	whole := src.Origin.In(media.Microseconds)
	if v := src.Video; v != nil {
		start = media.PartBound(whole+start, v.Timebase) - whole
		if end > 0 {
			end = media.PartBound(whole+end, v.Timebase) - whole
		}
	}
	cut := film.Cut{Origin: src.Origin}
	if start > 0 {
		cut.Start = new(whole + start)
	}
	switch {
	case end <= 0:
	case src.Duration > 0 && end >= src.Duration:
		if end > src.Duration {
			src.Losses = append(src.Losses, fmt.Sprintf("the part is to end at %v, and the source ends at %v", media.Microseconds.Duration(end), media.Microseconds.Duration(src.Duration)))
		}
		end = 0
	default:
		cut.End = new(whole + end)
	}
	if cut.Start == nil && cut.End == nil {
		return index, nil
	}
	src.Chapters = media.CutChapters(src.Chapters, start, end)
	switch {
	case end > 0:
		src.Duration = end - start
	case src.Duration > 0:
		src.Duration -= start
	}
	if v := src.Video; v != nil {
		cut.First = v.Start
		own := *v
		src.Video = &own
	}
	src.Cut = &cut
	if cut.Start != nil {
		src.Origin = media.Instant{Ticks: *cut.Start, Timebase: media.Microseconds}
	}
	if src.Video == nil {
		return index, nil
	}
	return cutVideo(src.Video, index, cut)
}

// cutVideo sets the bounds of a video track to those of the part, and returns the index of the part.
func cutVideo(v *film.VideoTrack, index *Index, cut film.Cut) (*Index, error) {
	known := v.End > v.Start // where the track ends
	if cut.Start != nil {
		v.Start = max(v.Start, media.PartTick(*cut.Start, v.Timebase))
	}
	if cut.End != nil {
		end := media.PartTick(*cut.End, v.Timebase)
		if v.End > end || !known {
			v.End = end
		}
		known = true
	}
	v.Frames = 0
	var part *Index
	if index != nil {
		part = new(*index)
		from, _ := slices.BinarySearch(index.Times, v.Start)
		to, _ := slices.BinarySearch(index.Times, v.End)
		if cut.End == nil {
			to = len(index.Times)
		}
		part.Times = index.Times[from:max(from, to)]
		if v.Frames = len(part.Times); v.Frames > 0 && cut.Start != nil {
			v.Start = part.Times[0]
		}
		part.Start, part.End, part.First = v.Start, v.End, new(cut.First)
		part.CutEnd, part.Cut = cut.End != nil, index.Cut && cut.End == nil
	}
	if known && v.Start >= v.End || index != nil && len(index.Times) > 0 && v.Frames == 0 {
		return nil, film.Problems{{Pointer: "/part", Message: "the source's video has no frame in it"}}.Err()
	}
	return part, nil
}

// TakeChunks returns the segments of source chunks that have something of the part that a job takes of src. Their numbers begin with 0.
func TakeChunks(segments []film.Segment, src film.Source) []film.Segment {
	cut, v := src.Cut, src.Video
	if cut == nil || len(segments) == 0 {
		return segments
	}
	var list []film.Segment
	for _, s := range segments {
		if cut.Start != nil && s.End <= v.Start && !s.Last || cut.End != nil && s.Start >= v.End {
			continue
		}
		list = append(list, s)
	}
	if len(list) == 0 { // its frames are before those that the index declares
		list = slices.Clone(segments[:1])
	}
	skipped, last := list[0].Index, len(list)-1
	for i := range list {
		list[i].Index, list[i].Skipped, list[i].Last = i, skipped, i == last
	}
	if cut.Start != nil && v.Start > cut.First {
		list[0].Start, list[0].CutStart = max(v.Start, list[0].Start), true
	}
	if cut.End != nil {
		list[last].End, list[last].CutEnd = v.End, true
	}
	return list
}

// Recut applies the part that a job takes of src again, where the source was split and its video track is known to begin at start and
// to end at end.
func Recut(src *film.Source, start, end media.Ticks) {
	v := src.Video
	v.Start, v.End = start, end
	at := media.Instant{Ticks: start, Timebase: v.Timebase}
	if src.Cut == nil {
		src.StartAt(at)
		return
	}
	cut := *src.Cut
	cut.First = start
	if by := at.In(media.Microseconds) - cut.Origin.In(media.Microseconds); by < 0 { // of a source that begins within a GOP
		cut.Origin = at
		for _, t := range []**media.Ticks{&cut.Start, &cut.End} {
			if *t != nil {
				*t = new(**t + by)
			}
		}
	}
	src.Origin = cut.Origin
	if cut.Start != nil {
		src.Origin = media.Instant{Ticks: *cut.Start, Timebase: media.Microseconds}
		v.Start = max(start, media.PartTick(*cut.Start, v.Timebase))
	}
	if cut.End != nil {
		v.End = min(end, media.PartTick(*cut.End, v.Timebase))
	}
	src.Cut = &cut
}
