package encoderoption

import "github.com/mapreel/mapreel/pkg/ffmpeg/internal/rule"

// Bounds of what makes an encoder hold more frames than its slowest preset does, by which memory is planned.
const (
	maxReferences = 16
	maxLookAhead  = 60 // frames: x264's and x265's at veryslow
)

// motion are the searches that x264 and x265 share.
var motion = rule.Words("dia", "hex", "umh", "esa", "tesa")

// allowed are the options that can be set, with their values, from the encoders' own documentation (x264 164, x265 3.5,
// libvpx 1.12, SVT-AV1 1.4 and ffmpeg 5.1 for NVENC).
var allowed = map[string]map[string]rule.Rule{
	"libx264": {
		"ref": rule.Whole(1, maxReferences), "bframes": rule.Whole(0, 16), "b-adapt": rule.Whole(0, 2), "b-bias": rule.Whole(-100, 100),
		"b-pyramid": rule.Words("none", "strict", "normal"), "weightb": rule.OnOff, "weightp": rule.Whole(0, 2), "deblock": rule.UpTo(2, rule.Whole(-6, 6)),
		"cabac": rule.OnOff, "qpmin": rule.Whole(0, 51), "qpmax": rule.Whole(0, 51), "qpstep": rule.Whole(1, 51), "qcomp": rule.Decimal(0, 1),
		"crf-max": rule.Decimal(0, 51), "ipratio": rule.Decimal(1, 2), "pbratio": rule.Decimal(1, 2), "chroma-qp-offset": rule.Whole(-12, 12),
		"aq-mode": rule.Whole(0, 3), "aq-strength": rule.Decimal(0, 3), "mbtree": rule.OnOff, "partitions": rule.UpTo(5, rule.Words("p8x8", "p4x4", "b8x8", "i8x8", "i4x4", "none", "all")),
		"direct": rule.Words("none", "spatial", "temporal", "auto"), "me": motion, "merange": rule.Whole(4, 64), "subme": rule.Whole(0, 11),
		"psy": rule.OnOff, "psy-rd": rule.UpTo(2, rule.Decimal(0, 10)), "mixed-refs": rule.OnOff, "chroma-me": rule.OnOff, "8x8dct": rule.OnOff, "trellis": rule.Whole(0, 2),
		"fast-pskip": rule.OnOff, "dct-decimate": rule.OnOff, "deadzone-inter": rule.Whole(0, 32), "deadzone-intra": rule.Whole(0, 32),
		"rc-lookahead": rule.Whole(0, maxLookAhead),
	},
	"libx265": {
		"ref": rule.Whole(1, maxReferences), "bframes": rule.Whole(0, 16), "b-adapt": rule.Whole(0, 2), "bframe-bias": rule.Whole(-90, 100), "b-pyramid": rule.OnOff,
		"b-intra": rule.OnOff, "weightp": rule.OnOff, "weightb": rule.OnOff, "deblock": rule.UpTo(2, rule.Whole(-6, 6)), "sao": rule.OnOff, "sao-non-deblock": rule.OnOff,
		"limit-sao": rule.OnOff, "selective-sao": rule.Whole(0, 4), "qpmin": rule.Whole(0, 51), "qpmax": rule.Whole(0, 51), "qpstep": rule.Whole(1, 51),
		"qcomp": rule.Decimal(0.5, 1), "crf-max": rule.Decimal(0, 51), "crf-min": rule.Decimal(0, 51), "ipratio": rule.Decimal(1, 2), "pbratio": rule.Decimal(1, 2),
		"cbqpoffs": rule.Whole(-12, 12), "crqpoffs": rule.Whole(-12, 12), "aq-mode": rule.Whole(0, 4), "aq-strength": rule.Decimal(0, 3), "aq-motion": rule.OnOff,
		"cutree": rule.OnOff, "qg-size": rule.Words("8", "16", "32", "64"), "psy-rd": rule.Decimal(0, 5), "psy-rdoq": rule.Decimal(0, 50), "rdoq-level": rule.Whole(0, 2),
		"rd": rule.Whole(1, 6), "rd-refine": rule.OnOff, "rskip": rule.Whole(0, 2), "rect": rule.OnOff, "amp": rule.OnOff, "limit-modes": rule.OnOff, "limit-refs": rule.Whole(0, 3),
		"limit-tu": rule.Whole(0, 4), "tu-intra-depth": rule.Whole(1, 4), "tu-inter-depth": rule.Whole(1, 4), "ctu": rule.Words("16", "32", "64"),
		"min-cu-size": rule.Words("8", "16", "32"), "max-tu-size": rule.Words("8", "16", "32"), "me": rule.Words("dia", "hex", "umh", "star", "full"),
		"subme": rule.Whole(0, 7), "merange": rule.Whole(4, 128), "max-merge": rule.Whole(1, 5), "early-skip": rule.OnOff, "fast-intra": rule.OnOff, "tskip": rule.OnOff,
		"tskip-fast": rule.OnOff, "signhide": rule.OnOff, "strong-intra-smoothing": rule.OnOff, "constrained-intra": rule.OnOff, "temporal-mvp": rule.OnOff,
		"rc-lookahead": rule.Whole(3, maxLookAhead),
	},
	"libvpx-vp9": {
		"auto-alt-ref": rule.Whole(0, 6), "lag-in-frames": rule.Whole(0, 25), "arnr-maxframes": rule.Whole(0, 15), "arnr-strength": rule.Whole(0, 6),
		"sharpness": rule.Whole(0, 7), "aq-mode": rule.Whole(0, 4), "tile-columns": rule.Whole(0, 6), "tile-rows": rule.Whole(0, 2), "frame-parallel": rule.OnOff,
		"tune-content": rule.Whole(0, 2), "static-thresh": rule.Whole(0, 1000), "max-intra-rate": rule.Whole(0, 10000), "enable-tpl": rule.OnOff,
		"qmin": rule.Whole(0, 63), "qmax": rule.Whole(0, 63),
	},
	"libsvtav1": {
		"tune": rule.Whole(0, 1), "film-grain-denoise": rule.OnOff, "enable-tf": rule.OnOff, "aq-mode": rule.Words("0", "2"), "enable-qm": rule.OnOff, "qm-min": rule.Whole(0, 15),
		"qm-max": rule.Whole(0, 15), "scm": rule.Whole(0, 2), "tile-columns": rule.Whole(0, 4), "tile-rows": rule.Whole(0, 6), "fast-decode": rule.OnOff,
		"lookahead": rule.Whole(0, maxLookAhead), "min-qp": rule.Whole(1, 62), "max-qp": rule.Whole(1, 63), "hierarchical-levels": rule.Whole(3, 5),
		"enable-cdef": rule.OnOff, "enable-restoration": rule.OnOff, "enable-dlf": rule.OnOff, "enable-mfmv": rule.OnOff,
	},
	NVENC: {
		"spatial-aq": rule.OnOff, "temporal-aq": rule.OnOff, "aq-strength": rule.Whole(1, 15), "bf": rule.Whole(0, 4), "b_ref_mode": rule.Words("disabled", "each", "middle"),
		"multipass": rule.Words("disabled", "qres", "fullres"), "rc-lookahead": rule.Whole(0, 32), "qmin": rule.Whole(0, 51), "qmax": rule.Whole(0, 51),
	},
}

