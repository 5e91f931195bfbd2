package film

import (
	"slices"
	"strconv"
	"strings"
)

// encoder describes the encoder of a codec.
type encoder struct {
	maxCRF     int
	crf        int    // default
	preset     string // default
	isPreset   func(string) bool
	presets    string // for messages
	containers []Container
	nvenc      bool // whether NVENC can encode it
}

// encoders holds the ranges of each encoder, from its documentation, and its defaults: CRF 21 for x264, and values of
// about the same visual quality for the others.
var encoders = map[VideoCodec]encoder{
	H264: {51, 21, "medium", oneOf(x264Presets), strings.Join(x264Presets, ", "), []Container{MP4, Matroska, HLS, DASH, CMAF}, true},
	H265: {51, 24, "medium", oneOf(x264Presets), strings.Join(x264Presets, ", "), []Container{MP4, Matroska, HLS, DASH, CMAF}, true},
	VP9:  {63, 31, "4", upTo(8), "0 (slow) to 8 (fast)", []Container{Matroska, WebM, DASH}, false},
	AV1:  {63, 32, "8", upTo(13), "0 (slow) to 13 (fast)", []Container{MP4, Matroska, WebM, HLS, DASH, CMAF}, true},
}

// IsEncoderPreset reports whether an encoder has a preset of that name.
func IsEncoderPreset(name string) bool {
	for _, e := range encoders {
		if e.isPreset(name) {
			return true
		}
	}
	return false
}

// x264Presets are the presets of x264 and x265, fastest first.
var x264Presets = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"}

// tunings are what x264 and x265 can be told to favour. Both also have zerolatency, which takes the look-ahead away on which the ends of
// segments depend.
var tunings = map[VideoCodec][]string{
	H264: {"film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode"},
	H265: {"animation", "grain", "psnr", "ssim", "fastdecode"},
}

// checkTune returns what is wrong with the tuning of a codec, or "".
func checkTune(tune string, codec VideoCodec, gpu bool) string {
	list := tunings[codec]
	switch {
	case tune == "":
		return ""
	case gpu:
		return "there is none for encoders on a GPU; leave it out"
	case slices.Contains(list, tune):
		return ""
	case len(list) == 0:
		return "there is none for " + string(codec) + "; leave it out"
	case tune == "zerolatency":
		return "zerolatency takes away the look-ahead, without which segments would meet at visible seams"
	}
	return strconv.Quote(tune) + " is not a tuning of " + string(codec) + "; there are: " + strings.Join(list, ", ")
}

func oneOf(list []string) func(string) bool {
	return func(s string) bool { return slices.Contains(list, s) }
}

func upTo(limit int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= 0 && n <= limit && s == strconv.Itoa(n)
	}
}

// DefaultCRF returns the CRF of c in a request that sets none.
func (c VideoCodec) DefaultCRF() int { return encoders[c].crf }

// MaxCRF returns the highest CRF of c.
func (c VideoCodec) MaxCRF() int { return encoders[c].maxCRF }

// otherNames are names that other programs give to the codecs, and the encoders that ffmpeg has for them.
var otherNames = map[string]VideoCodec{
	"avc": H264, "avc1": H264, "h.264": H264, "x264": H264, "libx264": H264, "h264_nvenc": H264,
	"hevc": H265, "hvc1": H265, "h.265": H265, "x265": H265, "libx265": H265, "hevc_nvenc": H265,
	"vp09": VP9, "libvpx-vp9": VP9,
	"av01": AV1, "libaom-av1": AV1, "libsvtav1": AV1, "librav1e": AV1, "av1_nvenc": AV1,
}

// CodecNamed returns the codec that name means, also where it is another program's name for it. What it does not know it
// returns unchanged.
func CodecNamed(name string) VideoCodec {
	lower := strings.ToLower(name)
	if codec, ok := otherNames[lower]; ok {
		return codec
	}
	if _, ok := encoders[VideoCodec(lower)]; ok {
		return VideoCodec(lower)
	}
	return VideoCodec(name)
}
