package plan

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

const (
	// trickPlayInterval is the longest distance of frames in trick play. Apple's "HLS Authoring
	// Specification" and DASH-IF's guidelines recommend one frame a second.
	trickPlayInterval = time.Second
	// trickPlaySide is the largest size of the shorter side of the picture, in pixels. A frame that is
	// shown for a fraction of a second needs no more, and each costs as much as a second of video of
	// that size.
	trickPlaySide = 270
	// coarser is by how much a frame in trick play is quantised more coarsely than the other renditions.
	coarser = 6
)

// MaxTrickPlayFrames bounds the frames of a segment in a rendition for trick play: a day and a half. A
// segment that is longer has one at the start of each media segment.
const MaxTrickPlayFrames = 1 << 17

// minPadded is the smallest side of a padded frame: what every encoder accepts.
const minPadded = 64

// planTrickPlay adds to a package a rendition of keyframes alone for each codec that it has: players
// that play fast stay with the codec of what they play.
func planTrickPlay(j *film.Job, out film.Output, planned *film.OutputPlan) {
	settings := rungs(out, j.Source)
	for _, n := range planned.Renditions {
		codec := j.Renditions[n].Codec
		if slices.ContainsFunc(planned.TrickPlay, func(t int) bool { return j.Renditions[t].Codec == codec }) {
			continue
		}
		smallest := j.Renditions[n]
		for _, m := range planned.Renditions {
			if r := j.Renditions[m]; r.Codec == codec && r.Height < smallest.Height {
				smallest = r
			}
		}
		of := slices.IndexFunc(settings, func(v film.Video) bool { return v.Codec == codec })
		region, track, _ := crop(settings[of], j.Source) // Job reports what is wrong with it
		r := trickPlay(settings[of], smallest, track, j.Request.Compute.GPU)
		r.Region = region
		_ = lay(settings[of], j.Source, &r) // likewise
		_, _ = burn(settings[of], j, &r)
		r.SegmentDuration = micros(out.Package.Seconds)
		r.Keyframes = int((time.Duration(out.Package.Seconds) + trickPlayInterval - 1) / trickPlayInterval)
		planned.TrickPlay = append(planned.TrickPlay, indexOrAppend(&j.Renditions, r))
	}
}

// trickPlay returns the rendition for trick play beside renditions with the settings v, of which
// smallest has the fewest lines.
func trickPlay(v film.Video, smallest film.Rendition, track film.VideoTrack, gpu bool) film.Rendition {
	v.FrameRate, v.MaxBitrate, v.Bitrate, v.Upscale, v.Quality = film.FrameRate{}, 0, 0, false, nil
	crf := min(*v.CRF+coarser, v.Codec.MaxCRF())
	v.CRF = &crf
	size := displaySize(track)
	lines := trickPlaySide
	if size.Width < size.Height {
		lines = max(trickPlaySide*size.Height/max(size.Width, 1), 2)
	}
	v.Height = min(lines, smallest.Height)
	if v.Height >= size.Height {
		v.Height = 0
	}
	if width, height, err := film.ParseFrame(v.Pad); err == nil { // the same frame, smaller
		lines := max(min(lines, height)&^1, minPadded)
		v.Height, v.Pad = 0, fmt.Sprintf("%d:%d", max(width*lines/height&^1, minPadded), lines)
	}
	r, _ := rendition(v, track, false, gpu) // its warnings are those of the others
	r.TrickPlay = true
	return r
}

// Step returns the distance of the grid's points in ticks of tb. It is not a whole number where a media
// segment is not divided evenly. ok is false if it is not a fraction of 63-bit numbers.
func (g Grid) Step(tb media.Rational) (_ media.Rational, ok bool) {
	unit, step := g.units()
	r := new(big.Rat).SetFrac(product(step*unit.Num, tb.Den), product(unit.Den, tb.Num))
	if !r.Num().IsInt64() || !r.Denom().IsInt64() {
		return media.Rational{}, false
	}
	return media.Rational{Num: r.Num().Int64(), Den: r.Denom().Int64()}, true
}
