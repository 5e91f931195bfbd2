package plan

import (
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// rendition returns the rendition of a video track for the settings v, with warnings of what is lost. images reports whether the track is
// made of image files, or of frames that are rendered.
func rendition(v film.Video, track film.VideoTrack, images, gpu bool) (_ film.Rendition, warnings []string) {
	r := builder{film.Rendition{
		Codec: v.Codec, CRF: *v.CRF, Preset: v.Preset, Tune: v.Tune, Filter: v.Filter, EncoderOptions: v.EncoderOptions, Profile: v.Profile, Level: v.Level, Grain: v.Grain, MaxBitrate: v.MaxBitrate, Rate: media.Rational(v.FrameRate),
	}}
	r.Bitrate = v.Bitrate
	if v.Quality != nil {
		r.Quality = *v.Quality
	}
	if gpu {
		r.Preset = nvencPreset(v)
	}
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }

	rows := 2 // the height is a multiple of this, because chroma is stored for pairs of rows
	switch {
	case track.Interlaced == "":
	case v.Interlaced != film.KeepInterlaced:
		r.Deinterlace = true
	case track.Rotation%180 != 0:
		r.Deinterlace = true
		warn("fields rotated by %d degrees cannot be kept; the video is deinterlaced", track.Rotation)
	case v.Codec != film.H264 || gpu:
		warn("the source's fields stay woven into frames, but %s cannot flag the frames as interlaced", describeEncoder(v.Codec, gpu))
	default:
		r.Interlaced = track.Interlaced
		rows = 4 // each field has pairs of its own
	}
	r.setFormat(v.Depth(), track, images, gpu, warn)
	r.SampleAspect = track.SampleAspect
	if track.Rotation%180 != 0 && track.SampleAspect.Num > 0 {
		r.SampleAspect = media.Rational{Num: track.SampleAspect.Den, Den: track.SampleAspect.Num}
	}
	if r.setSize(v, track, rows, warn); v.Pad != "" {
		r.pad(v, track, rows)
	}
	return r.Rendition, warnings
}

// describeEncoder names an encoder in a message.
func describeEncoder(codec film.VideoCodec, gpu bool) string {
	if gpu {
		return string(codec) + " on a GPU"
	}
	return string(codec)
}

// builder is a rendition that is not complete yet.
type builder struct{ film.Rendition }

// setFormat decides how samples are stored. All players support 4:2:0, and few anything else. For
// the same reason H.264 gets 8 bits; the other codecs keep 10. depth is what the request says of that; 0 = nothing.
// HDR is tone-mapped for 8 bits, where PQ has visible banding, and for H.264, whose players show PQ as washed-out grey.
func (r *builder) setFormat(depth int, track film.VideoTrack, images, gpu bool, warn func(string, ...any)) {
	deep := depth == 10 || depth == 0 && track.Depth > 8 && r.Codec != film.H264
	switch {
	case deep && gpu:
		r.PixelFormat = "p010le"
	case deep:
		r.PixelFormat = "yuv420p10le"
	default:
		r.PixelFormat = "yuv420p"
	}
	switch {
	case r.Codec == film.H264 && track.Color.HDR():
		r.ToneMap = true
		warn("the source is HDR; h264 gets it tone-mapped to BT.709 in %d bits. h265, vp9 and av1 keep it", map[bool]int{false: 8, true: 10}[deep])
	case !deep && track.Color.HDR():
		r.ToneMap = true
		warn("the source is HDR; 8 bits get it tone-mapped to BT.709. 10 bits keep it")
	case track.Depth > 8 && depth == 8:
		warn(film.NoticeMark+"the source has %d bits per sample, the output 8", track.Depth)
	case track.Depth > 8 && !deep:
		warn("the source has %d bits per sample; h264 gets 8, which every player supports. h265, vp9 and av1 keep 10", track.Depth)
	case track.Depth > 10:
		warn("the source has %d bits per sample, the output 10", track.Depth)
	}
	if track.PixelFormat != "" && !track.Subsampled() && !strings.HasPrefix(track.PixelFormat, "gray") {
		mark := ""
		if images { // every film of them has less: nothing that --strict should refuse
			mark = film.NoticeMark
		}
		warn(mark+"the source has more chroma resolution (%s); the output has 4:2:0, which every player supports", track.PixelFormat)
	}
	if track.DolbyVision > 0 {
		warn("the Dolby Vision metadata is left out")
	}
	if track.DolbyVision == 5 { // the only profile without a base layer that other players can show
		warn("Dolby Vision profile 5 has its own colour encoding; the colours will look wrong")
	}
}

// minSize returns the smallest frame that an encoder accepts. SVT-AV1 documents its minimum; x265
// 3.5 crashes on some frames that are smaller.
func minSize(codec film.VideoCodec) media.Size {
	if codec == film.AV1 || codec == film.H265 {
		return media.Size{Width: 64, Height: 64}
	}
	return media.Size{Width: 2, Height: 2}
}

// setSize decides on width and height. A requested height above the source's means the source's,
// unless the request asks for upscaling, which costs bytes and adds nothing. The sample aspect
// ratio stays, and with it the display aspect ratio. Odd columns and rows are cropped. Video that
// is too small for the encoder is padded with black.
func (r *builder) setSize(v film.Video, track film.VideoTrack, rows int, warn func(string, ...any)) {
	source := displaySize(track)
	inner := source
	if v.Height == 0 || v.Height == source.Height || v.Height > source.Height && !v.Upscale {
		inner = media.Size{Width: max(source.Width&^1, 1), Height: max(source.Height-source.Height%rows, 1)}
		if inner != source {
			r.Crop = inner
		}
		if v.Height > source.Height {
			warn(film.NoticeMark+"height %d does nothing: the source has %d lines, which upscale would enlarge", v.Height, source.Height)
		}
	} else {
		// The width is the even number nearest to the one that keeps the aspect ratio.
		inner.Height = max(v.Height-v.Height%rows, rows)
		inner.Width = max(2*((source.Width*inner.Height+source.Height)/(2*source.Height)), 2)
	}
	limit := minSize(r.Codec)
	r.Width, r.Height = max(inner.Width+inner.Width%2, limit.Width), max(inner.Height+(rows-inner.Height%rows)%rows, limit.Height)
	if r.Width != inner.Width || r.Height != inner.Height {
		r.Inner = inner
		warn(film.NoticeMark+"video of %dx%d is too small for %s; it is padded with black to %dx%d",
			inner.Width, inner.Height, r.Codec, r.Width, r.Height)
	}
}
