package ffmpeg

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// Offset is how many seconds the timeline of encoded pieces lies after the source's: a frame at source tick p of a
// timebase num/den has the composition time p × num + Offset × den in the piece, whose timescale is den. It keeps
// decode times that lie before the first frame (B-frames, AAC priming) from being negative.
const Offset = 10

// frameMark is the line that the frame log holds after each frame: the metadata filter prints only frames that have
// an entry, so each gets this one.
const frameMark = "mapreel=1"

// seekLead is what ffmpeg subtracts from -ss before it seeks, in a file with B-frames whose demuxer seeks by decode
// time: 3/23 s (dts_heuristic of open_input_file in fftools, 5.1 to 8.0). In microseconds, rounded up.
const seekLead = 130_435

// Video is one decode of a part of a video stream, encoded to one or more renditions.
type Video struct {
	Input    Input
	Stream   int            // index of the stream in the input
	Timebase media.Rational // of the stream; the pieces keep it

	// Seek is the tick of the keyframe where decoding starts; nil = the start of the input. Start or before it.
	Seek *int64
	// NextKeyframe is the tick of the keyframe after Seek, where the index knows it. With it, a Matroska file with
	// B-frames is entered at Seek; without it, one keyframe earlier at worst.
	NextKeyframe *int64
	Start, End   *int64 // the frames to take: Start ≤ pts < End; nil = open
	// ContextFrames lets x264 and x265 spend at the ends of the segment what one pass would. The piece then holds frames that lie
	// outside of it (seam.go), and so does the frame log: whoever reads them leaves those out.
	ContextFrames bool
	// MidScene says that one pass has no keyframe at Start.
	MidScene bool
	// Frames is how many lie in the segment, or a few more; 0 = unknown. Should there be more than this, then x264 has
	// encoded the last of them badly, and the encode must be repeated with the right number.
	Frames int
	// Rotation is how many degrees clockwise an interlaced picture is turned: 90, 180 or 270. 0 = as ffmpeg does by itself.
	Rotation int

	Threads    int // of decoder, filters and each encoder; less than 1 counts as 1. The output depends on it
	Renditions []Rendition
}

// Rendition is one encoded form of the video.
type Rendition struct {
	Codec  string // "h264", "h265", "vp9" or "av1"
	GPU    bool   // encode with NVENC; not VP9
	CRF    int    // constant quality on the encoder's own scale (NVENC: -cq)
	Preset string // the encoder's own word: "medium" (x264, x265), "p5" (NVENC), "8" (SVT-AV1), "2" (VP9's cpu-used)

	// Width and Height of the result; both 0 = the source's, made even where the pixel format needs it; one 0 = what
	// keeps the shape, even.
	Width, Height int
	Crop          media.Size // what is kept of the picture before, from its upper left; zero = all
	Frame         media.Size // of what is encoded, with black around the picture; zero = the picture's
	PixelFormat   string     // "yuv420p"; "" = the source's, if the encoder takes it

	// MaxBitrate bounds what CRF may take: bits a second, over the two seconds of the decoder's buffer; 0 = no bound.
	MaxBitrate int
	// Keyframes are times of the source in microseconds, ascending: the first frame at or after each becomes a keyframe
	// that closes its group of pictures.
	Keyframes []int64

	// Deinterlace turns fields into frames, in those frames alone that are marked as interlaced. The frame rate stays.
	Deinterlace bool
	Interlaced  string         // encode as fields: which is shown first, "tff" or "bff"; H.264 on the CPU only
	FromRGB     bool           // the source's samples are red, green and blue; they become BT.709
	ToneMap     *ToneMap       // make HDR fit a BT.709 display; nil = keep it
	Grid        *Grid          // make the frame rate constant; nil = each frame keeps its time
	FrameRate   media.Rational // of the whole source, from the plan, so that every segment gets the same headers
	Before      int64          // how many frames of the picture come before the segment, about; not negative
	SAR         media.Rational // sample aspect ratio to declare; unknown = as it comes out
	Color       media.Color
	HDR         media.HDR

	Path string // of the piece: a fragmented MP4
}

