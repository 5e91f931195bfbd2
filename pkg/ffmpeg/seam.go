package ffmpeg

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// A long encode reaches each frame with a past and a future that an encode of one segment lacks (Video.ContextFrames gives it
// some):
//
//   - The past is in the rate control of x264 and x265: the quality of a keyframe follows from that of the predicted
//     frames before it, which does not depend on their pictures. So a segment begins with copies of its first picture.
//   - The future is in the look-ahead of x264: blocks get bits for what later frames take from them, also across a
//     keyframe. So a segment's end is encoded together with the pictures that follow it, as many as the look-ahead holds.
//     x265 looks no further than the next keyframe (measured: the same bytes with what follows and without).
//
// Keyframes are forced where the segment begins and ends. What lies before and after is not part of the piece: see
// isobmff.Chunk.Trim.
//
// libvpx gains nothing from either, and ffmpeg 5.1 cannot force SVT-AV1's keyframes.

// leadFrames is how many copies of its first picture precede a segment. The rate control forgets a twentieth at each
// predicted frame; on real footage 12 frames bring the first second to 0.01 dB of one pass, 6 to 0.06, none to 0.53.
const leadFrames = 12

// seam is what an encode of a segment has beyond the segment.
type seam struct {
	lead, tail int // frames before and after
	frames     int // in the segment; 0 where that is not known
	midScene   bool
}

// seam of the rendition's encoder at the ends of v. The first segment has no past and the last no future.
func (v Video) seam(r Rendition) seam {
	on := v.on(r)
	s := seam{frames: on.Frames, midScene: v.MidScene}
	adapts := !r.GPU && (r.Codec == "h264" || r.Codec == "h265")
	// The copies' way through the filter interleave is counted in microseconds, so ticks must not be finer.
	if !v.ContextFrames || !adapts || on.frameTicks(r) == 0 || on.Timebase.Num > math.MaxInt64/1_000_000 || on.Timebase.Num*1_000_000 < on.Timebase.Den {
		return s
	}
	if us, ok := on.floorMicros(on.Start); ok {
		length, _ := on.Timebase.CeilMicroseconds(media.Ticks(leadFrames * on.frameTicks(r)))
		if us-length > -Offset*1_000_000 { // before that there is no time
			s.lead = leadFrames
		}
	}
	if _, ok := on.floorMicros(on.End); ok {
		s.tail = r.lookAhead()
	}
	return s
}

// on is v on the clock of a rendition: that of its constant frame rate, if it has one.
func (v Video) on(r Rendition) Video {
	if g := r.Grid; g != nil {
		v.Timebase, v.End, v.Frames = media.Rational{Num: g.Rate.Den, Den: g.Rate.Num}, g.End, 0
		if v.Start != nil {
			v.Start = &g.First
		}
		if g.End != nil {
			v.Frames = int(min(max(*g.End-g.First, 0), math.MaxInt32))
		}
	}
	return v
}

// ends is where the rendition's encoder sees no further, on its own clock: End, or later by what it looks ahead.
func (v Video) ends(r Rendition) *int64 {
	tail := int64(v.seam(r).tail)
	on := v.on(r)
	if on.End == nil || *on.End > math.MaxInt64-tail*on.frameTicks(r) {
		return on.End
	}
	return new(*on.End + tail*on.frameTicks(r))
}

// lookAhead is how many frames x264 looks ahead by default (x264_param_default_preset), 0 for encoders that do not look
// beyond a keyframe.
func (r Rendition) lookAhead() int {
	if r.Codec != "h264" {
		return 0
	}
	return map[string]int{
		"veryfast": 10, "faster": 20, "fast": 30, "medium": 40, "slow": 50, "slower": 60, "veryslow": 60, "placebo": 60,
	}[r.Preset]
}

// frameTicks is how long a frame lasts at the source's mean rate, 0 where that is not known.
func (v Video) frameTicks(r Rendition) int64 {
	rate, tb := r.FrameRate, v.Timebase
	if !rate.Known() || !tb.Known() {
		return 0
	}
	ticks := float64(rate.Den) * float64(tb.Den) / (float64(rate.Num) * float64(tb.Num))
	if ticks > math.MaxInt32 {
		return 0
	}
	return max(1, int64(math.Round(ticks)))
}

