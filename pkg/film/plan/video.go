package plan

import (
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// rendition works out what a picture becomes, and says what of it is lost on the way.
func rendition(v film.Video, p film.VideoTrack, gpu bool) (_ film.Rendition, warnings []string) {
	r := encoded{film.Rendition{
		Codec: v.Codec, CRF: *v.CRF, Preset: v.Preset, MaxBitrate: v.MaxBitrate, Rate: media.Rational(v.FrameRate),
	}}
	if gpu {
		r.Preset = nvencPreset(v)
	}
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }

	lines := 2 // what rows come in, because encoders store colour for pairs of rows
	switch {
	case p.Interlaced == "":
	case v.Interlaced != film.KeepInterlaced:
		r.Deinterlace = true
	case p.Rotation%180 != 0:
		r.Deinterlace = true
		warn("fields that are turned by %d degrees cannot be kept; the picture is deinterlaced", p.Rotation)
	case v.Codec != film.H264 || gpu:
		warn("the fields of the source are kept woven into frames, which %s cannot mark as such", describeEncoder(v.Codec, gpu))
	default:
		r.Interlaced = p.Interlaced
		lines = 4 // each field has pairs of its own
	}
	r.format(p, gpu, warn)
	r.SampleAspect = p.SampleAspect
	if p.Rotation%180 != 0 && p.SampleAspect.Num > 0 {
		r.SampleAspect = media.Rational{Num: p.SampleAspect.Den, Den: p.SampleAspect.Num}
	}
	r.size(v, p, lines, warn)
	return r.Rendition, warnings
}

// describeEncoder names an encoder to people.
func describeEncoder(codec film.VideoCodec, gpu bool) string {
	if gpu {
		return string(codec) + " on a GPU"
	}
	return string(codec)
}

// encoded is a rendition in the making.
type encoded struct{ film.Rendition }

// format decides how samples are stored. Every player shows 4:2:0, and few another; H.264 has 8 bits for the same
// reason, the others keep what goes beyond. What H.264 gets of HDR is tone-mapped: in 8 bits PQ shows steps, and a player
// that does not know it shows grey.
func (r *encoded) format(p film.VideoTrack, gpu bool, warn func(string, ...any)) {
	deep := p.Depth > 8 && r.Codec != film.H264
	switch {
	case deep && gpu:
		r.PixelFormat = "p010le"
	case deep:
		r.PixelFormat = "yuv420p10le"
	default:
		r.PixelFormat = "yuv420p"
	}
	switch {
	case r.Codec == film.H264 && p.Color.HDR():
		r.ToneMap = true
		warn("the source is HDR; h264 gets it tone-mapped to BT.709 in 8 bits. h265, vp9 and av1 keep it")
	case p.Depth > 8 && !deep:
		warn("the source has %d bits a sample; h264 gets 8, which every player shows. h265, vp9 and av1 keep 10", p.Depth)
	case p.Depth > 10:
		warn("the source has %d bits a sample, the output 10", p.Depth)
	}
	if p.PixelFormat != "" && !p.Subsampled() && !strings.HasPrefix(p.PixelFormat, "gray") {
		warn("the source stores colour more finely (%s); the output has 4:2:0, which every player shows", p.PixelFormat)
	}
	if p.DolbyVision > 0 {
		warn("the metadata of Dolby Vision is left out")
	}
	if p.DolbyVision == 5 { // the only profile without a base layer that others can show
		warn("Dolby Vision profile 5 has colours of its own, which will look wrong")
	}
}

// least is the smallest picture that an encoder takes: SVT-AV1 says so, x265 3.5 crashes on some that are smaller.
func least(codec film.VideoCodec) media.Size {
	if codec == film.AV1 || codec == film.H265 {
		return media.Size{Width: 64, Height: 64}
	}
	return media.Size{Width: 2, Height: 2}
}

// size decides on width and height. Unless told to, a height at or above the source's means the source's: upscaling costs
// bytes and adds nothing. The shape of the pixels stays what it is, so that the picture's does. An odd column or row is
// left out; black is added around what is too small for the encoder.
func (r *encoded) size(v film.Video, p film.VideoTrack, lines int, warn func(string, ...any)) {
	shown := shown(p)
	inner := shown
	if v.Height == 0 || v.Height == shown.Height || v.Height > shown.Height && !v.Upscale {
		inner = media.Size{Width: max(shown.Width&^1, 1), Height: max(shown.Height-shown.Height%lines, 1)}
		if inner != shown {
			r.Crop = inner
		}
	} else {
		// The width is the even number nearest to what keeps the shape.
		inner.Height = max(v.Height-v.Height%lines, lines)
		inner.Width = max(2*((shown.Width*inner.Height+shown.Height)/(2*shown.Height)), 2)
	}
	limit := least(r.Codec)
	r.Width, r.Height = max(inner.Width+inner.Width%2, limit.Width), max(inner.Height+(lines-inner.Height%lines)%lines, limit.Height)
	if r.Width != inner.Width || r.Height != inner.Height {
		r.Inner = inner
		warn("a picture of %dx%d is too small for %s; black is added around it, to %dx%d",
			inner.Width, inner.Height, r.Codec, r.Width, r.Height)
	}
}
