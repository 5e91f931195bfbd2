package encode

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encoderoption"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// A single-pass encode reaches each frame with a past and a future that the encode of one segment
// lacks. Video.ContextFrames provides part of both:
//
//   - The past is in the rate control of x264 and x265: a keyframe's quality follows from that of
//     the predicted frames before it, which does not depend on their content. So a segment begins
//     with copies of its first frame.
//   - The future is in the look-ahead of x264: blocks get bits for what later frames predict from
//     them, also across a keyframe. So a segment's end is encoded together with the frames that
//     follow it, as many as the look-ahead holds. x265 looks no further than the next keyframe
//     (measured: the same bytes with and without following frames).
//
// Keyframes are forced where the segment begins and ends. The frames before and after it are not
// part of the segment: readers of the chunk remove them (isobmff.Chunk.Trim).
//
// libvpx gains nothing from either, and ffmpeg 5.1 cannot force SVT-AV1's keyframes.

// leadFrames is how many copies of its first frame precede a segment. The rate control forgets a
// twentieth at each predicted frame. On real footage, 12 frames bring the first second within 0.01
// dB of a single-pass encode, 6 within 0.06, none within 0.53.
const leadFrames = 12

// padding is the number of frames that are encoded in addition to those of the segment.
type padding struct {
	lead, tail int // frames before and after
	frames     int // in the segment; 0 = unknown
	midScene   bool
}

// padding returns how rendition r pads v. The first segment has no past and the last one no future, and
// a rendition of keyframes alone needs neither.
func (v Video) padding(r Rendition) padding {
	on := v.onClockOf(r)
	p := padding{frames: on.Frames, midScene: v.MidScene}
	supported := !r.GPU && (r.Codec == "h264" || r.Codec == "h265")
	// The filter interleave orders the copies by microseconds, so ticks must not be finer.
	if !v.ContextFrames || !supported || r.Only != nil || on.frameTicks(r) == 0 || on.Timebase.Num > math.MaxInt64/1_000_000 || on.Timebase.Num*1_000_000 < on.Timebase.Den {
		return p
	}
	if us, ok := on.floorMicros(on.Start); ok && !v.Begins {
		length, _ := on.Timebase.CeilMicroseconds(media.Ticks(leadFrames * on.frameTicks(r)))
		if us-length > -ffmpeg.Offset*1_000_000 { // earlier times would be negative in the chunk
			p.lead = leadFrames
		}
	}
	if _, ok := on.floorMicros(on.End); ok && !v.Ends {
		p.tail = r.lookAhead()
	}
	return p
}