// Size is a width and a height in pixels.
// Grid is a constant frame rate. Frame k of it is shown k frames after the source tick Origin, and shows what is nearest
// to that moment in the way of ffmpeg's filter fps. The piece holds the frames First ≤ k < End, each k Rate.Den ÷ Rate.Num
// seconds after 0, which is Offset.
type Grid struct {
	Rate   media.Rational // frames a second
	Origin int64          // tick of the source; decoding must begin at or before the frame shown by First
	First  int64
	End    *int64 // nil = all
	Scale  int64  // the piece's timescale, a multiple of Rate.Num
}

// ToneMap says what light the source means.
type ToneMap struct {
	From media.Color // of the source; what it does not say is taken to be BT.2020 with PQ
	Peak int64       // the brightest light, in cd/m²
}

// Encoder is ffmpeg's encoder for a codec of Rendition; ok is false where there is none.
func Encoder(codec string, gpu bool) (name string, ok bool) {
	if gpu {
		name, ok = map[string]string{"h264": "h264_nvenc", "h265": "hevc_nvenc", "av1": "av1_nvenc"}[codec]
		return name, ok
	}
	name, ok = map[string]string{"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}[codec]
	return name, ok
}

// VideoArgs are the arguments of ffmpeg that encode v. Descriptor 3 gets the frame log (RunOptions.Pipe), standard
// output the progress (RunOptions.OnProgress). The same arguments give the same bytes on any number of cores.
func VideoArgs(v Video) []string {
	threads := strconv.Itoa(max(v.Threads, 1))
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats",
		"-copyts", "-filter_complex_threads", threads,
	}
	if at, ok := v.seek(); ok {
		// Accurate seeking would drop by seconds what trim must choose by ticks.
		args = append(args, "-noaccurate_seek", "-seek_timestamp", "1", "-ss", seconds(at))
	}
	args = append(append(args, bounds()...), "-threads", threads)
	if v.Rotation != 0 {
		args = append(args, "-noautorotate")
	}
	args = append(args, v.Input.options()...)
	args = append(args, "-i", v.Input.url(), "-filter_complex", v.filters())
	for i, r := range v.Renditions {
		timebase, scale, flags := v.Timebase, v.Timebase.Den, "+bitexact"
		if r.Grid != nil {
			timebase, scale = media.Rational{Num: r.Grid.Rate.Den, Den: r.Grid.Rate.Num}, r.Grid.Scale
		}
		if r.Interlaced != "" {
			flags += "+ildct+ilme"
		}
		args = append(args, "-map", fmt.Sprintf("[v%d]", i), "-map_metadata", "-1", "-map_chapters", "-1",
			"-fps_mode", "passthrough", "-enc_time_base", fmt.Sprintf("%d:%d", timebase.Num, timebase.Den))
		args = append(args, r.encoderOptions(max(v.Threads, 1), v.seam(r))...)
		args = append(args, v.keyframes(r)...)
		args = append(args, "-fflags", "+bitexact", "-flags:v", flags,
			"-video_track_timescale", strconv.FormatInt(scale, 10), "-avoid_negative_ts", "disabled",
			"-output_ts_offset", strconv.Itoa(Offset), "-use_editlist", "0",
			"-movflags", "empty_moov+default_base_moof+frag_discont+frag_keyframe", "-f", "mp4", fileURL(r.Path))
	}
	return args
}

// seek is the argument of -ss in microseconds: it lands on the keyframe at v.Seek or before it, never after, in any
// stream whose keyframes are more than 2 µs apart.
func (v Video) seek() (us int64, ok bool) {
	if v.Seek == nil {
		return 0, false
	}
	at, ok := v.Timebase.CeilMicroseconds(media.Ticks(*v.Seek))
	if !ok || at <= 0 {
		return 0, false // the start of the input is where such a seek would end
	}
	late := int64(v.Input.TimestampOffset) * 1_000_000 // seeking counts in the input's own time
	defer func() { us += late }()
	switch v.Input.Demuxer {
	case "mov", "nut": // these seek by presentation time (AVFMT_SEEK_TO_PTS); nothing is subtracted
		return at, true
	}
	if v.NextKeyframe == nil {
		return at, true
	}
	// Whether ffmpeg subtracts depends on what it finds in the streams. Both answers must land on the same keyframe.
	// ffmpeg rounds to the nearest tick, so half a tick is kept free.
	next, ok := v.Timebase.CeilMicroseconds(media.Ticks(*v.NextKeyframe))
	tick, ok2 := v.Timebase.CeilMicroseconds(1)
	if ok && ok2 && next-at > seekLead+tick/2+2 {
		return at + seekLead, true
	}
	return at, true
}

