package encode

import (
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// trickPlayPoints returns the points whose frames a rendition for trick play has, in addition to the
// segment's first frame.
func (a *attempt) trickPlayPoints(r film.Rendition) *encode.Points {
	p := a.job.Source.Video
	_, points := a.gridPoints(r)
	step, ok := plan.GridOf(r).Step(p.Timebase)
	if len(points) == 0 || !ok {
		return &encode.Points{Last: -1}
	}
	every := int64(1) // points are left out where there would be too many
	if len(points) > 1 {
		every = points[1].N - points[0].N
	}
	step.Num *= every
	return &encode.Points{Start: int64(p.Start), Step: step, First: points[0].N / every, Last: points[len(points)-1].N / every}
}

// trickPlayFrames returns the frames that a rendition for trick play has of those that were decoded.
func (a *attempt) trickPlayFrames(r film.Rendition, times []media.Ticks) []media.Ticks {
	if len(times) == 0 {
		return nil
	}
	_, points := a.gridPoints(r)
	if _, ok := plan.GridOf(r).Step(a.job.Source.Video.Timebase); !ok {
		points = nil
	}
	list := times[:1:1]
	for _, c := range plan.CutPoints(times, points) {
		list = append(list, c.At)
	}
	return list
}
