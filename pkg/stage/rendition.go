package stage

import (
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// renditionIn tells ffmpeg what a rendition makes of a picture in one segment.
func renditionIn(r film.Rendition, p film.VideoTrack, seg film.Segment, gpu bool, path string) ffmpeg.Rendition {
	out := ffmpeg.Rendition{
		Codec: string(r.Codec), GPU: gpu, CRF: r.CRF, Preset: r.Preset, Crop: r.Crop,
		Width: r.Width, Height: r.Height, PixelFormat: r.PixelFormat, SAR: r.SampleAspect,
		FrameRate: p.FrameRate, Color: p.Color, FromRGB: p.RGB(),
		Deinterlace: r.Deinterlace, Interlaced: r.Interlaced, MaxBitrate: int(r.MaxBitrate), Path: path,
	}
	if r.Inner != (media.Size{}) {
		out.Width, out.Height = r.Inner.Width, r.Inner.Height
		out.Frame = media.Size{Width: r.Width, Height: r.Height}
	}
	if !p.Subsampled() {
		out.Color.ChromaLocation = "" // where it lay means nothing to 4:2:0
	}
	switch {
	case r.ToneMap:
		out.ToneMap = &ffmpeg.ToneMap{From: out.Color, Peak: peak(p.HDR)}
		out.Color = media.Color{Range: "tv", Space: "bt709", Transfer: "bt709", Primaries: "bt709"}
	case out.FromRGB:
		out.Color.Range, out.Color.Space = "tv", "bt709"
	default:
		out.HDR = p.HDR
	}
	if p.FrameRate.Num > 0 {
		out.Before = plan.FrameGridOf(p.FrameRate, p, seg).First
	}
	if r.Rate.Num > 0 {
		g := plan.FrameGridOf(r.Rate, p, seg)
		out.Before = g.First
		out.FrameRate = r.Rate
		out.Grid = &ffmpeg.Grid{
			Rate: out.FrameRate, Origin: int64(g.Origin), First: g.First - g.Base, Scale: r.OutputTimebase(p).Den,
		}
		if !seg.Last {
			out.Grid.End = new(g.Next - g.Base)
		}
	}
	return out
}

// Bounds of the brightest light that is believed, in cd/m²: a film's usual 1000 where nothing is said or what is said is
// out of PQ's range.
const (
	usualPeak = 1000
	leastPeak = 250
	mostPeak  = 10_000
)

// peak is the brightest light in a film, in cd/m²: the brightest pixel, or else the display it was graded on.
func peak(h media.HDR) int64 {
	for _, p := range []int64{light(h), display(h)} {
		if p > 0 && p <= mostPeak {
			return max(p, leastPeak)
		}
	}
	return usualPeak
}

func light(h media.HDR) int64 {
	if h.Light == nil {
		return 0
	}
	return h.Light.MaxCLL
}

func display(h media.HDR) int64 {
	if h.Mastering == nil {
		return 0
	}
	return h.Mastering.Max / 10_000
}

// withLight adds HDR10 metadata to a sample description: encoders put it in their streams at best, and players look here.
func withLight(entry []byte, r film.Rendition, p film.VideoTrack) []byte {
	if r.ToneMap {
		return entry
	}
	return isobmff.WithLight(entry, p.HDR.Mastering, p.HDR.Light)
}

// moments are when the frames of a piece must be shown, in ticks of its rendition's clock on the output's timeline.
type moments struct {
	times []int64
	shift int64 // from the piece's own clock, without Offset
	end   int64 // of the last frame; 0 where the source does not say
	// from and to are where the segment begins and ends on the piece's own clock; nil where it is open.
	from, to *int64
	open     bool // there may be fewer: where the source ends, ffmpeg decides
}

// wanted are the times of a rendition's frames, from those of the frames that were decoded for the segment.
func (e *encode) wanted(r film.Rendition, times []media.Ticks) moments {
	p := *e.job.Source.Video
	scale := r.OutputTimebase(p)
	origin := e.job.Source.Origin.In(scale)
	if r.Rate.Num == 0 {
		line := moments{shift: -int64(origin), times: shownAt(times, p.Timebase, scale, origin)}
		if e.seg.Index > 0 {
			line.from = new(int64(media.Rescale(e.seg.Start, p.Timebase, scale)) + ffmpeg.Offset*scale.Den)
		}
		if !e.seg.Last {
			line.to = new(int64(media.Rescale(e.seg.End, p.Timebase, scale)) + ffmpeg.Offset*scale.Den)
		}
		if len(times) > 0 && e.seg.End > times[len(times)-1] {
			line.end = int64(media.Rescale(e.seg.End, p.Timebase, scale) - origin)
		}
		return line
	}
	g := plan.FrameGridOf(r.Rate, p, e.seg)
	each := scale.Den / r.Rate.Num * r.Rate.Den
	start := int64(media.Rescale(p.Start, p.Timebase, scale) - origin)
	line := moments{shift: start + g.Base*each, open: e.seg.Last}
	line.from = new((g.First-g.Base)*each + ffmpeg.Offset*scale.Den)
	if !e.seg.Last {
		line.to = new((g.Next-g.Base)*each + ffmpeg.Offset*scale.Den)
	}
	next := g.Next
	if e.seg.Last {
		// As many as the source could fill: the index may be wrong about its end, the frames are not.
		end := e.seg.End
		if len(times) > 0 {
			end = max(end, times[len(times)-1])
		}
		next = g.First + 2 + int64(media.Rescale(end-e.seg.Start, p.Timebase, media.Rational{Num: r.Rate.Den, Den: r.Rate.Num}))
	}
	for k := g.First; k < next; k++ {
		line.times = append(line.times, start+k*each)
	}
	return line
}

// shownAt is when frames are shown whose own times are kept. A damaged source may decode to several frames at one time;
// each then is a tick after the one before, for no file can show two at once.
func shownAt(times []media.Ticks, from, to media.Rational, origin media.Ticks) []int64 {
	list := make([]int64, len(times))
	for i, t := range times {
		list[i] = int64(media.Rescale(t, from, to) - origin)
		if i > 0 && t <= times[i-1] {
			list[i] = max(list[i], list[i-1]+1)
		}
	}
	return list
}

// check proves frames in = frames out: what the encoder wrote shows a frame at each of these times, and no other.
func (l moments) check(got []int64) error {
	if len(got) > len(l.times) || len(got) < len(l.times) && !l.open {
		return fault.New(fault.Corrupt, "%d frames were to be encoded, and %d are", len(l.times), len(got))
	}
	for i, g := range got {
		if g != l.times[i] {
			return fault.New(fault.Corrupt, "frame %d should be shown at tick %d and is at %d", i, l.times[i], g)
		}
	}
	return nil
}