// filters is the graph: choose the frames by their ticks, log them, then shape them for each rendition. A rendition that
// looks at neighbours gets the frames around the part too, so the choice is then its own, and the log holds all.
func (v Video) filters() string {
	deinterlaced, alone := 0, false
	for _, r := range v.Renditions {
		if r.Deinterlace {
			deinterlaced++
		}
		alone = alone || r.Grid != nil
	}
	together := deinterlaced == len(v.Renditions)
	alone = alone || deinterlaced > 0 && !together
	var shared []string
	if v.Rotation != 0 {
		// Fields are rows: they are made whole before the picture is turned.
		shared = append(shared, v.deinterlacer())
		shared = append(shared, map[int]string{90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}[v.Rotation])
	} else if together {
		shared = append(shared, v.deinterlacer())
	}
	if !alone {
		shared = append(shared, trim(v.Start, v.through())...)
	}
	key, value, _ := strings.Cut(frameMark, "=")
	// Only our key is printed: decoders give frames entries of their own (timecode). An option is unescaped twice,
	// hence the two backslashes.
	shared = append(shared, "metadata=mode=add:key="+key+":value="+value, "metadata=mode=print:key="+key+`:file=pipe\\:3`)

	branch := func(r Rendition) string {
		var chain []string
		if r.Deinterlace && !together && v.Rotation == 0 {
			chain = append(chain, v.deinterlacer())
		}
		switch {
		case r.Grid != nil:
			chain = append(chain, r.Grid.filters(v.ends(r)))
		case alone:
			chain = append(chain, trim(v.Start, v.ends(r))...)
		case v.End != nil && *v.ends(r) < *v.through(): // another wants to see more
			chain = append(chain, trim(nil, v.ends(r))...)
		}
		return strings.Join(append(chain, r.filters()), ",")
	}
	graph := fmt.Sprintf("[0:%d]%s", v.Stream, strings.Join(shared, ","))
	if len(v.Renditions) == 1 {
		return graph + "," + branch(v.Renditions[0]) + v.precede(0) + "[v0]"
	}
	graph += ",split=" + strconv.Itoa(len(v.Renditions))
	var branches strings.Builder
	for i, r := range v.Renditions {
		graph += fmt.Sprintf("[s%d]", i)
		fmt.Fprintf(&branches, ";[s%d]%s%s[v%d]", i, branch(r), v.precede(i), i)
	}
	return graph + branches.String()
}

// deinterlacer looks at the frames beside each one, so it stands before trim; it halves the timebase, so that is put back.
func (v Video) deinterlacer() string {
	return fmt.Sprintf("bwdif=mode=send_frame:deint=interlaced,settb=%s", v.Timebase)
}

// trim takes the frames of a part; nil is open.
func trim(start, end *int64) []string {
	var bounds []string
	if start != nil {
		bounds = append(bounds, fmt.Sprintf("start_pts=%d", *start))
	}
	if end != nil {
		bounds = append(bounds, fmt.Sprintf("end_pts=%d", *end))
	}
	if bounds == nil {
		return nil
	}
	return []string{"trim=" + strings.Join(bounds, ":")}
}

// filters turn the source's frames into those of the grid. Told where to begin, fps gives every frame from there on, also
// where the source's first comes later. Where the source breaks off before end, its last frame stands until then.
func (g Grid) filters(end *int64) string {
	rate := fmt.Sprintf("setpts=PTS-(%d),fps=fps=%s:start_time=0:round=near", g.Origin, g.Rate)
	if end == nil {
		return fmt.Sprintf("%s,trim=start_pts=%d", rate, g.First)
	}
	return fmt.Sprintf("%s,tpad=stop=-1:stop_mode=clone,trim=start_pts=%d:end_pts=%d", rate, g.First, *end)
}

