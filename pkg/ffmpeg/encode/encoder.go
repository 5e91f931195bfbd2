package encode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/encoderoption"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
)

// Encoder returns ffmpeg's encoder for a codec of Rendition; ok is false if there is none.
func Encoder(codec string, gpu bool) (name string, ok bool) {
	if gpu {
		name, ok = map[string]string{"h264": "h264_nvenc", "h265": "hevc_nvenc", "av1": "av1_nvenc"}[codec]
		return name, ok
	}
	name, ok = map[string]string{"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}[codec]
	return name, ok
}

// encoderOptions returns the options of the encoder. They fix the threads, because the output of
// x264, x265 and libvpx depends on their number, which otherwise follows the machine's cores.
func (r Rendition) encoderOptions(threads int, p padding) []string {
	encoder, ok := Encoder(r.Codec, r.GPU)
	if !ok {
		encoder = option.Name(r.Codec) // ffmpeg rejects it with a clear message
	}
	n := strconv.Itoa(threads)
	args := []string{"-c:v", encoder}
	if option.Declared(r.Color.ChromaLocation) {
		args = append(args, "-chroma_sample_location", r.Color.ChromaLocation)
	}
	if r.GPU {
		args = append(args, "-preset", r.Preset, "-rc", "vbr", "-cq", r.crf(), "-b:v", "0")
		args = append(append(args, r.rateLimit()...), r.profile()...)
		args = append(args, r.ownOptions()...)
		if r.Codec == "h265" {
			args = append(args, "-tag:v", "hvc1")
		}
		return append(args, r.keyframesOnly()...)
	}
	crf := r.crf()
	if encoder != "libvpx-vp9" {
		args = append(args, r.rateLimit()...)
	}
	if r.Tune != "" {
		args = append(args, "-tune", r.Tune)
	}
	args = append(args, r.profile()...)
	switch encoder {
	case "libx264":
		args = append(args, "-preset", r.Preset, "-crf", crf, "-threads", n)
		// On a thread of its own, the look-ahead sees more or fewer of the last frames, depending
		// on scheduling: 2 runs of 60 gave different bytes (x264 164, medium, 2 threads). Without
		// it, 80 runs of the worst case were equal.
		args = append(args, params("-x264-params", "sync-lookahead=0", r.stitchable(), r.decoded(), r.privateOptions(), r.frameRate("fps"), x264HDR(r.HDR),
			p.zones())...)
	case "libx265":
		args = append(args, "-preset", r.Preset, "-crf", crf, "-tag:v", "hvc1")
		args = append(args, params("-x265-params", append([]string{"log-level=warning", "open-gop=0", r.privateOptions()},
			append(x265Threads(threads), r.frameRate("fps"), x265HDR(r.HDR))...)...)...)
	case "libvpx-vp9":
		// libvpx calls a rate together with CRF constrained quality: CRF within that rate.
		args = append(args, "-crf", crf, "-b:v", strconv.Itoa(r.MaxBitrate), "-deadline", "good", "-cpu-used", r.Preset,
			"-row-mt", "1", "-threads", n)
		args = append(args, r.ownOptions()...)
		if r.Only == nil {
			args = append(args, p.evenKeyframes(r.Before, libvpxInterval)...)
		}
	case "libsvtav1":
		args = append(args, "-preset", r.Preset, "-crf", crf)
		switch {
		case r.Only != nil:
		case r.KeyframeDistance > 0:
			args = append(args, "-g", strconv.Itoa(r.KeyframeDistance))
		case len(r.Keyframes) > 0:
			args = append(args, "-g", strconv.Itoa(svtInterval(r.FrameRate)))
		default:
			args = append(args, p.evenKeyframes(r.Before, svtInterval(r.FrameRate))...)
		}
		fps := ""
		if r.FrameRate.Known() {
			fps = fmt.Sprintf("fps-num=%d:fps-denom=%d", r.FrameRate.Num, r.FrameRate.Den)
		}
		grain := ""
		if r.Grain > 0 {
			grain = "film-grain=" + strconv.Itoa(r.Grain)
		}
		// irefresh-type=2 closes each GOP.
		args = append(args, params("-svtav1-params", "irefresh-type=2", "lp="+n, fps, svtHDR(r.HDR), grain, r.privateOptions())...)
	}
	return append(args, r.keyframesOnly()...)
}

// options returns the encoder's own options; none if any of them is not allowed, because a text must not gain a meaning in a
// command line.
func (r Rendition) options() []encoderoption.Option {
	encoder, _ := Encoder(r.Codec, r.GPU)
	if r.GPU {
		encoder = encoderoption.NVENC
	}
	list, err := encoderoption.Parse(encoder, r.Options)
	if err != nil {
		return nil
	}
	return list
}

// privateOptions returns the encoder's own options as its private parameters take them.
func (r Rendition) privateOptions() string {
	var set []string
	for _, o := range r.options() {
		set = append(set, o.Key+"="+o.Value)
	}
	return strings.Join(set, ":")
}

// ownOptions returns the encoder's own options as options of ffmpeg.
func (r Rendition) ownOptions() (args []string) {
	for _, o := range r.options() {
		args = append(args, "-"+o.Key, o.Value)
	}
	return args
}

// profile returns the options that limit what the stream uses of its format.
func (r Rendition) profile() (args []string) {
	if r.Profile != "" {
		args = append(args, "-profile:v", r.Profile)
	}
	if r.Level != "" {
		args = append(args, "-level:v", r.Level)
	}
	return args
}

// stitchable returns the option of x264 that keeps its parameter sets the same at any CRF.
func (r Rendition) stitchable() string {
	if r.Stitchable {
		return "stitchable=1"
	}
	return ""
}

// crf returns CRF as an argument: "21", or "21.25".
func (r Rendition) crf() string { return strconv.FormatFloat(r.CRF, 'f', -1, 64) }

// keyframeTrial is the frame of KeyframeTrialArgs that is to be a keyframe.
const keyframeTrial = 5

// KeyframeTrialArgs returns the arguments of ffmpeg that encode some frames with SVT-AV1 and have one of them be a keyframe. Descriptor 3
// gets a PacketLog, from which ObeysTrial tells whether the encoder obeyed: ffmpeg 5.1 has no way to pass it on.
func KeyframeTrialArgs() []string {
	const rate = 25
	return []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats", "-f", "lavfi", "-i", fmt.Sprintf("color=size=%dx%[1]d:rate=%d:duration=0.48", TrialSide, rate),
		"-c:v", "libsvtav1", "-preset", "12", "-crf", "50", "-g", "1000", "-svtav1-params", "irefresh-type=2:lp=1",
		"-force_key_frames", strconv.FormatFloat(float64(keyframeTrial)/rate, 'f', -1, 64), "-f", "framecrc", "pipe:3",
	}
}

