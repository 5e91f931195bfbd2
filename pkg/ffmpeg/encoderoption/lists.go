package encoderoption

// Bounds of what makes an encoder hold more frames than its slowest preset does, by which memory is planned.
const (
	maxReferences = 16
	maxLookAhead  = 60 // frames: x264's and x265's at veryslow
)

// motion are the searches that x264 and x265 share.
var motion = words("dia", "hex", "umh", "esa", "tesa")

// allowed are the options that can be set, with their values, from the encoders' own documentation (x264 164, x265 3.5,
// libvpx 1.12, SVT-AV1 1.4 and ffmpeg 5.1 for NVENC).
var allowed = map[string]map[string]rule{
	"libx264": {
		"ref": whole(1, maxReferences), "bframes": whole(0, 16), "b-adapt": whole(0, 2), "b-bias": whole(-100, 100),
		"b-pyramid": words("none", "strict", "normal"), "weightb": onOff, "weightp": whole(0, 2), "deblock": upTo(2, whole(-6, 6)),
		"cabac": onOff, "qpmin": whole(0, 51), "qpmax": whole(0, 51), "qpstep": whole(1, 51), "qcomp": decimal(0, 1),
		"crf-max": decimal(0, 51), "ipratio": decimal(1, 2), "pbratio": decimal(1, 2), "chroma-qp-offset": whole(-12, 12),
		"aq-mode": whole(0, 3), "aq-strength": decimal(0, 3), "mbtree": onOff, "partitions": upTo(5, words("p8x8", "p4x4", "b8x8", "i8x8", "i4x4", "none", "all")),
		"direct": words("none", "spatial", "temporal", "auto"), "me": motion, "merange": whole(4, 64), "subme": whole(0, 11),
		"psy": onOff, "psy-rd": upTo(2, decimal(0, 10)), "mixed-refs": onOff, "chroma-me": onOff, "8x8dct": onOff, "trellis": whole(0, 2),
		"fast-pskip": onOff, "dct-decimate": onOff, "deadzone-inter": whole(0, 32), "deadzone-intra": whole(0, 32),
		"rc-lookahead": whole(0, maxLookAhead),
	},
	"libx265": {
		"ref": whole(1, maxReferences), "bframes": whole(0, 16), "b-adapt": whole(0, 2), "bframe-bias": whole(-90, 100), "b-pyramid": onOff,
		"b-intra": onOff, "weightp": onOff, "weightb": onOff, "deblock": upTo(2, whole(-6, 6)), "sao": onOff, "sao-non-deblock": onOff,
		"limit-sao": onOff, "selective-sao": whole(0, 4), "qpmin": whole(0, 51), "qpmax": whole(0, 51), "qpstep": whole(1, 51),
		"qcomp": decimal(0.5, 1), "crf-max": decimal(0, 51), "crf-min": decimal(0, 51), "ipratio": decimal(1, 2), "pbratio": decimal(1, 2),
		"cbqpoffs": whole(-12, 12), "crqpoffs": whole(-12, 12), "aq-mode": whole(0, 4), "aq-strength": decimal(0, 3), "aq-motion": onOff,
		"cutree": onOff, "qg-size": words("8", "16", "32", "64"), "psy-rd": decimal(0, 5), "psy-rdoq": decimal(0, 50), "rdoq-level": whole(0, 2),
		"rd": whole(1, 6), "rd-refine": onOff, "rskip": whole(0, 2), "rect": onOff, "amp": onOff, "limit-modes": onOff, "limit-refs": whole(0, 3),
		"limit-tu": whole(0, 4), "tu-intra-depth": whole(1, 4), "tu-inter-depth": whole(1, 4), "ctu": words("16", "32", "64"),
		"min-cu-size": words("8", "16", "32"), "max-tu-size": words("8", "16", "32"), "me": words("dia", "hex", "umh", "star", "full"),
		"subme": whole(0, 7), "merange": whole(4, 128), "max-merge": whole(1, 5), "early-skip": onOff, "fast-intra": onOff, "tskip": onOff,
		"tskip-fast": onOff, "signhide": onOff, "strong-intra-smoothing": onOff, "constrained-intra": onOff, "temporal-mvp": onOff,
		"rc-lookahead": whole(3, maxLookAhead),
	},
	"libvpx-vp9": {
		"auto-alt-ref": whole(0, 6), "lag-in-frames": whole(0, 25), "arnr-maxframes": whole(0, 15), "arnr-strength": whole(0, 6),
		"sharpness": whole(0, 7), "aq-mode": whole(0, 4), "tile-columns": whole(0, 6), "tile-rows": whole(0, 2), "frame-parallel": onOff,
		"tune-content": whole(0, 2), "static-thresh": whole(0, 1000), "max-intra-rate": whole(0, 10000), "enable-tpl": onOff,
		"qmin": whole(0, 63), "qmax": whole(0, 63),
	},
	"libsvtav1": {
		"tune": whole(0, 1), "film-grain-denoise": onOff, "enable-tf": onOff, "aq-mode": words("0", "2"), "enable-qm": onOff, "qm-min": whole(0, 15),
		"qm-max": whole(0, 15), "scm": whole(0, 2), "tile-columns": whole(0, 4), "tile-rows": whole(0, 6), "fast-decode": onOff,
		"lookahead": whole(0, maxLookAhead), "min-qp": whole(1, 62), "max-qp": whole(1, 63), "hierarchical-levels": whole(3, 5),
		"enable-cdef": onOff, "enable-restoration": onOff, "enable-dlf": onOff, "enable-mfmv": onOff,
	},
	NVENC: {
		"spatial-aq": onOff, "temporal-aq": onOff, "aq-strength": whole(1, 15), "bf": whole(0, 4), "b_ref_mode": words("disabled", "each", "middle"),
		"multipass": words("disabled", "qres", "fullres"), "rc-lookahead": whole(0, 32), "qmin": whole(0, 51), "qmax": whole(0, 51),
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
		{"enable-overlays", "with it, SVT-AV1 1.4 writes streams that decoders refuse"},
		{"enable-stat-report", files},
	},
	NVENC: {
		{"zerolatency delay surfaces gpu nonref_p intra-refresh", "mapreel sets it"},
		{"tune", "there is none for encoders on a GPU"},
	},
}
