package ffmpeg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Audio is one audio stream, or a part of it, copied or encoded into a piece.
type Audio struct {
	Input  Input
	Stream int // index of the stream in the input

	Codec string // "copy", "aac" or "opus"
	// SourceCodec is the stream's own codec. A copy of "aac" loses the ADTS headers that it has in MPEG-TS; packets
	// without them pass unchanged.
	SourceCodec string
	Bitrate     int // bits a second; 0 = the encoder's default
	Channels    int // 0 = the source's
	SampleRate  int // Hz; 0 = the source's, or 48000 for Opus, which has no other

	// Seek is where reading starts, in microseconds of the source; nil = its start. Set it at least a second before
	// Start: a decoder needs some packets before its samples are right, and what comes before Start is dropped.
	Seek *int64
	// Start and End choose the samples Start ≤ n < End, counted at the output's sample rate (which must then be given)
	// from the source's time 0; nil = open. Not for "copy".
	Start, End *int64
	// First is the sample of the source, counted at the source's own rate from its time 0, with which resampling
	// begins; nil = the first one read. A resampler puts its first output on its first input, so a part's samples are
	// those of one pass only where First lies a whole number of the resampler's periods after the track's first sample.
	First *int64
	// Grid is where the track's first sample lies, counted as First is, in a source whose packets all hold equally many
	// samples but whose clock is coarser than a sample (Matroska's milliseconds). The first frame after a seek is then
	// put where counting from the track's beginning puts it, unless it is further from there than the clock's rounding
	// explains: the source has left out samples. nil = the clock is exact.
	Grid *int64
	// PCM asks for the samples themselves, too: from and to as Start and End.
	PCM *PCMRange

	Threads int    // less than 1 counts as 1
	Muxer   string // "mp4" (fragmented, Offset seconds late) or "matroska"
	Path    string // of the piece
}

// PCMRange has ffmpeg write samples Start ≤ n < End to descriptor 3 (RunOptions.Pipe): little-endian 16 bits, Channels of
// each sample side by side.
type PCMRange struct {
	Start, End int64
	Channels   int
}

// audioFragment is how long a fragment of a sound piece is, in microseconds: long enough that boxes do not count
// beside the media, short enough that the muxer holds little.
const audioFragment = 5_000_000

// AudioEncoder is ffmpeg's encoder for "aac" or "opus"; ok is false for anything else, "copy" too.
func AudioEncoder(codec string) (name string, ok bool) {
	name, ok = map[string]string{"aac": "aac", "opus": "libopus"}[codec]
	return name, ok
}

// AudioArgs are the arguments of ffmpeg that make a. The piece's timestamps are the source's plus Offset seconds, so
// that the priming packet of AAC, which lies before time 0, is kept. Standard output gets the progress.
func AudioArgs(a Audio) []string {
	threads := strconv.Itoa(max(a.Threads, 1))
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats",
	}
	args = append(args, a.Input.clock()...)
	if a.Seek != nil && *a.Seek > 0 {
		args = append(args, "-noaccurate_seek", "-seek_timestamp", "1", "-ss", seconds(*a.Seek+int64(a.Input.TimestampOffset)*1_000_000))
	}
	args = append(append(args, bounds()...), "-threads", threads)
	args = append(args, a.Input.options()...)
	args = append(args, "-i", a.Input.url(), "-map", fmt.Sprintf("0:%d", a.Stream),
		"-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn")
	args = append(args, a.codecOptions()...)
	args = append(args, "-fflags", "+bitexact", "-flags:a", "+bitexact", "-avoid_negative_ts", "disabled",
		"-output_ts_offset", a.offset())
	if a.Muxer == "mp4" {
		// delay_moov: the muxer takes the description of AC-3 and its like from the first packets.
		args = append(args, "-use_editlist", "0", "-movflags", "delay_moov+default_base_moof+frag_discont",
			"-frag_duration", strconv.Itoa(audioFragment))
	}
	args = append(args, "-f", word(a.Muxer), fileURL(a.Path))
	if l := a.PCM; l != nil {
		args = append(args, "-map", fmt.Sprintf("0:%d", a.Stream), "-map_metadata", "-1", "-map_chapters", "-1",
			"-af", a.filters(a.rate(), &l.Start, &l.End), "-c:a", "pcm_s16le", "-ac", strconv.Itoa(l.Channels), "-f", "s16le", "pipe:3")
	}
	return append(args, a.Input.beside()...)
}

// offset is what makes times lie Offset seconds after the source's; filters put back what reading took off.
func (a Audio) offset() string {
	if a.Codec == "copy" {
		return a.Input.offset()
	}
	return strconv.Itoa(Offset)
}