// filters shape the chosen frames for one rendition.
func (r Rendition) filters() string {
	var chain []string
	if r.Crop != (media.Size{}) {
		chain = append(chain, fmt.Sprintf("crop=%d:%d:0:0", r.Crop.Width, r.Crop.Height))
	} else if r.Width == 0 && r.Height == 0 {
		// Chroma is stored for pairs of columns (4:2:0, 4:2:2) and rows (4:2:0); the odd last one has none of its own.
		if crop := evenCrop(r.PixelFormat); crop != "" {
			chain = append(chain, crop)
		}
	}
	if r.ToneMap != nil {
		chain = append(chain, r.ToneMap.filters())
	}
	if r.Width != 0 || r.Height != 0 {
		scale := fmt.Sprintf("scale=%s:%s:flags=bicubic", sizeOption(r.Width), sizeOption(r.Height))
		switch {
		case r.FromRGB:
			scale += ":out_color_matrix=bt709:out_range=tv"
		case declared(r.Color.Range): // or a format that implies a range would change it
			scale += ":in_range=" + r.Color.Range + ":out_range=" + r.Color.Range
		}
		if r.Interlaced != "" {
			scale += ":interl=1"
		}
		chain = append(chain, scale)
	}
	if declared(r.PixelFormat) {
		chain = append(chain, "format="+r.PixelFormat)
	}
	if r.Frame != (media.Size{}) {
		chain = append(chain, fmt.Sprintf("pad=%d:%d:(ow-iw)/2:(oh-ih)/2", r.Frame.Width, r.Frame.Height))
	}
	if r.SAR.Known() {
		chain = append(chain, "setsar="+r.SAR.String())
	}
	var params []string
	if declared(r.Interlaced) {
		params = append(params, "field_mode="+r.Interlaced)
	}
	for _, p := range []struct{ option, value string }{
		{"range", r.Color.Range},
		{"color_primaries", r.Color.Primaries},
		{"color_trc", r.Color.Transfer},
		{"colorspace", r.Color.Space},
	} {
		if declared(p.value) {
			params = append(params, p.option+"="+p.value)
		}
	}
	if len(params) > 0 {
		chain = append(chain, "setparams="+strings.Join(params, ":"))
	}
	if len(chain) == 0 {
		return "null"
	}
	return strings.Join(chain, ",")
}

// referenceWhite is the light of a white sheet of paper in HDR, in cd/m² (ITU-R BT.2408): BT.709's white.
const referenceWhite = 203

// filters make light linear, take primaries to BT.709, and bend what is brighter than white into it: mobius leaves the
// darker part as it is.
func (m ToneMap) filters() string {
	word := func(said, otherwise string) string {
		if declared(said) {
			return said
		}
		return otherwise
	}
	c := m.From
	return fmt.Sprintf("setparams=range=%s:color_primaries=%s:color_trc=%s:colorspace=%s,zscale=t=linear:npl=%d,format=gbrpf32le,zscale=p=bt709,"+
		"tonemap=tonemap=mobius:desat=0:peak=%d.%02d,zscale=t=bt709:m=bt709:r=tv:dither=ordered",
		word(c.Range, "tv"), word(c.Primaries, "bt2020"), word(c.Transfer, "smpte2084"), word(c.Space, "bt2020nc"), referenceWhite,
		m.Peak/referenceWhite, m.Peak%referenceWhite*100/referenceWhite)
}

func sizeOption(size int) string {
	if size == 0 {
		return "-2" // what keeps the shape, rounded to even
	}
	return strconv.Itoa(size)
}

// evenCrop drops the last column or row where it has no partner and the format stores chroma for pairs.
func evenCrop(pixelFormat string) string {
	const even = "trunc(i%s/2)*2"
	switch {
	case strings.Contains(pixelFormat, "420"), strings.HasPrefix(pixelFormat, "p010"), pixelFormat == "nv12", pixelFormat == "":
		return "crop=" + fmt.Sprintf(even, "w") + ":" + fmt.Sprintf(even, "h") + ":0:0"
	case strings.Contains(pixelFormat, "422"):
		return "crop=" + fmt.Sprintf(even, "w") + ":ih:0:0"
	}
	return ""
}

// filterWord matches all of ffmpeg's names for colours, pixel formats and orders of fields. None of its characters means
// anything in a filter graph.
var filterWord = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// declared says whether a word of ffprobe describes something and is safe inside a filter graph. Whatever text a graph
// holds goes through here.
func declared(word string) bool {
	switch word {
	case "unknown", "unspecified", "reserved":
		return false
	}
	return filterWord.MatchString(word)
}

