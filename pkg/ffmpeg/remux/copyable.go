package remux

import "slices"

// copyable lists the codecs that each container supports by its own specification and that ffmpeg
// 5.1 can write. MP4: the registration authority's object types and sample entries (mp4ra.org), as
// codec_mp4_tags of libavformat/movenc.c has them. MKV: the codec mappings of the Matroska
// specification (the companion of RFC 9559). WebM: the container guidelines of webmproject.org.
var copyable = map[string][]string{
	"mp4": {
		"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video",
		"aac", "ac3", "eac3", "mp3", "opus", "flac", "alac", "dts", "mov_text",
	},
	"mkv": {
		"h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mpeg1video", "theora", "ffv1", "mjpeg",
		"aac", "ac3", "eac3", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "dts", "truehd", "mlp", "tta", "wavpack",
		"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s16be", "pcm_s24be",
		"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle",
	},
	"webm": {"vp8", "vp9", "av1", "opus", "vorbis", "webvtt"},
	"hls":  packaged, "dash": packaged, "cmaf": packaged,
}

// packaged are the audio and subtitle codecs that both CMAF (ISO/IEC 23000-19) and Apple's "HLS
// Authoring Specification" support.
var packaged = []string{"aac", "ac3", "eac3", "opus", "flac", "webvtt"}

// CopyableTo reports whether a stream of the codec (ffmpeg's name) may be copied to a container:
// "mp4", "mkv", "webm", "hls", "dash" or "cmaf".
func CopyableTo(codec, container string) bool { return slices.Contains(copyable[container], codec) }

// textSubtitles are ffmpeg's names of the text subtitle codecs that version 5.1 can decode.
var textSubtitles = []string{
	"subrip", "ass", "webvtt", "mov_text", "text", "microdvd", "subviewer", "subviewer1", "realtext", "sami", "stl", "jacosub",
	"mpl2", "pjs", "vplayer",
}

// IsTextSubtitle reports whether a subtitle codec is text, which can be converted to another text
// codec. Others are images, or cannot be read as text here.
func IsTextSubtitle(codec string) bool { return slices.Contains(textSubtitles, codec) }
