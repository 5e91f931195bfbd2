// Package encode builds the arguments of ffmpeg that encode a segment of a video track, in one or
// more renditions, or a part of an audio track.
//
// VideoArgs and AudioArgs are pure: the same description gives the same arguments and, with fixed
// threads, the same bytes. The files that they write are fragmented MP4 with timestamps
// ffmpeg.Offset seconds after the source's.
package encode

import (
	"fmt"
	"strconv"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// seekMargin is what ffmpeg subtracts from -ss before it seeks in a file with B-frames whose
// demuxer seeks by decode time: 3/23 s (dts_heuristic of open_input_file in fftools, 5.1 to 8.0).
// In microseconds, rounded up.
const seekMargin = 130_435

// Video is one decode of a segment of a video stream, encoded to one or more renditions.
type Video struct {
	Input    ffmpeg.Input
	Stream   int            // index of the stream in the input
	Timebase media.Rational // of the stream; the chunks keep it
	// Clock places the stream in a film that is joined from several sources. All times are then those of the film, in ticks of
	// Timebase; nil = the stream's own.
	Clock *Clock
	// Size and PixelFormat are those of the source's first frame. Frames of another size or format,
	// as in a recording whose camera changes, are converted to them, as a single pass would. A zero
	// Size makes ffmpeg build its filters anew at each change, which repeats what the filters add
	// to a segment. It is for frames that ffmpeg turns by default: those are turned before they
	// could be scaled.
	Size        media.Size
	PixelFormat string

	// Seek is the tick of the keyframe at which decoding starts, at or before Start; nil = the
	// start of the input.
	Seek *int64
	// NextKeyframe is the tick of the keyframe after Seek, if the index has it. With it, decoding
	// of a Matroska file with B-frames starts at Seek; without it, up to one keyframe earlier.
	NextKeyframe *int64
	Start, End   *int64 // the frames to encode: Start ≤ pts < End; nil = open
	// Begins and Ends declare that a single-pass encode begins with the frame at Start and ends before End.
	Begins, Ends bool
	// ContextFrames lets x264 and x265 spend on the ends of the segment what a single-pass encode
	// would. The chunk and the frame log then contain frames outside the segment (boundary.go),
	// which their readers must skip.
	ContextFrames bool
	// MidScene declares that a single-pass encode has no keyframe at Start.
	MidScene bool
	// Frames is the number of frames in the segment, or slightly more; 0 = unknown. If the segment
	// has more, x264 encodes the last of them badly, and the encode must be repeated with the right
	// number.
	Frames int
	// Rotation is by how many degrees clockwise interlaced frames are turned: 90, 180 or 270. 0 =
	// as ffmpeg does by default.
	Rotation int
	// X264Build is the build of x264 that wrote the source's H.264, 0 = unknown. The decoder needs it
	// for some old ones, and finds it in the source's first packet only.
	X264Build int
	// Unordered declares that the decoder may give a frame a time that is not after the frame before, as
	// where it has to guess times. Such a frame is shown a tick after the one before.
	Unordered bool
	// Keyframes decodes keyframes alone, of which there are only pictures, without deinterlacing, and has the frame log list no others. Skip has the decoder skip the others, too.
	Keyframes, Skip bool
	// Packets is the path of a list of the source's packets from Seek to End, a PacketLog, "" = none:
	// a count of frames that does not depend on the decoder.
	Packets string

	// OneDecoder decodes with one thread. What several show of a damaged frame depends on which is ahead.
	OneDecoder bool
	// FromOriginals encodes the frames that an encode of the same segment has kept, of each rendition its Originals. The source is not read.
	FromOriginals bool
	Threads       int // of the decoder, the filters and each encoder; less than 1 counts as 1. The output depends on it
	Renditions    []Rendition
	Pictures      []Pictures
}

// Clock says how the times of a stream become those of a film.
type Clock struct {
	Timebase media.Rational // of the stream
	Shift    int64          // is added, in ticks of the film
}

// filters returns the filters that give frames the times of the film.
func (c *Clock) filters(film media.Rational) []string {
	if c == nil {
		return nil
	}
	return []string{"settb=" + film.String(), fmt.Sprintf("setpts=PTS+(%d)", c.Shift)}
}

// ownMicros returns a time of v in microseconds of the stream's own clock, rounded up.
func (v Video) ownMicros(t int64) (us int64, ok bool) {
	if v.Clock != nil {
		t -= v.Clock.Shift
	}
	return v.Timebase.CeilMicroseconds(media.Ticks(t))
}

// ownTimebase returns the timebase of the stream itself.
func (v Video) ownTimebase() media.Rational {
	if v.Clock != nil {
		return v.Clock.Timebase
	}
	return v.Timebase
}

// Rendition is one encoded form of the video.
type Rendition struct {
	Codec string  // "h264", "h265", "vp9" or "av1"
	GPU   bool    // encode with NVENC; not VP9
	CRF   float64 // constant quality on the encoder's own scale (NVENC: -cq); only x264 and x265 take fractions
	Tune  string  // of x264 and x265: what to favour; "" = nothing
	// Filter is applied to each frame by itself, after it is cropped and before it is scaled. Nothing is if package filter does not allow
	// all of it.
	Filter string
	HD     bool // whether undeclared colours are those of HD, for Filter and Overlay
	// Overlay lies over each frame after it is scaled, and below no bars.
	Overlay ffmpeg.Overlay
	Burn    ffmpeg.Burn // subtitles that are drawn over that
	// Options are "key=value:key=value", of which nothing is used if package encoderoption does not allow all of them.
	Options string
	Profile string // "high": x264's and x265's own name, and NVENC's; "" = what the encoder uses
	Level   string // of H.264: "4.1"; "" = the lowest that holds the video
	Grain   int    // film grain of AV1, up to 50; 0 = none
	Preset  string // the encoder's own name: "medium" (x264, x265), "p5" (NVENC), "8" (SVT-AV1), "2" (VP9's cpu-used)

	// Width and Height of the result. Both 0 = the source's, made even if the pixel format needs
	// it. One 0 = the even size that keeps the aspect ratio.
	Width, Height int
	Region        ffmpeg.Region // the part of the source's frame to keep, before anything else; zero = all
	Crop          media.Size    // the upper left part of that to keep, before scaling; zero = all
	Frame         media.Size    // of the encoded frame, with black bars around the picture; zero = the picture's
	PixelFormat   string        // "yuv420p"; "" = the source's, if the encoder accepts it

	// Stitchable keeps what x264 writes ahead of the frames the same at any CRF: a rendition of a package declares it once.
	Stitchable bool
	// MaxBitrate limits the rate of CRF: bits a second, over the decoder's buffer of two seconds; 0
	// = no limit.
	MaxBitrate int
	// Keyframes are times of the source in microseconds, ascending. The first frame at or after
	// each becomes a keyframe of a closed GOP.
	Keyframes []int64
	// KeyframeDistance is the number of frames from one keyframe to the next for SVT-AV1, which
	// cannot be told where to put them. 0 = as many keyframes as a single-pass encode has.
	KeyframeDistance int
	// Only thins the video out to the segment's first frame and those of these points, and makes all of
	// them keyframes (with SVT-AV1 every second one); nil = all frames.
	Only *Points

	// Deinterlace converts fields to frames, only in frames that are marked as interlaced. The
	// frame rate stays.
	Deinterlace bool
	Interlaced  string         // encode as fields; the first one is "tff" or "bff"; H.264 on the CPU only
	FromRGB     bool           // the source's samples are RGB; they become BT.709
	ToneMap     *ToneMap       // convert HDR for a BT.709 display; nil = keep it
	Grid        *Grid          // convert to a constant frame rate; nil = each frame keeps its time
	FrameRate   media.Rational // of the whole source, from the plan, so that every segment gets the same headers
	Before      int64          // about how many frames of the source precede the segment; not negative
	SAR         media.Rational // sample aspect ratio to declare; unknown = as the filters leave it
	Color       media.Color
	From        *Colours // of the source's frames, where they are converted to Color; nil = they have it
	HDR         media.HDR

	Path string // of the chunk: a fragmented MP4
	// Originals keeps what the encoder gets.
	Originals Originals
	// Decoded is the name, in the working folder, of a file that gets the raw frames as a decoder would show them; "" = none. Only x264 can. The
	// name has small letters, digits, "-" and "_".
	Decoded string
}

// Colours are those of frames before they are scaled. HD tells what undeclared ones are.
type Colours struct {
	Color media.Color
	HD    bool
}

// Grid is a constant frame rate. Its frame k is due k frame durations after the source tick Origin,
// and shows the source frame nearest to that moment, as ffmpeg's filter fps defines it. The chunk
// has the frames First ≤ k < End, each k × Rate.Den ÷ Rate.Num seconds after 0, which is
// ffmpeg.Offset.
type Grid struct {
	Rate   media.Rational // frames a second
	Origin int64          // tick of the source; decoding must begin at or before the frame that First shows
	First  int64
	End    *int64 // nil = all
	Scale  int64  // the chunk's timescale, a multiple of Rate.Num
}

// Points are times at equal distances. Point n lies Start + n × Step ticks of the source into it, rounded
// to the nearest tick, and stands for the first frame at or after it.
type Points struct {
	Start       int64
	Step        media.Rational // ticks
	First, Last int64          // the numbers of the points that count; none if Last < First
}

// filter returns the filter that keeps the first frame, and each frame that is the first at or after one
// of the points. Its numbers are exact in ffmpeg's floating point as long as ticks × Step.Den is less
// than 2^53.
func (p Points) filter() string {
	reached := func(pts string) string { // the number of the last point at or before a frame
		return fmt.Sprintf("clip(ceil((max(%s-(%d),0)+0.5)*%d/%d)-1,%d,%d)", pts, p.Start, p.Step.Den, p.Step.Num, p.First-1, p.Last)
	}
	if p.Last < p.First {
		return "select='isnan(prev_selected_pts)'"
	}
	return fmt.Sprintf("select='isnan(prev_selected_pts)+gt(%s,%s)'", reached("pts"), reached("prev_selected_pts"))
}

// ToneMap describes the light of an HDR source.
type ToneMap struct {
	From media.Color // of the source; undeclared fields default to BT.2020 with PQ
	Peak int64       // the brightest light, in cd/m²
}

// VideoArgs returns the arguments of ffmpeg that encode v. Descriptor 3 carries the frame log
// (ffmpeg.FrameLog), standard output the progress (RunOptions.OnProgress). The same arguments give
// the same bytes on any number of cores.
func VideoArgs(v Video) []string {
	args := v.inputArgs()
	switch {
	case v.FromOriginals:
		args = append(v.originalInputs(), "-filter_complex", v.originalFilters())
	case !v.Keyframes:
		args = append(args, "-filter_complex", v.filters())
	}
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
		args = append(args, r.encoderOptions(max(v.Threads, 1), v.padding(r))...)
		args = append(args, v.keyframes(r)...)
		args = append(args, "-fflags", "+bitexact", "-flags:v", flags,
			"-video_track_timescale", strconv.FormatInt(scale, 10), "-avoid_negative_ts", "disabled",
			"-output_ts_offset", strconv.Itoa(ffmpeg.Offset), "-use_editlist", "0",
			"-movflags", "empty_moov+default_base_moof+frag_discont+frag_keyframe", "-f", "mp4", option.FileURL(r.Path))
	}
	args = append(args, v.keepOriginals()...)
	for i, p := range v.Pictures {
		if v.Keyframes { // the input of a complex graph would give all packets, whatever -discard says
			args = append(args, "-map", fmt.Sprintf("0:%d", v.Stream), "-vf", v.keyframeFilters(i))
		} else {
			args = append(args, "-map", "["+pictureLabel(i)+"]")
		}
		args = append(args, p.options()...)
	}
	return append(args, v.packetOutput()...)
}