// refused is a group of options that cannot be set for one reason.
type refused struct{ keys, reason string }

// Reasons that several encoders share.
const (
	keyframes = "mapreel sets the keyframes, at which segments begin and players cut"
	rate      = "mapreel sets crf, and maxBitrate limits the bit rate"
	threads   = "another number of threads gives other bytes; compute.threads sets it"
	headers   = "all segments share the headers of one track, and mapreel writes them"
	files     = "encoders read and write no files of their own"
	colour    = "it follows from the source"
	history   = "it learns from the frames before, of which a segment has none, so that segments would meet at visible seams; use a filter"
	lossless  = "crf 0 is lossless"
	passes    = "each segment is encoded once"
)

// everywhere are the options that no encoder's user can set.
var everywhere = []refused{
	{"keyint keyint-min min-keyint g kf-max-dist kf-min-dist scenecut scenecut-threshold scenecut-bias hist-scenecut intra-refresh open-gop force-key-frames forced-idr sc-threshold gop-lookahead radl irefresh-type enable-force-key-frames intra-period", keyframes},
	{"crf qp cq cqp b bitrate rc rate-control maxrate minrate bufsize vbv-maxrate vbv-bufsize vbv-init vbv-end ratetol mbr tbr strict-cbr nal-hrd hrd filler rc-grain", rate},
	{"threads frame-threads lookahead-threads sliced-threads slices lookahead-slices pools numa-pools wpp pmode pme lp pin row-mt non-deterministic asm cpuid cpu-independent opencl pass1-threads", threads},
	{"pass stats slow-firstpass multi-pass-opt-analysis multi-pass-opt-distortion multi-pass-opt-rps cplxblur qblur two-pass 2pass", passes},
	{"zones zonefile", "mapreel sets zones at the ends of segments"},
	{"qpfile cqm cqmfile dump-yuv recon csv csv-log-level analysis-save analysis-load analysis-reuse-file scaling-list lambda-file dhdr10-info dolby-vision-rpu dolby-vision-profile log-file log2-file tcfile-in tcfile-out tcfile", files},
	{"fps timebase force-cfr vfr-input pulldown fps-num fps-denom frames seek", "the times of frames are the source's, or frameRate's"},
	{"interlaced interlace tff bff fake-interlaced field field-seq", "interlaced decides how fields are encoded"},
	{"colorprim color-primaries transfer transfer-characteristics colormatrix matrix-coefficients range fullrange color-range chromaloc videoformat overscan sar mastering-display master-display max-cll cll content-light hdr hdr10 hdr-opt hdr10-opt enable-hdr", colour},
	{"preset cpu-used deadline speed quality", "preset sets it"},
	{"profile high-tier tier", "profile sets it"},
	{"level level-idc", "level sets it"},
	{"output-depth input-depth output-csp input-csp color-format", "bitDepth sets it"},
	{"film-grain", "grain sets it"},
	{"lossless cu-lossless", lossless},
	{"nr nr-intra nr-inter noise-sensitivity", history},
	{"aud annexb repeat-headers stitchable sps-id pic-struct frame-packing bluray-compat uhd-bd avcintra-class eob eos info hash single-sei opt-qp-pps opt-ref-list-length-pps temporal-layers sei idr-recovery-sei", headers},
}

// refusals are the options that users of one encoder cannot set.
var refusals = map[string][]refused{
	"libx264": {
		{"sync-lookahead", "a look-ahead on a thread of its own gives other bytes in each run"},
		{"tune", "the field tune sets it"},
	},
	"libx265": {{"tune", "the field tune sets it"}},
	"libvpx-vp9": {
		{"error-resilient ts-parameters drop-threshold resize-mode corpus-complexity undershoot-pct overshoot-pct", "frames of constant quality and size are needed"},
		{"tune", "libvpx has one tuning for VP9"},
	},
	"libsvtav1": {
		{"resize-mode resize-denom resize-kf-denom superres-mode superres-denom superres-kf-denom superres-qthres superres-kf-qthres sframe-dist sframe-mode pred-struct", "all frames of a track need one size and one order"},
		{"enable-overlays", "together with other options, SVT-AV1 1.4 wrote streams that ffprobe could not parse"},
		{"enable-stat-report", files},
	},
	NVENC: {
		{"zerolatency delay surfaces gpu nonref_p intra-refresh", "mapreel sets it"},
		{"tune", "there is none for encoders on a GPU"},
	},
}
