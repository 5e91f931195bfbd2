package film

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/encoderoption"
	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
)

// profile is what a stream may use of its format, with the bits that its samples have.
type profile struct {
	name  string
	depth int
}

// profiles are those of the formats that have several for 4:2:0, lowest first.
var profiles = map[VideoCodec][]profile{
	H264: {{"baseline", 8}, {"main", 8}, {"high", 8}, {"high10", 10}},
	H265: {{"main", 8}, {"main10", 10}},
}

// Depth returns the bits per sample that v asks for, itself or by its profile; 0 where it leaves that to the source.
func (v Video) Depth() int {
	if v.BitDepth != 0 {
		return v.BitDepth
	}
	for _, p := range profiles[v.Codec] {
		if p.name == v.Profile {
			return p.depth
		}
	}
	return 0
}

// maxGrain is SVT-AV1's strongest film grain.
const maxGrain = 50

// encoderNames are ffmpeg's names of the encoders.
var encoderNames = map[VideoCodec]string{H264: "libx264", H265: "libx265", VP9: "libvpx-vp9", AV1: "libsvtav1"}

// checkEncoding returns what is wrong with what v says of its encoder. at is its pointer.
func (v Video) checkEncoding(at string, codec VideoCodec, gpu bool) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)})
	}
	name := encoderNames[codec]
	if gpu {
		name = encoderoption.NVENC
	}
	if _, err := encoderoption.Parse(name, v.EncoderOptions); err != nil {
		add("/encoderOptions", "%v", err)
	}
	if _, err := filter.Parse(v.Filter); err != nil {
		add("/filter", "%v", err)
	}
	ps = append(ps, v.checkProfile(at, codec, gpu)...)
	switch {
	case v.Level == "":
	case codec == H265:
		add("/level", "x265 keeps to a level by a buffer model whose results differ from run to run; leave it out")
	case codec != H264:
		add("/level", "none can be set for %s; leave it out", codec)
	case !encoderoption.IsLevel(v.Level):
		add("/level", "%.20q is not a level of h264; there are: %s", v.Level, strings.Join(encoderoption.Levels(), ", "))
	}
	switch {
	case v.Grain == 0:
	case codec != AV1 || gpu:
		add("/grain", "only AV1 on the CPU has film grain; tune grain keeps the source's in h264 and h265")
	case v.Grain < 0 || v.Grain > maxGrain:
		add("/grain", "%d is outside 1 to %d", v.Grain, maxGrain)
	}
	return ps
}

// checkProfile returns what is wrong with the profile and the bits per sample of v.
func (v Video) checkProfile(at string, codec VideoCodec, gpu bool) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)})
	}
	switch {
	case v.BitDepth != 0 && v.BitDepth != 8 && v.BitDepth != 10:
		add("/bitDepth", "%d is not 8 or 10", v.BitDepth)
	case gpu && codec == H264 && (v.BitDepth == 10 || v.Profile == "high10"):
		add("/bitDepth", "h264 on a GPU has 8 bits; choose h265 or av1 for 10")
	}
	if v.Profile == "" {
		return ps
	}
	list := profiles[codec]
	i := slices.IndexFunc(list, func(p profile) bool { return p.name == v.Profile })
	switch {
	case len(list) == 0:
		add("/profile", "that of %s follows from bitDepth; leave it out", codec)
	case i < 0:
		var names []string
		for _, p := range list {
			names = append(names, p.name)
		}
		add("/profile", "%.20q is not a profile of %s; there are: %s", v.Profile, codec, strings.Join(names, ", "))
	case v.BitDepth != 0 && v.BitDepth != list[i].depth:
		add("/profile", "%s has %d bits per sample, not %d", v.Profile, list[i].depth, v.BitDepth)
	case codec == H264 && v.CRF != nil && *v.CRF == 0:
		add("/profile", "crf 0 is lossless, which %s cannot hold; leave profile out", v.Profile)
	case v.Profile == "baseline" && v.Interlaced == KeepInterlaced:
		add("/profile", "baseline has no fields; choose main or high, or deinterlace")
	}
	return ps
}