// floorMicros is a bound of v in microseconds, rounded down, so that ffmpeg's own rounding to ticks ends at it or one
// tick before it.
func (v Video) floorMicros(bound *int64) (us int64, ok bool) {
	if bound == nil {
		return 0, false
	}
	us, ok = v.Timebase.CeilMicroseconds(media.Ticks(-*bound))
	return -us, ok
}

// through is the end of what is decoded where each rendition keeps the source's times: End, or as much later as the
// encoder that looks farthest ahead can see.
func (v Video) through() *int64 {
	if v.End == nil {
		return nil
	}
	end := *v.End
	for _, r := range v.Renditions {
		end = max(end, *v.ends(r))
	}
	return &end
}

// precede puts the copies before the frames of branch i of the graph. They get times of their own, just before Start, so
// that no real frame's time changes.
func (v Video) precede(i int) string {
	r := v.Renditions[i]
	s := v.seam(r)
	if s.lead == 0 {
		return ""
	}
	on := v.on(r)
	return fmt.Sprintf(",split[a%[1]d][b%[1]d];[a%[1]d]trim=end_frame=1,loop=loop=%[2]d:size=1:start=0,"+
		"setpts=%[3]d+N*%[4]d[c%[1]d];[c%[1]d][b%[1]d]interleave,settb=%[5]s",
		i, s.lead-1, *on.Start-int64(s.lead)*on.frameTicks(r), on.frameTicks(r), on.Timebase)
}

// keyframes forces one where the segment begins and one where it ends, and those that the rendition asks for.
func (v Video) keyframes(r Rendition) []string {
	s := v.seam(r)
	on := v.on(r)
	var at []string
	if s.lead > 0 {
		us, _ := on.floorMicros(on.Start)
		at = append(at, seconds(us))
	}
	for _, us := range r.Keyframes {
		at = append(at, seconds(us))
	}
	if s.tail > 0 {
		us, _ := on.floorMicros(on.End)
		at = append(at, seconds(us))
	}
	if len(at) == 0 {
		return nil
	}
	args := []string{"-force_key_frames", strings.Join(at, ",")}
	if encoder, _ := Encoder(r.Codec, r.GPU); encoder != "libvpx-vp9" && encoder != "libsvtav1" {
		args = append(args, "-forced-idr", "1") // else an I frame that frames after it may refer past
	}
	return args
}

// zones are the parts that x264 encodes otherwise. The tail, which nobody will see, as cheaply as possible: the look-ahead
// sees it all the same. And a little worse the copies before a keyframe that one pass does not have, for its quality
// follows from theirs. As good as one pass's keyframes, it was 4 dB better than the frame in its place, for some 12 frames.
// Zones count frames, so the number of the segment's must be known.
func (s seam) zones() string {
	var list []string
	if s.midScene && s.lead > 0 {
		list = append(list, fmt.Sprintf("0,%d,b=0.75", s.lead-1))
	}
	if s.tail > 0 && s.frames > 0 {
		list = append(list, fmt.Sprintf("%d,%d,q=51,subme=0,me=dia,ref=1,trellis=0", s.lead+s.frames, math.MaxInt32))
	}
	if len(list) == 0 {
		return ""
	}
	return "zones=" + strings.Join(list, "/")
}

// Keyframe intervals, in frames, that the encoders keep by default in one pass.
const (
	libvpxInterval = 128
	svtInterval    = 5 // seconds, in mini-GOPs of 32 frames
)

// evenKeyframes spreads the keyframes of an encoder that sets one at each interval, scene cut or not: as many as one
// pass, which has counted before frames, sets in the segment. With the encoder's own interval, the last one would often
// stand just before the segment's end, where the next has its own. They are less than two intervals
// apart.
func (s seam) evenKeyframes(before int64, interval int) []string {
	if s.frames == 0 {
		return nil
	}
	n := int64(interval)
	phase := int((n - before%n) % n) // frames until one pass sets its next
	regular := (max(s.frames-phase, 0) + interval - 1) / interval
	groups := max(1, regular)
	return []string{"-g", strconv.Itoa((s.frames + groups - 1) / groups)}
}

// svtKeyframes is SVT-AV1's own interval at a frame rate.
func svtKeyframes(rate media.Rational) int {
	miniGOPs := 1.0
	if rate.Known() {
		miniGOPs = max(1, math.Round(float64(rate.Num)/float64(rate.Den)/32))
	}
	return svtInterval*32*int(miniGOPs) + 1
}