// inputArgs returns the arguments that open v's input and decode it from Seek.
func (v Video) inputArgs() []string {
	threads := strconv.Itoa(max(v.Threads, 1))
	filterThreads := threads
	if len(v.Renditions) == 0 { // pictures are few, and dividing them costs more than it saves
		filterThreads = "1"
	}
	args := append(option.Progress(), "-copyts", "-filter_complex_threads", filterThreads)
	if at, ok := v.seek(); ok {
		// Accurate seeking would drop frames by seconds; trim must select them by ticks.
		args = append(args, "-noaccurate_seek", "-seek_timestamp", "1", "-ss", option.Seconds(at))
	}
	args = append(args, ffmpeg.DecodingLimits(v.Size)...)
	if v.OneDecoder {
		threads = "1"
	}
	args = append(args, "-threads", threads)
	if v.X264Build > 0 {
		args = append(args, "-x264_build", strconv.Itoa(v.X264Build))
	}
	if v.Rotation != 0 {
		args = append(args, "-noautorotate")
	}
	if v.Size != (media.Size{}) {
		args = append(args, "-reinit_filter", "0")
	}
	if v.Keyframes {
		// The demuxer of MP4 gives no other packets to the decoder. A filter leaves out what other demuxers give.
		args = append(args, "-discard:v", "nokey")
	}
	if v.Skip {
		args = append(args, "-skip_frame:v", "nokey")
	}
	args = append(args, v.Input.Options()...)
	args = append(args, "-i", v.Input.URL())
	for _, o := range v.overlays() {
		args = append(args, o.InputArgs()...)
	}
	return args
}

// seek returns the argument of -ss in microseconds. It reaches the keyframe at v.Seek or one before
// it, never a later one, in any stream whose keyframes are more than 2 µs apart.
func (v Video) seek() (us int64, ok bool) {
	if v.Seek == nil {
		return 0, false
	}
	at, ok := v.ownMicros(*v.Seek)
	if !ok || at <= 0 {
		return 0, false // such a seek would end at the start of the input
	}
	offset := int64(v.Input.TimestampOffset) * 1_000_000 // seeking counts in the input's own time
	defer func() { us += offset }()
	switch v.Input.Demuxer {
	case "mov", "nut": // these seek by presentation time (AVFMT_SEEK_TO_PTS); nothing is subtracted
		return at, true
	}
	if v.NextKeyframe == nil {
		return at, true
	}
	// Whether ffmpeg subtracts seekMargin depends on what it finds in the streams. Both cases must
	// reach the same keyframe. ffmpeg rounds to the nearest tick, so half a tick is left as a
	// reserve.
	next, ok := v.ownMicros(*v.NextKeyframe)
	tick, ok2 := v.ownTimebase().CeilMicroseconds(1)
	if ok && ok2 && next-at > seekMargin+tick/2+2 {
		return at + seekMargin, true
	}
	return at, true
}