// onClockOf returns v with its bounds on the clock of a rendition: that of its constant frame rate,
// if it has one.
func (v Video) onClockOf(r Rendition) Video {
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

// encodeEnd returns the end of the frames that the rendition's encoder gets, on its own clock: End
// plus the padding.
func (v Video) encodeEnd(r Rendition) *int64 {
	tail := int64(v.padding(r).tail)
	on := v.onClockOf(r)
	if on.End == nil || *on.End > math.MaxInt64-tail*on.frameTicks(r) {
		return on.End
	}
	return new(*on.End + tail*on.frameTicks(r))
}

// decodeEnd returns the end of what is decoded if every rendition keeps the source's times: that of
// the encoder that looks furthest ahead.
func (v Video) decodeEnd() *int64 {
	if v.End == nil {
		return nil
	}
	end := *v.End
	for _, r := range v.Renditions {
		end = max(end, *v.encodeEnd(r.furthest()))
	}
	return &end
}

// ReadEnd returns the tick from which on no frame of an image sequence is needed, whose clock counts frames; nil = all are.
func (v Video) ReadEnd() *int64 {
	if v.End == nil {
		return nil
	}
	end := *v.decodeEnd() + 1 // the frame that ends decoding
	for _, r := range v.Renditions {
		if r.Grid == nil {
			continue
		}
		last := v.encodeEnd(r.furthest())
		if last == nil {
			return nil
		}
		on := media.Rational{Num: r.Grid.Rate.Den, Den: r.Grid.Rate.Num}
		end = max(end, r.Grid.Origin+int64(media.Rescale(media.Ticks(*last), on, v.Timebase))+2)
	}
	for _, p := range v.Pictures {
		if p.Ahead == nil {
			return nil
		}
		end = max(end, *p.Ahead+1)
	}
	return &end
}

// lookAhead returns how many frames x264 looks ahead (by default those of x264_param_default_preset), and 0
// for encoders that do not look past a keyframe.
func (r Rendition) lookAhead() int {
	if r.Codec != "h264" {
		return 0
	}
	if n, err := strconv.Atoi(encoderoption.Value(r.options(), "rc-lookahead")); err == nil {
		return n
	}
	return map[string]int{
		"veryfast": 10, "faster": 20, "fast": 30, "medium": 40, "slow": 50, "slower": 60, "veryslow": 60, "placebo": 60,
	}[r.Preset]
}

// frameTicks returns the duration of a frame at the source's mean rate, or 0 if that is unknown.
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

// floorMicros converts a bound of v to microseconds, rounded down, so that ffmpeg's own rounding to
// ticks yields the bound or one tick before it.
func (v Video) floorMicros(bound *int64) (us int64, ok bool) {
	if bound == nil {
		return 0, false
	}
	us, ok = v.Timebase.CeilMicroseconds(media.Ticks(-*bound))
	return -us, ok
}

// sharedLead returns the filters that put the copies of the first frame before the frames of all branches, or "" where each branch has its
// own. Without pictures those come after its other filters, which then need not treat the copies. But interleave passes a frame on only when
// its output is asked for one, and ffmpeg asks the output that is furthest behind. That is a picture every few seconds: until
// it is made, all frames of the segment would wait in memory.
func (v Video) sharedLead() string {
	if len(v.Pictures) == 0 {
		return ""
	}
	var lead string
	for _, r := range v.Renditions {
		if r.Grid != nil {
			return ""
		}
		if v.padding(r).lead == 0 {
			continue
		}
		now := v.leadFilters(r, "")
		if lead != "" && now != lead {
			return ""
		}
		lead = now
	}
	return lead
}

// leadFilters returns the filters that put the copies of the first frame before the frames of a branch. The copies get times of their own,
// just before Start, so that no real frame's time changes. label tells the branches apart.
func (v Video) leadFilters(r Rendition, label string) string {
	p, on := v.padding(r), v.onClockOf(r)
	if r.Grid != nil { // on a clock that counts frames, tpad knows how long the copies are
		return fmt.Sprintf("tpad=start=%[1]d:start_mode=clone,setpts=PTS-%[1]d+%[2]d*lt(N\\,%[1]d)", p.lead, *on.Start)
	}
	return fmt.Sprintf("split[a%[1]s][b%[1]s];[a%[1]s]trim=end_frame=1,loop=loop=%[2]d:size=1:start=0,"+
		"setpts=%[3]d+N*%[4]d[c%[1]s];[c%[1]s][b%[1]s]interleave,settb=%[5]s",
		label, p.lead-1, *on.Start-int64(p.lead)*on.frameTicks(r), on.frameTicks(r), on.Timebase)
}

// keyframes returns the options that force the keyframes of the rendition, and one at each padded
// end of the segment.
func (v Video) keyframes(r Rendition) []string {
	p := v.padding(r)
	on := v.onClockOf(r)
	var at []string
	if p.lead > 0 {
		us, _ := on.floorMicros(on.Start)
		at = append(at, option.Seconds(us))
	}
	for _, us := range r.Keyframes {
		at = append(at, option.Seconds(us))
	}
	if p.tail > 0 {
		us, _ := on.floorMicros(on.End)
		at = append(at, option.Seconds(us))
	}
	if len(at) == 0 {
		return nil
	}
	args := []string{"-force_key_frames", strings.Join(at, ",")}
	if encoder, _ := Encoder(r.Codec, r.GPU); encoder != "libvpx-vp9" && encoder != "libsvtav1" {
		args = append(args, "-forced-idr", "1") // else an I-frame that later frames may refer past
	}
	return args
}

// zones returns x264's parameter for frames to encode differently, or "":
//
//   - The tail is encoded as cheaply as possible, because readers discard it. The look-ahead sees
//     it all the same.
//   - The copies before a keyframe that a single-pass encode lacks are encoded slightly worse,
//     because its quality follows from theirs. Encoded as well as a single-pass encode's keyframes,
//     it was 4 dB better than the frame it replaces, and so were some 12 frames after it.
//
// Zones count frames, so the number of frames in the segment must be known for the tail.
func (p padding) zones() string {
	var list []string
	if p.midScene && p.lead > 0 {
		list = append(list, fmt.Sprintf("0,%d,b=0.75", p.lead-1))
	}
	if p.tail > 0 && p.frames > 0 {
		list = append(list, fmt.Sprintf("%d,%d,q=51,subme=0,me=dia,ref=1,trellis=0", p.lead+p.frames, math.MaxInt32))
	}
	if len(list) == 0 {
		return ""
	}
	return "zones=" + strings.Join(list, "/")
}

// Default keyframe intervals of the encoders.
const (
	libvpxInterval = 128 // frames
	svtSeconds     = 5   // counted in mini-GOPs of 32 frames
)

// evenKeyframes returns the option that spreads the keyframes of an encoder that sets one at each
// interval, regardless of scene cuts: as many as a single-pass encode sets in the segment, which
// before frames precede. With the encoder's own interval, the last keyframe would often be just
// before the segment's end, where the next segment has its own. The keyframes are less than two
// intervals apart.
func (p padding) evenKeyframes(before int64, interval int) []string {
	if p.frames == 0 {
		return nil
	}
	n := int64(interval)
	phase := int((n - before%n) % n) // frames to the next keyframe of a single-pass encode
	regular := (max(p.frames-phase, 0) + interval - 1) / interval
	groups := max(1, regular)
	return []string{"-g", strconv.Itoa((p.frames + groups - 1) / groups)}
}

// svtInterval returns SVT-AV1's default keyframe interval, in frames, at a frame rate.
func svtInterval(rate media.Rational) int {
	miniGOPs := 1.0
	if rate.Known() {
		miniGOPs = max(1, math.Round(float64(rate.Num)/float64(rate.Den)/32))
	}
	return svtSeconds*32*int(miniGOPs) + 1
}
