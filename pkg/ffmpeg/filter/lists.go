package filter

import (
	"regexp"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/rule"
)

// Bounds of areas and radii: a blur of a quarter of the frame is none any more, and the time of some filters grows with the area.
const (
	maxRadius = 50
	maxPlace  = 17280
)

// expression matches arithmetic over the value of a sample. Other functions of ffmpeg's expressions have a memory or random numbers.
var expression = regexp.MustCompile(`^(?:val|negval|clipval|maxval|minval|[0-9]{1,5}(?:\.[0-9]{1,4})?|[-+*/()]){1,40}$`)

func samples(value string) string {
	if !expression.MatchString(value) {
		return "arithmetic over val, negval, clipval, maxval and minval"
	}
	return ""
}

// points matches a curve: "0/0 0.5/0.6 1/1".
var points = regexp.MustCompile(`^(?:0|1|0?\.[0-9]{1,4})/(?:0|1|0?\.[0-9]{1,4})(?: (?:0|1|0?\.[0-9]{1,4})/(?:0|1|0?\.[0-9]{1,4})){1,15}$`)

func curve(value string) string {
	if !points.MatchString(value) {
		return `points of a curve with spaces between them, such as "0/0 0.5/0.6 1/1"`
	}
	return ""
}

type options = map[string]rule.Rule

var (
	place = rule.Whole(0, maxPlace)
	unit  = rule.Decimal(-1, 1)
	share = rule.Decimal(0, 1)
	gain  = rule.Decimal(-2, 2)
	gamma = rule.Decimal(0.1, 10)
)

// kinds are the filters that are allowed, with their arguments from ffmpeg's documentation (5.1).
var kinds = []kind{
	{name: "eq", shallow: true, options: options{"contrast": gain, "brightness": unit, "saturation": rule.Decimal(0, 3), "gamma": gamma, "gamma_r": gamma, "gamma_g": gamma, "gamma_b": gamma, "gamma_weight": share}},
	{name: "hue", options: options{"h": rule.Decimal(-360, 360), "s": rule.Decimal(-10, 10), "b": rule.Decimal(-10, 10)}},
	{name: "lutyuv", options: options{"y": samples, "u": samples, "v": samples}},
	{name: "negate", options: options{}},
	{name: "curves", rgb: true, options: options{
		"preset": rule.Words("none", "color_negative", "cross_process", "darker", "increase_contrast", "lighter", "linear_contrast", "medium_contrast", "negative", "strong_contrast", "vintage"),
		"master": curve, "red": curve, "green": curve, "blue": curve, "all": curve,
	}},
	{name: "colorbalance", rgb: true, options: options{"rs": unit, "gs": unit, "bs": unit, "rm": unit, "gm": unit, "bm": unit, "rh": unit, "gh": unit, "bh": unit, "pl": rule.OnOff}},
	{name: "colorchannelmixer", rgb: true, options: options{"rr": gain, "rg": gain, "rb": gain, "gr": gain, "gg": gain, "gb": gain, "br": gain, "bg": gain, "bb": gain}},
	{name: "colortemperature", rgb: true, options: options{"temperature": rule.Whole(1000, 40000), "mix": share, "pl": share}},
	{name: "vibrance", rgb: true, options: options{"intensity": gain, "rbal": rule.Decimal(-10, 10), "gbal": rule.Decimal(-10, 10), "bbal": rule.Decimal(-10, 10)}},
	{name: "unsharp", rows: true, options: options{
		"lx": rule.Words("3", "5", "7", "9", "11", "13"), "ly": rule.Words("3", "5", "7", "9", "11", "13"), "la": rule.Decimal(-2, 5),
		"cx": rule.Words("3", "5", "7", "9", "11", "13"), "cy": rule.Words("3", "5", "7", "9", "11", "13"), "ca": rule.Decimal(-2, 5),
	}},
	{name: "cas", rows: true, options: options{"strength": share}},
	{name: "boxblur", rows: true, options: options{"lr": rule.Whole(0, maxRadius), "lp": rule.Whole(0, 5), "cr": rule.Whole(0, maxRadius), "cp": rule.Whole(0, 5)}},
	{name: "gblur", rows: true, options: options{"sigma": rule.Decimal(0, maxRadius), "steps": rule.Whole(1, 6), "sigmaV": rule.Decimal(0, maxRadius)}},
	{name: "avgblur", rows: true, options: options{"sizeX": rule.Whole(1, maxRadius), "sizeY": rule.Whole(0, maxRadius)}},
	{name: "smartblur", rows: true, shallow: true, options: options{"lr": rule.Decimal(0.1, 5), "ls": unit, "lt": rule.Whole(-30, 30), "cr": rule.Decimal(0.1, 5), "cs": unit, "ct": rule.Whole(-30, 30)}},
	{name: "median", rows: true, options: options{"radius": rule.Whole(1, 10), "radiusV": rule.Whole(0, 10), "percentile": share}},
	{name: "nlmeans", rows: true, shallow: true, options: options{"s": rule.Decimal(1, 30), "p": rule.Whole(1, 15), "pc": rule.Whole(0, 15), "r": rule.Whole(1, 21), "rc": rule.Whole(0, 21)}},
	{name: "vaguedenoiser", rows: true, options: options{
		"threshold": rule.Decimal(0, 100), "method": rule.Words("hard", "soft", "garrote"), "nsteps": rule.Whole(1, 8), "percent": rule.Whole(0, 100), "type": rule.Words("universal", "bayes"),
	}},
	{name: "deband", rows: true, shallow: true, options: options{"1thr": rule.Decimal(0.001, 0.5), "2thr": rule.Decimal(0.001, 0.5), "3thr": rule.Decimal(0.001, 0.5), "range": rule.Whole(1, maxRadius), "blur": rule.OnOff, "coupling": rule.OnOff}},
	{name: "deblock", rows: true, options: options{"filter": rule.Words("weak", "strong"), "block": rule.Whole(4, 64), "alpha": share, "beta": share, "gamma": share, "delta": share}},
	{name: "delogo", rows: true, shallow: true, options: options{"x": place, "y": place, "w": place, "h": place}},
	{name: "hflip", options: options{}},
	{name: "vflip", flips: true, options: options{}},
}

