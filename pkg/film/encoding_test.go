package film_test

import "testing"

func TestWhatIsSaidOfAnEncoderIsChecked(t *testing.T) {
	const at = "/outputs/0/video/0"
	for video, want := range map[string]string{
		`"encoderOptions": "aq-mode=3:psy-rd=1.0,0.15", "profile": "high", "level": "4.1", "bitDepth": 8`: "",
		`"profile": "high10"`:                         "",
		`"codec": "h265", "profile": "main10"`:        "",
		`"codec": "av1", "grain": 8, "bitDepth": 10`:  "",
		`"encoderOptions": "keyint=48"`:               at + "/encoderOptions: keyint cannot be set: mapreel sets the keyframes, at which segments begin and players cut",
		`"codec": "h265", "encoderOptions": "nal=1"`:  at + `/encoderOptions: "nal" is not an option of libx265 that can be set; there are: ` + x265Options,
		`"profile": "high", "bitDepth": 10`:           at + "/profile: high has 8 bits per sample, not 10",
		`"profile": "high422"`:                        at + `/profile: "high422" is not a profile of h264; there are: baseline, main, high, high10`,
		`"codec": "av1", "profile": "main"`:           at + "/profile: that of av1 follows from bitDepth; leave it out",
		`"profile": "high", "crf": 0`:                 at + "/profile: crf 0 is lossless, which high cannot hold; leave profile out",
		`"profile": "baseline", "interlaced": "keep"`: at + "/profile: baseline has no fields; choose main or high, or deinterlace",
		`"level": "4.3"`:                              at + `/level: "4.3" is not a level of h264; there are: 1, 1.1, 1.2, 1.3, 2, 2.1, 2.2, 3, 3.1, 3.2, 4, 4.1, 4.2, 5, 5.1, 5.2, 6, 6.1, 6.2`,
		`"codec": "h265", "level": "4.1"`:             at + "/level: x265 keeps to a level by a buffer model whose results differ from run to run; leave it out",
		`"codec": "av1", "level": "4.1"`:              at + "/level: none can be set for av1; leave it out",
		`"grain": 8`:                                  at + "/grain: only AV1 on the CPU has film grain; tune grain keeps the source's in h264 and h265",
		`"codec": "av1", "grain": 51`:                 at + "/grain: 51 is outside 1 to 50",
		`"bitDepth": 12`:                              at + "/bitDepth: 12 is not 8 or 10",
	} {
		if got := refusalOf(t, "mp4", video); got != want {
			t.Errorf("%s: %q, want %q", video, got, want)
		}
	}
}

const x265Options = "amp, aq-mode, aq-motion, aq-strength, b-adapt, b-intra, b-pyramid, bframe-bias, bframes, cbqpoffs, constrained-intra, crf-max, crf-min, crqpoffs, " +
	"ctu, cutree, deblock, early-skip, fast-intra, ipratio, limit-modes, limit-refs, limit-sao, limit-tu, max-merge, max-tu-size, me, merange, min-cu-size, pbratio, " +
	"psy-rd, psy-rdoq, qcomp, qg-size, qpmax, qpmin, qpstep, rc-lookahead, rd, rd-refine, rdoq-level, rect, ref, rskip, sao, sao-non-deblock, selective-sao, signhide, " +
	"strong-intra-smoothing, subme, temporal-mvp, tskip, tskip-fast, tu-inter-depth, tu-intra-depth, weightb, weightp"
