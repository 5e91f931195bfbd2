package recipe

import "strings"

// container is what ffmpeg muxes.
type container struct {
	extension string
	args      string // of the muxer
	video     string // codecs that it holds
	audio     string
	subtitles string // codec of subtitles; "" if it holds none that ffmpeg writes
	ticks     bool   // its times are free, not multiples of a frame's length
	joins     bool   // bytes of two files after each other are a file
	raw       bool   // it has no timestamps
}

var containers = map[string]container{
	"mp4":   {".mp4", "", "h264 hevc av1 vp9 mpeg4 mpeg2 mjpeg", "aac ac3 eac3 mp3 opus flac alac", "mov_text", true, false, false},
	"first": {".mp4", "-movflags faststart", "h264 hevc av1 vp9 mpeg4", "aac ac3 mp3", "mov_text", true, false, false},
	"ctts":  {".mp4", "-movflags negative_cts_offsets", "h264 hevc", "aac", "", true, false, false},
	"frag":  {".mp4", "-movflags frag_keyframe+empty_moov+default_base_moof", "h264 hevc av1", "aac ac3 opus", "", true, false, false},
	"sidx":  {".mp4", "-movflags dash+global_sidx+frag_keyframe", "h264 hevc", "aac", "", true, false, false},
	"noidx": {".mp4", "-movflags frag_keyframe+empty_moov+skip_trailer", "h264 hevc", "aac", "", true, false, false},
	"mov":   {".mov", "", "h264 hevc prores mjpeg mpeg4 mpeg2", "aac pcm_s16le pcm_s24le alac", "mov_text", true, false, false},
	"mkv":   {".mkv", "", "h264 hevc av1 vp8 vp9 mpeg4 mpeg2 mjpeg prores ffv1 theora", "aac ac3 eac3 mp3 mp2 opus vorbis flac pcm_s16le dts", "srt", true, false, false},
	"webm":  {".webm", "", "vp8 vp9 av1", "opus vorbis", "webvtt", true, false, false},
	"ts":    {".ts", "", "h264 hevc mpeg2 mpeg4", "aac ac3 eac3 mp2 mp3 opus", "", true, true, false},
	"m2ts":  {".m2ts", "-mpegts_m2ts_mode 1", "h264 hevc mpeg2", "ac3 pcm_bluray", "", true, true, false},
	"mpg":   {".mpg", "", "mpeg2 mpeg1", "mp2 ac3", "", true, true, false},
	"avi":   {".avi", "", "mpeg4 xvid mjpeg h264 ffv1", "mp3 pcm_s16le ac3 mp2", "", false, false, false},
	"flv":   {".flv", "", "h264 flv1", "aac mp3", "", true, false, false},
	"nut":   {".nut", "", "h264 hevc mpeg4 mpeg2 ffv1 vp9", "aac mp3 pcm_s16le flac ac3", "", true, false, false},
	"mxf":   {".mxf", "", "mpeg2", "pcm_s16le", "", false, false, false},
	"wmv":   {".wmv", "", "wmv2", "wmav2", "", true, false, false},
	"ogv":   {".ogv", "", "theora vp8", "vorbis opus flac", "", false, false, false},
	"wtv":   {".wtv", "", "mpeg2", "mp2", "", true, false, false},
	"3gp":   {".3gp", "", "h264 mpeg4", "aac", "", true, false, false},
	"h264":  {extension: ".h264", args: "-f h264", video: "h264", raw: true},
	"hevc":  {extension: ".hevc", args: "-f hevc", video: "hevc", raw: true},
}

// videoCodec is how ffmpeg encodes a codec.
type videoCodec struct {
	args    string
	formats string // pixel formats besides yuv420p
	gops    string // of gops, besides the usual
	fine    bool   // it accepts any time, not multiples of a frame's length alone
	rates   string // the only frame rates; "" is any
	fields  bool   // it encodes fields
	even    bool   // sizes must be even
}

const standardRates = "24 25 30 50 30000/1001 24000/1001"

var videoCodecs = map[string]videoCodec{
	"h264":   {"-c:v libx264 -preset veryfast -crf 18", "yuv422p yuv444p yuv420p10le yuv422p10le gray", "open refresh one pyramid intra nob far", true, "", true, true},
	"hevc":   {"-c:v libx265 -preset ultrafast -crf 18", "yuv422p yuv444p yuv420p10le", "open one intra nob far", true, "", false, true},
	"av1":    {"-c:v libsvtav1 -preset 12 -crf 25", "yuv420p10le", "one far", true, "", false, true},
	"vp8":    {"-c:v libvpx -deadline realtime -cpu-used 8 -b:v 2M", "", "one intra far", true, "", false, false},
	"vp9":    {"-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf 25", "yuv422p yuv444p yuv420p10le", "one intra far", true, "", false, false},
	"mpeg4":  {"-c:v mpeg4 -q:v 3", "", "one intra nob far", false, "", true, false},
	"xvid":   {"-c:v libxvid -q:v 3", "", "intra nob far", false, "", false, true},
	"mpeg2":  {"-c:v mpeg2video -q:v 3", "yuv422p", "open intra nob", false, standardRates, true, false},
	"mpeg1":  {"-c:v mpeg1video -q:v 3", "", "intra nob", false, standardRates, false, false},
	"mjpeg":  {"-c:v mjpeg -q:v 3", "yuvj422p yuvj444p", "", true, "", false, false},
	"prores": {"-c:v prores_ks -profile:v 0", "", "", true, "", true, false},
	"ffv1":   {"-c:v ffv1", "yuv422p yuv444p yuv420p10le", "", true, "", false, false},
	"theora": {"-c:v libtheora -q:v 8", "yuv422p yuv444p", "one intra far", false, "", false, false},
	"wmv2":   {"-c:v wmv2 -q:v 3", "", "one intra far", false, "", false, false},
	"flv1":   {"-c:v flv -q:v 3", "", "one intra far", false, "", false, false},
}