// word is what may stand as the name of a codec or a format. Anything that is no such name becomes "unknown", which ffmpeg
// will say that it does not know.
func word(name string) string {
	if filterWord.MatchString(name) {
		return name
	}
	return "unknown"
}

// encoderOptions are the options of the encoder. Threads are fixed, because x264, x265 and libvpx encode differently
// with another number of them, and ask the machine for one if not told.
func (r Rendition) encoderOptions(threads int, s seam) []string {
	encoder, ok := Encoder(r.Codec, r.GPU)
	if !ok {
		encoder = word(r.Codec) // ffmpeg will say that it does not know it
	}
	n := strconv.Itoa(threads)
	args := []string{"-c:v", encoder}
	if declared(r.Color.ChromaLocation) {
		args = append(args, "-chroma_sample_location", r.Color.ChromaLocation)
	}
	if r.GPU {
		args = append(args, "-preset", r.Preset, "-rc", "vbr", "-cq", strconv.Itoa(r.CRF), "-b:v", "0")
		args = append(args, r.bound()...)
		if r.Codec == "h265" {
			args = append(args, "-tag:v", "hvc1")
		}
		return args
	}
	crf := strconv.Itoa(r.CRF)
	if encoder != "libvpx-vp9" {
		args = append(args, r.bound()...)
	}
	switch encoder {
	case "libx264":
		args = append(args, "-preset", r.Preset, "-crf", crf, "-threads", n)
		// With a thread of its own, the look-ahead sees more or fewer of the last frames as it happens to be scheduled: 2 runs
		// of 60 gave other bytes (x264 164, medium, 2 threads). Without it, 80 runs of the worst case were equal.
		args = append(args, params("-x264-params", "sync-lookahead=0", r.rate("fps"), x264HDR(r.HDR),
			s.zones())...)
	case "libx265":
		args = append(args, "-preset", r.Preset, "-crf", crf, "-tag:v", "hvc1")
		args = append(args, params("-x265-params", append([]string{"log-level=warning", "open-gop=0"},
			append(x265Threads(threads), r.rate("fps"), x265HDR(r.HDR))...)...)...)
	case "libvpx-vp9":
		// A rate beside CRF is what libvpx calls constrained quality: CRF within it.
		args = append(args, "-crf", crf, "-b:v", strconv.Itoa(r.MaxBitrate), "-deadline", "good", "-cpu-used", r.Preset,
			"-row-mt", "1", "-threads", n)
		args = append(args, s.evenKeyframes(r.Before, libvpxInterval)...)
	case "libsvtav1":
		args = append(args, "-preset", r.Preset, "-crf", crf)
		args = append(args, s.evenKeyframes(r.Before, svtKeyframes(r.FrameRate))...)
		fps := ""
		if r.FrameRate.Known() {
			fps = fmt.Sprintf("fps-num=%d:fps-denom=%d", r.FrameRate.Num, r.FrameRate.Den)
		}
		// irefresh-type=2 closes each group of pictures.
		args = append(args, params("-svtav1-params", "irefresh-type=2", "lp="+n, fps, svtav1HDR(r.HDR))...)
	}
	return args
}

// x265Threads fixes how x265 divides its work: left alone, it looks at the machine's cores. Its look-ahead is not cut in
// slices, whose results met in the order of their threads (Multicorewareinc/x265 issue 220).
func x265Threads(threads int) []string {
	frameThreads := 1
	if threads >= 4 {
		frameThreads = 2
	}
	return []string{fmt.Sprintf("pools=%d", threads), fmt.Sprintf("frame-threads=%d", frameThreads), "lookahead-slices=0"}
}

// bound are the options that keep constant quality below a rate: a buffer of two seconds, which every segment starts
// full of room.
func (r Rendition) bound() []string {
	if r.MaxBitrate == 0 {
		return nil
	}
	return []string{"-maxrate", strconv.Itoa(r.MaxBitrate), "-bufsize", strconv.Itoa(2 * r.MaxBitrate)}
}

// rate names the frame rate to an encoder, which would else believe what ffmpeg guesses from the start of a segment.
func (r Rendition) rate(option string) string {
	if !r.FrameRate.Known() {
		return ""
	}
	return option + "=" + r.FrameRate.String()
}

// params joins the parts that are not empty as an encoder's private parameters.
func params(option string, parts ...string) []string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return []string{option, strings.Join(kept, ":")}
}
