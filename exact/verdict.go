package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/verify"
)

// How far an output may be from its source, or from what one pass makes of it.
const (
	maxSoundOffset = 5 * time.Millisecond
	maxPriming     = 25 * time.Millisecond // a codec's frame, before sound alone
	goodPSNR       = 35.0                  // dB; at the quality used here two neighbouring frames are below 30
	psnrSlack      = 1.0                   // dB below one pass, where that itself is worse
	// maxFineTick is below a millisecond, which is all that Matroska has. MP4 has the ticks of the source.
	maxFineTick = 900 * time.Microsecond
	// maxCodecFrame is the longest frame of the codecs in the matrix: WMA's 2048 samples; one may be missing at the end.
	maxCodecFrame = 2048
)

// finding is how one contender's output compares with its source.
type finding struct {
	err error

	frames, want int
	// time is the worst error of a frame's time: counted from the first where the output's ticks are fine, else from what
	// fits best.
	time       time.Duration
	tick       time.Duration // of the output
	psnr       float64       // dB; the worst frame; +Inf where they are equal, NaN where it was not compared
	start, end time.Duration // how much later the first and the last beep are heard than in the source, worst track
	beeps      [2]int        // heard, wanted
	samples    []int
	rates      []int
	noEdits    bool // the container cannot say where in the sound to begin
	tracks     int
	lost       []string // what the source had
	verify     string   // what mapreel verify says; "" where it was not asked
	problems   []string
}

func (f finding) good() bool { return len(f.problems) == 0 }

// compare fills in all but the pictures.
func compare(source, out account, hdr string) finding {
	f := finding{frames: len(out.frames), want: len(source.frames), tick: out.tick, psnr: math.NaN()}
	if f.frames > 0 && f.want > 0 {
		last := time.Duration(-1)
		var early, late time.Duration // of the frames, counted from the first
		for i := range min(f.frames, f.want) {
			got, want := out.frames[i]-out.frames[0], source.frames[i]-source.frames[0]
			if want <= last { // damage: no file can show two frames at once
				want = last + out.tick
			}
			last = want
			early, late = min(early, got-want), max(late, got-want)
		}
		// The first frame's time is rounded too, which must not count twice.
		f.time = (late - early + 1) / 2
		if out.tick < maxFineTick {
			f.time = max(late, -early)
		}
	}
	f.tracks = len(out.sounds)
	for i := range min(len(out.sounds), len(source.sounds)) {
		got, want := out.sounds[i].beeps, source.sounds[i].beeps
		f.beeps[0] += len(got)
		f.beeps[1] += len(want)
		if len(got) == 0 || len(want) == 0 {
			continue
		}
		if d := distance(out, got[0]) - distance(source, want[0]); d.Abs() > f.start.Abs() {
			f.start = d
		}
		if d := distance(out, got[len(got)-1]) - distance(source, want[len(want)-1]); d.Abs() > f.end.Abs() {
			f.end = d
		}
	}
	for _, s := range out.sounds {
		f.samples = append(f.samples, s.samples)
		f.rates = append(f.rates, s.rate)
	}
	has := out.stated.kept(hdr)
	for _, k := range source.stated.kept(hdr) {
		if strings.HasPrefix(k, "pixels ") && sameShape(source.stated.picture(), out.stated.picture()) {
			continue
		}
		if !slices.Contains(has, k) {
			f.lost = append(f.lost, k)
		}
	}
	return f
}

// forgive takes away the beep that is heard within the packets before the first that counts. Containers without edit lists
// cannot hide these, and a decoder needs one.
func (a *account) forgive(source account) {
	for i := range min(len(a.sounds), len(source.sounds)) {
		if got := a.sounds[i].beeps; len(got) == len(source.sounds[i].beeps)+1 && len(a.frames) > 0 {
			if at := distance(*a, got[0]); at < 0 && at > -2*maxPriming {
				a.sounds[i].beeps = got[1:]
			}
		}
	}
}