// ObeysTrial reports whether the frame of KeyframeTrialArgs became a keyframe.
func ObeysTrial(log *PacketLog) bool { return slices.Equal(log.Keyframes(), []int64{0, keyframeTrial}) }

// keyframesOnly returns the option that makes an encoder write keyframes only, if the rendition wants
// that. SVT-AV1, as ffmpeg 5.1 runs it, then marks its frames as intra frames, which are no keyframes; at
// best every second frame is one.
func (r Rendition) keyframesOnly() []string {
	if r.Only == nil {
		return nil
	}
	encoder, _ := Encoder(r.Codec, r.GPU)
	switch encoder {
	case "libx264", "libx265":
		return []string{"-g", "1"}
	case "libsvtav1":
		return []string{"-g", "2"}
	}
	return []string{"-g", "0"} // libvpx and NVENC
}

// x265Threads returns the parameters that fix how x265 divides its work, which otherwise follows
// the machine's cores. Its look-ahead is not sliced, because the results of slices were combined in
// the order of their threads (Multicorewareinc/x265 issue 220).
func x265Threads(threads int) []string {
	frameThreads := 1
	if threads >= 4 {
		frameThreads = 2
	}
	return []string{fmt.Sprintf("pools=%d", threads), fmt.Sprintf("frame-threads=%d", frameThreads), "lookahead-slices=0"}
}

// rateLimit returns the options that keep constant quality below MaxBitrate, over a buffer of two
// seconds. Each segment starts with the whole buffer available.
func (r Rendition) rateLimit() []string {
	if r.MaxBitrate == 0 {
		return nil
	}
	return []string{"-maxrate", strconv.Itoa(r.MaxBitrate), "-bufsize", strconv.Itoa(2 * r.MaxBitrate)}
}

// frameRate returns the parameter that sets the frame rate. Without it, an encoder uses what ffmpeg
// guesses from the start of a segment.
func (r Rendition) frameRate(name string) string {
	if !r.FrameRate.Known() {
		return ""
	}
	return name + "=" + r.FrameRate.String()
}

// params joins the parts that are not empty to the argument of an encoder's private parameters.
func params(name string, parts ...string) []string {
	var set []string
	for _, part := range parts {
		if part != "" {
			set = append(set, part)
		}
	}
	if len(set) == 0 {
		return nil
	}
	return []string{name, strings.Join(set, ":")}
}
