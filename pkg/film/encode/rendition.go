package encode

import (
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// renditionIn returns how ffmpeg makes a rendition of a video track in one segment.
func renditionIn(r film.Rendition, p film.VideoTrack, seg film.Segment, gpu bool, path string) encode.Rendition {
	out := encode.Rendition{
		Codec: string(r.Codec), GPU: gpu, Preset: r.Preset, Tune: r.Tune, Crop: r.Crop,
		Filter: r.Filter, HD: min(p.Width, p.Height) >= hdLines, Options: r.EncoderOptions, Profile: r.Profile, Level: r.Level, Grain: r.Grain,
		Width: r.Width, Height: r.Height, PixelFormat: r.PixelFormat, SAR: r.SampleAspect,
		FrameRate: p.FrameRate, Color: p.Color, FromRGB: p.RGB(),
		Deinterlace: r.Deinterlace, Interlaced: r.Interlaced, MaxBitrate: int(r.MaxBitrate), Path: path,
	}
	out.Region = ffmpeg.Region(r.Region)
	if r.Inner != (media.Size{}) {
		out.Width, out.Height = r.Inner.Width, r.Inner.Height
		out.Frame = media.Size{Width: r.Width, Height: r.Height}
	}
	if !p.Subsampled() {
		out.Color.ChromaLocation = "" // full chroma has no location that 4:2:0 could keep
	}
	switch {
	case r.ToneMap:
		out.ToneMap = &encode.ToneMap{From: out.Color, Peak: peak(p.HDR)}
		out.Color = media.Color{Range: "tv", Space: "bt709", Transfer: "bt709", Primaries: "bt709"}
	case out.FromRGB:
		out.Color.Range, out.Color.Space = "tv", "bt709"
	default:
		out.HDR = p.HDR
	}
	if r.TrickPlay {
		out.FrameRate = r.KeyframeRate()
	}
	if p.FrameRate.Num > 0 {
		out.Before = plan.FrameGridOf(p.FrameRate, p, seg).First
	}
	if r.Rate.Num > 0 {
		g := plan.FrameGridOf(r.Rate, p, seg)
		out.Before = g.First
		out.FrameRate = r.Rate
		out.Grid = &encode.Grid{
			Rate: out.FrameRate, Origin: int64(g.Origin), First: g.First - g.Base, Scale: r.OutputTimebase(p).Den,
		}
		if !seg.OpenEnd() {
			out.Grid.End = new(g.Next - g.Base)
		}
	}
	return out
}

// constantRate returns the constant frame rate of a rendition; zero if its rate is variable.
func constantRate(r film.Rendition, p film.VideoTrack) media.Rational {
	switch {
	case r.Rate.Known():
		return r.Rate
	case r.TrickPlay:
		return media.Rational{} // players show its frames at any rate
	}
	return p.ConstantRate
}

// The peak luminance that is assumed where the source declares none, or one above PQ's 10,000, and
// the bounds of a declared one, all in cd/m². Most films are graded for 1000.
const (
	defaultPeak = 1000
	minPeak     = 250
	maxPeak     = 10_000
)

// peak returns a film's peak luminance in cd/m²: that of the brightest pixel (MaxCLL), or else of
// the mastering display.
func peak(h media.HDR) int64 {
	for _, p := range []int64{contentPeak(h), displayPeak(h)} {
		if p > 0 && p <= maxPeak {
			return max(p, minPeak)
		}
	}
	return defaultPeak
}

// contentPeak returns MaxCLL, 0 where the source does not declare it.
func contentPeak(h media.HDR) int64 {
	if h.Light == nil {
		return 0
	}
	return h.Light.MaxCLL
}

// displayPeak returns the peak luminance of the mastering display, 0 where the source does not
// declare it.
func displayPeak(h media.HDR) int64 {
	if h.Mastering == nil {
		return 0
	}
	return h.Mastering.Max / 10_000
}

// declare adds what encoders do not write as players expect it to a sample description: HDR10
// metadata, which they write into the stream at best, and the frame rate. AV1 and VP9 declare none.
func declare(entry []byte, r film.Rendition, p film.VideoTrack) []byte {
	entry = isobmff.WithFrameRate(entry, constantRate(r, p))
	if r.ToneMap {
		return entry
	}
	return isobmff.WithLight(entry, p.HDR.Mastering, p.HDR.Light)
}

// frameTimes are the times at which a chunk must show its frames, in ticks of its rendition's
// timebase on the output's timeline.
type frameTimes struct {
	times []int64
	shift int64 // from the encoder's clock without ffmpeg.Offset
	end   int64 // of the last frame, which is where the next one of the film starts; 0 where the source does not declare it
	// from and to are the segment's start and end on the encoder's clock; nil where it is open.
	from, to *int64
	open     bool // the chunk may have fewer frames: ffmpeg decides where the source ends
}

// expected returns when a rendition must show its frames. times are the timestamps of the segment's
// decoded frames.
func (a *attempt) expected(r film.Rendition, times []media.Ticks) frameTimes {
	p := *a.job.Source.Video
	scale := r.OutputTimebase(p)
	origin := a.job.Source.Origin.In(scale)
	if r.TrickPlay {
		times = a.trickPlayFrames(r, times)
	}
	if r.Rate.Num == 0 {
		want := frameTimes{shift: -int64(origin), times: presentation(times, p.Timebase, scale, origin)}
		if !a.segment.OpenStart() {
			want.from = new(int64(media.Rescale(a.segment.Start, p.Timebase, scale)) + ffmpeg.Offset*scale.Den)
		}
		if !a.segment.OpenEnd() {
			want.to = new(int64(media.Rescale(a.segment.End, p.Timebase, scale)) + ffmpeg.Offset*scale.Den)
		}
		end := a.segment.End
		if a.next != nil && !a.segment.CutEnd {
			end = *a.next
		}
		if len(times) > 0 && end > times[len(times)-1] {
			want.end = int64(media.Rescale(end, p.Timebase, scale) - origin)
		}
		return want
	}
	g := plan.FrameGridOf(r.Rate, p, a.segment)
	frame := scale.Den / r.Rate.Num * r.Rate.Den // duration of one
	start := int64(media.Rescale(p.Start, p.Timebase, scale) - origin)
	want := frameTimes{shift: start + g.Base*frame, open: a.segment.OpenEnd()}
	want.from = new((g.First-g.Base)*frame + ffmpeg.Offset*scale.Den)
	if !a.segment.OpenEnd() {
		want.to = new((g.Next-g.Base)*frame + ffmpeg.Offset*scale.Den)
	}
	next := g.Next
	want.end = start + next*frame
	if a.segment.OpenEnd() {
		want.end = 0
		// As many as the source could fill. The index may be wrong about its end, the frames are
		// not.
		end := a.segment.End
		if len(times) > 0 {
			end = max(end, times[len(times)-1])
		}
		next = g.First + 2 + int64(media.Rescale(end-a.segment.Start, p.Timebase, media.Rational{Num: r.Rate.Den, Den: r.Rate.Num}))
	}
	next = min(next, g.First+plan.MaxSegmentFrames) // decode stops where there are more
	for k := g.First; k < next; k++ {
		want.times = append(want.times, start+k*frame)
	}
	return want
}

// presentation returns when frames that keep their own timestamps are shown. A damaged source may
// decode to several frames with one timestamp. Each is then shown a tick after the one before, as a
// file cannot show two at once.
func presentation(times []media.Ticks, from, to media.Rational, origin media.Ticks) []int64 {
	list := make([]int64, len(times))
	for i, t := range times {
		list[i] = int64(media.Rescale(t, from, to) - origin)
		if i > 0 && t <= times[i-1] {
			list[i] = max(list[i], list[i-1]+1)
		}
	}
	return list
}

// maxFrameTicks is the longest that a frame can be shown, in ticks of its rendition's timebase: what
// ffmpeg's muxer and players can hold of a sample's duration, which ISO BMFF stores in 32 bits.
const maxFrameTicks = 1<<31 - 1

// checkGaps refuses a frame that is shown for longer than a file can say.
func (t frameTimes) checkGaps(scale media.Rational) error {
	for i := 1; i < len(t.times); i++ {
		if gap := t.times[i] - t.times[i-1]; gap > maxFrameTicks {
			return fault.New(fault.Unsupported, "the frame at %v is shown for %v; MP4 holds at most %v at %v of a second",
				scale.Duration(media.Ticks(t.times[i-1])), scale.Duration(media.Ticks(gap)), scale.Duration(maxFrameTicks), scale)
		}
	}
	return nil
}

// check proves frames in = frames out: got, the times of the encoder's frames, must be t.times.
func (t frameTimes) check(got []int64) error {
	if len(got) > len(t.times) || len(got) < len(t.times) && !t.open {
		return fault.New(fault.Corrupt, "%d frames were decoded, %d were encoded", len(t.times), len(got))
	}
	for i, g := range got {
		if g != t.times[i] {
			return fault.New(fault.Corrupt, "frame %d is shown at tick %d instead of %d", i, g, t.times[i])
		}
	}
	return nil
}
