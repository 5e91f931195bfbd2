package film

import (
	"math"
	"slices"
	"sort"

	"github.com/mapreel/mapreel/pkg/media"
)

// Pictures is a sequence of pictures that every segment's worker takes of the frames that it decodes. They are numbered from 0
// over the whole film. Picture k shows the film at a moment that Slot defines.
type Pictures struct {
	// Rate is how many pictures there are a second. Where Times are set, it is how many moments there are that pictures can have.
	Rate media.Rational `json:"rate"`
	// Times are the moments of the pictures, in units of 1/Rate from the first frame, ascending; none where they are equally far apart.
	Times []int64 `json:"times,omitempty"`
	// Shown selects the frame that is on screen at the moment of a picture, counted from the first frame: the last one at or before
	// it, as ffmpeg's filter fps does with round=up. Otherwise it is the nearest, as that filter does by default.
	Shown bool `json:"shown,omitempty"`

	Format  PictureFormat `json:"format"`
	Region  Region        `json:"region,omitzero"`   // the part of the source's frame that is shown; zero: all
	Filter  string        `json:"filter,omitempty"`  // of ffmpeg, for each frame by itself
	Size    media.Size    `json:"size"`              // of the picture, in square pixels
	Scaled  media.Size    `json:"scaled"`            // of the video before it is cropped or padded to Size
	ToneMap bool          `json:"toneMap,omitempty"` // from HDR to BT.709
	Limit   int64         `json:"limit,omitempty"`   // how many pictures there are at most; 0 = as many as the film has
	// Deinterlace makes frames of fields.
	Deinterlace bool `json:"deinterlace,omitempty"`
}

// Equal reports whether p and q are the same pictures.
func (p Pictures) Equal(q Pictures) bool {
	return p.Rate == q.Rate && slices.Equal(p.Times, q.Times) && p.Shown == q.Shown && p.Format == q.Format && p.Size == q.Size &&
		p.Scaled == q.Scaled && p.ToneMap == q.ToneMap && p.Limit == q.Limit && p.Region == q.Region && p.Filter == q.Filter && p.Deinterlace == q.Deinterlace
}

// Slot returns the number of the first picture that can show a frame with timestamp t: picture k shows the last frame whose slot
// is at most k. Without Times it is negative before the first frame of the track.
func (p Pictures) Slot(t media.Ticks, v VideoTrack) int64 {
	at := p.Moment(t, v)
	if len(p.Times) == 0 {
		return at
	}
	k, _ := slices.BinarySearch(p.Times, at)
	return int64(k)
}

// Moment returns the first moment, in units of 1/Rate, at which a picture can show a frame with timestamp t.
func (p Pictures) Moment(t media.Ticks, v VideoTrack) int64 {
	if p.Shown {
		return int64(media.RescaleUp(t-v.Start, v.Timebase, p.Interval()))
	}
	return int64(media.Rescale(t-v.Start, v.Timebase, p.Interval()))
}

// Number returns the moment of picture k, in units of 1/Rate.
func (p Pictures) Number(k int64) int64 {
	switch n := int64(len(p.Times)); {
	case n == 0:
		return k
	case k < n:
		return p.Times[k]
	}
	return math.MaxInt32 // a picture after the last one: later than any film
}

// Interval is the timebase in which the moments of pictures are a tick apart.
func (p Pictures) Interval() media.Rational { return media.Rational{Num: p.Rate.Den, Den: p.Rate.Num} }

// Count returns how many pictures the film has: as many as such a filter gives from its first frame to the end of its last one,
// but at least one.
func (p Pictures) Count(v VideoTrack) int64 {
	n := max(p.Slot(v.End, v), 1)
	if p.Limit > 0 {
		n = min(n, p.Limit)
	}
	return n
}

// Time returns the moment of picture k, in microseconds from the film's first frame, rounded to the nearest.
func (p Pictures) Time(k int64) media.Ticks {
	return media.Rescale(media.Ticks(p.Number(k)), p.Interval(), media.Microseconds)
}

// Tick returns the first tick of the video track at or after a moment in units of 1/Rate.
func (p Pictures) Tick(moment int64, v VideoTrack) media.Ticks {
	return v.Start + media.RescaleUp(media.Ticks(moment), p.Interval(), v.Timebase)
}

// LastTick returns the last tick of the video track at which a frame can lie that picture k shows.
func (p Pictures) LastTick(k int64, v VideoTrack) media.Ticks {
	moment := p.Number(k)
	after := p.Tick(moment+1, v)
	back := sort.Search(int(after-p.Tick(moment, v))+1, func(n int) bool { return p.Moment(after-media.Ticks(n), v) <= moment })
	return after - media.Ticks(back)
}