// refused is a group of filters that cannot be used for one reason.
type refused struct{ names, reason string }

const denoisers = "; vaguedenoiser and nlmeans denoise each frame alone"

// refusals are filters that users know, with why they cannot be used.
var refusals = []refused{
	{"hqdn3d", "it mixes each frame with all frames before it, so that segments would meet at visible seams, whatever their run-up" + denoisers},
	{"atadenoise tmix tmedian tblend bm3d fftdnoiz", "it mixes neighbouring frames, which a segment lacks at its ends" + denoisers},
	{"deflicker normalize lagfun photosensitivity deshake vidstabdetect vidstabtransform dejudder lumakey noise geq random shuffleframes chromahold fade vignette", "what it does to a frame depends on other frames or on the time, so that segments would meet at visible seams"}, //nolint:misspell // a filter's name
	{"yadif bwdif w3fdif estdif nnedi mcdeint kerndeint separatefields weave doubleweave tinterlace telecine detelecine pullup fieldmatch decimate mpdecimate field fieldorder il idet phase interlace", "interlaced decides how fields are treated"},
	{"fps framerate minterpolate setpts settb select trim loop reverse tpad freezeframes framestep thumbnail", "frames keep their times; frameRate, part and --start change them"},
	{"scale scale2ref zscale crop cropdetect pad fillborders transpose rotate zoompan shear perspective lenscorrection untile tile stack hstack vstack xstack super2xsai hqx xbr epx", "it changes the frame's size or shape; height, crop and pad do"},
	{"format noformat setsar setdar setparams setrange setfield colorspace colormatrix tonemap iccdetect iccgen", "mapreel sets the format and the colours of samples; bitDepth selects the bits"},
	{"movie amovie overlay blend drawtext subtitles ass lut1d lut3d haldclut clut removelogo cover_rect find_rect signature psnr ssim libvmaf vmafmotion frei0r coreimage ocr sr derain dnn_classify dnn_detect dnn_processing metadata ametadata showinfo drawgraph", "it reads or writes files, or other inputs"},
	{"sendcmd asendcmd zmq azmq", "it takes commands from elsewhere"},
	{"lut lutrgb", "lutyuv works on the samples as they are; curves on RGB"},
}