// usualFormats are the pixel formats of codecs that do not encode yuv420p.
var usualFormats = map[string]string{"mjpeg": "yuvj420p", "prores": "yuv422p10le"}

// gopArgs returns the options of a structure of GOPs. keyint is the usual distance of keyframes.
func gopArgs(codec, gop, colour string) string {
	interval, params := "36", ""
	switch gop {
	case "one": // one keyframe alone
		interval = "9999"
	case "far": // keyframes further from each other than the segments are long
		interval = "70"
	case "intra":
		interval = "1"
	}
	switch codec {
	case "h264":
		args, bframes := "-g "+interval, " -bf 3"
		switch gop {
		case "open":
			params = "open-gop=1:b-adapt=0"
		case "refresh":
			params, bframes = "intra-refresh=1", " -bf 0"
		case "pyramid":
			params, bframes = "b-pyramid=normal:b-adapt=0", " -bf 7"
		case "one":
			params = "scenecut=0"
		case "nob":
			bframes = " -bf 0"
		}
		if params != "" {
			args += " -x264-params " + params
		}
		return args + bframes
	case "hevc":
		params = "log-level=none:keyint=" + interval + ":min-keyint=" + interval + ":open-gop=0:pools=1:frame-threads=1"
		switch gop {
		case "open":
			params = strings.ReplaceAll(params, "open-gop=0", "open-gop=1:b-adapt=0:bframes=4")
		case "one":
			params += ":scenecut=0"
		case "nob":
			params += ":bframes=0"
		}
		if colour == hdr10 {
			params += hdr10Params
		}
		return "-x265-params " + params
	case "mpeg2", "mpeg1":
		if gop == "open" || gop == "" {
			return "-g 15 -bf 2" + map[string]string{"": " -flags +cgop -sc_threshold 1000000000", "open": ""}[gop]
		}
		return map[string]string{"intra": "-g 1", "nob": "-g 15 -bf 0"}[gop]
	case "mpeg4", "xvid":
		if gop == "nob" || gop == "intra" {
			return "-g " + interval + " -bf 0"
		}
		return "-g " + interval + " -bf 2"
	case "mjpeg", "prores", "ffv1":
		return ""
	}
	return "-g " + interval
}

// audioCodec is how ffmpeg encodes a codec.
type audioCodec struct {
	args     string
	rates    string // the only sample rates; "" is any
	channels int    // the most that are drawn
}

var audioCodecs = map[string]audioCodec{
	"aac":        {"-c:a aac -b:a 128k", "", 6},
	"ac3":        {"-c:a ac3 -b:a 192k", "48000 44100 32000", 6},
	"eac3":       {"-c:a eac3 -b:a 192k", "48000 44100 32000", 6},
	"mp3":        {"-c:a libmp3lame -b:a 128k", "48000 44100 32000 24000 22050", 2},
	"mp2":        {"-c:a mp2 -b:a 160k", "48000 44100 32000 24000", 2},
	"opus":       {"-c:a libopus -b:a 96k", "48000", 6},
	"vorbis":     {"-c:a libvorbis", "", 8},
	"flac":       {"-c:a flac", "", 6},
	"alac":       {"-c:a alac", "", 6},
	"pcm_s16le":  {"-c:a pcm_s16le", "", 8},
	"pcm_s24le":  {"-c:a pcm_s24le", "", 8},
	"pcm_bluray": {"-c:a pcm_bluray", "48000", 6},
	"wmav2":      {"-c:a wmav2 -b:a 128k", "48000 44100", 2},
	"dts":        {"-c:a dca -strict -2 -b:a 512k", "48000 44100", 6},
}

var layouts = map[int]string{1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 6: "5.1", 8: "7.1"}

// colours are sets of colour properties: primaries, transfer, matrix, range.
var colours = map[string]string{
	"bt709":  "-color_primaries bt709 -color_trc bt709 -colorspace bt709",
	"bt601":  "-color_primaries smpte170m -color_trc smpte170m -colorspace smpte170m",
	"bt2020": "-color_primaries bt2020 -color_trc bt2020-10 -colorspace bt2020nc",
	"full":   "-color_range pc",
	hdr10:    "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc",
}

// hdr10 are the colours of HDR10, with the metadata that package judge expects.
const hdr10 = "hdr10"

const hdr10Params = ":hdr10=1:repeat-headers=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