// sameShape says whether two pictures of the same size are shown equally wide, to the pixel: WebM says the shape of a pixel
// by the width and height of the whole, in whole pixels.
func sameShape(a, b *stream) bool {
	if a == nil || b == nil || a.Width != b.Width || a.Height != b.Height {
		return false
	}
	return math.Abs(a.displayWidth()-b.displayWidth()) <= 0.5
}

func (s stream) displayWidth() float64 {
	x, y, _ := strings.Cut(s.SAR, ":")
	h, err := strconv.ParseFloat(x, 64)
	v, err2 := strconv.ParseFloat(y, 64)
	if err != nil || err2 != nil || h == 0 || v == 0 {
		return float64(s.Width)
	}
	return float64(s.Width) * h / v
}

// distance is how long after the first frame something is heard; after the start, where there is no picture.
func distance(a account, at time.Duration) time.Duration {
	if len(a.frames) == 0 {
		return at
	}
	return at - a.frames[0]
}

// judge says what is not good. one is what one pass made of the same source.
func (f *finding) judge(source account, one *finding) {
	bad := func(format string, args ...any) { f.problems = append(f.problems, fmt.Sprintf(format, args...)) }
	if f.err != nil {
		bad("%v", f.err)
		return
	}
	if f.frames != f.want {
		bad("%d frames of %d", f.frames, f.want)
	}
	// Both files round to their own ticks, and this to nanoseconds.
	if f.time > f.tick/2+time.Microsecond {
		bad("time off by %s", short(f.time))
	}
	limit := goodPSNR
	if one != nil && one.err == nil && !math.IsNaN(one.psnr) {
		limit = min(limit, one.psnr-psnrSlack)
	}
	if f.psnr < limit {
		bad("PSNR %.1f dB", f.psnr)
	}
	if f.beeps[0] != f.beeps[1] {
		bad("%d beeps of %d", f.beeps[0], f.beeps[1])
	} else if start, end := f.start.Abs() > maxSoundOffset, f.end.Abs() > maxSoundOffset; f.noEdits && f.want == 0 {
		// What stands before the first sample that counts cannot be hidden, and there is no picture for it to be late for.
		if f.start.Abs() > maxPriming || (f.end-f.start).Abs() > maxSoundOffset {
			bad("sound off by %s to %s", short(f.start), short(f.end))
		}
	} else if start || end {
		bad("sound off by %s to %s", short(f.start), short(f.end))
	}
	if f.tracks != len(source.sounds) {
		bad("%d sounds of %d", f.tracks, len(source.sounds))
	} else if d := f.against(source, one); d > maxCodecFrame {
		bad("%d samples from one pass", d)
	}
	if len(f.lost) > 0 {
		bad("lost: %s", strings.Join(f.lost, ", "))
	}
	if f.verify != "" && f.verify != string(verify.Good) {
		bad("verify: %s", f.verify)
	}
}

// against is the largest difference in samples to one pass, over the tracks. In a container without edit lists the source
// counts too, where that is nearer: one pass shows there what an edit list hides, and ffmpeg 5.1 writes Opus of which all but
// a millisecond a packet is dropped (discard_padding) when the sound comes from a container that counts in milliseconds.
func (f *finding) against(source account, one *finding) (worst int) {
	if one == nil || one.err != nil || len(one.samples) != len(f.samples) || len(source.sounds) != len(f.samples) {
		return 0
	}
	for i, n := range f.samples {
		d := max(n-one.samples[i], one.samples[i]-n)
		if from := source.sounds[i]; f.noEdits && from.rate > 0 {
			whole := from.samples * f.rates[i] / from.rate
			d = min(d, max(n-whole, whole-n))
		}
		worst = max(worst, d)
	}
	return worst
}

func short(d time.Duration) string {
	switch {
	case d.Abs() >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d.Abs() >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}