// rate is the sample rate that is asked for; 0 = the source's.
func (a Audio) rate() int {
	if a.SampleRate == 0 && a.Codec == "opus" {
		return 48000
	}
	return a.SampleRate
}

func (a Audio) codecOptions() []string {
	if a.Codec == "copy" {
		// FLAC in MP4 is a standard by now; ffmpeg before 6.0 still calls it experimental.
		args := []string{"-c:a", "copy", "-copytb", "1", "-strict", "experimental"}
		if a.SourceCodec == "aac" {
			args = append(args, "-bsf:a", "aac_adtstoasc")
		}
		return args
	}
	encoder, ok := AudioEncoder(a.Codec)
	if !ok {
		encoder = word(a.Codec) // ffmpeg will say that it does not know it
	}
	args := []string{"-af", a.filters(a.rate(), a.Start, a.End), "-c:a", encoder}
	if a.Bitrate > 0 {
		args = append(args, "-b:a", strconv.Itoa(a.Bitrate))
	}
	if a.Channels > 0 {
		args = append(args, "-ac", strconv.Itoa(a.Channels))
	}
	return args
}

// encoderLayouts are the channel layouts of each codec's own configurations (ISO/IEC 14496-3, table 1.19; RFC 7845,
// 5.1.1.2). Others, such as AC-3's 5.1(side), become the nearest: libopus refuses them, and AAC would have to describe
// them in a way that many players ignore.
var encoderLayouts = map[string]string{
	"aac":  "mono|stereo|3.0|4.0|5.0|5.1|7.1(wide)",
	"opus": "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1",
}

// gridSlack is by how many seconds a timestamp may be off its place: a Matroska tick is a millisecond, rounded once by
// the muxer and once more where a delay is taken off.
const gridSlack = 0.0015

// maxDrift is by how many seconds sound may lie beside its time before silence or a cut brings it back: what a picture may be
// off unnoticed, and more than what timestamps in whole milliseconds jitter. aresample's own is 0.1, so that each codec
// frame a broadcast loses would move all that follows by up to 0.032 s.
const maxDrift = 0.005

// filters resample, fill what the source leaves out with silence (and cut what it says twice), so that sample n of the
// output is at time n of the source, and choose the samples from start to end.
func (a Audio) filters(rate int, start, end *int64) string {
	var chain []string
	if j := a.Input.Jumps; j != nil {
		chain = append(chain, fmt.Sprintf("asetpts=PTS+round(%d/1000000/TB)", j.Start))
	}
	if a.Grid != nil {
		chain = append(chain, fmt.Sprintf(
			`asetpts=st(0\,%d+NB_SAMPLES*round((PTS-%[1]d)/NB_SAMPLES))+if(lte(abs(PTS-ld(0))\,%g*SAMPLE_RATE)\,0\,PTS-ld(0))`, *a.Grid, gridSlack))
	}
	if a.First != nil {
		chain = append(chain, fmt.Sprintf("atrim=start_pts=%d", *a.First))
	}
	resample := "aresample="
	if rate > 0 {
		resample += strconv.Itoa(rate) + ":"
	}
	chain = append(chain, resample+fmt.Sprintf("async=1:min_hard_comp=%g", maxDrift))
	if layouts := encoderLayouts[a.Codec]; layouts != "" {
		chain = append(chain, "aformat=channel_layouts="+layouts)
	}
	if start != nil || end != nil {
		var bounds []string
		if start != nil {
			bounds = append(bounds, fmt.Sprintf("start_pts=%d", *start))
		}
		if end != nil {
			bounds = append(bounds, fmt.Sprintf("end_pts=%d", *end))
		}
		chain = append(chain, "atrim="+strings.Join(bounds, ":"))
	}
	return strings.Join(chain, ",")
}

// copyable lists what each container holds by its own specification and ffmpeg 5.1 writes. MP4: the registration
// authority's object types and sample entries (mp4ra.org), as codec_mp4_tags of libavformat/movenc.c has them. MKV: the
// codec mappings of the Matroska specification (the companion of RFC 9559). WebM: the container guidelines of
// webmproject.org.
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

// packaged is the sound that CMAF (ISO/IEC 23000-19) and Apple's "HLS Authoring Specification" both know, and text.
var packaged = []string{"aac", "ac3", "eac3", "opus", "flac", "webvtt"}

// CopyableTo says whether a stream of the codec (ffmpeg's name) may go unchanged into a container: "mp4", "mkv" or "webm".
func CopyableTo(codec, container string) bool { return slices.Contains(copyable[container], codec) }
