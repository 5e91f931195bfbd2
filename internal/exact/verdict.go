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

// Limits of how far an output may differ from its source, or from the output of one pass.
const (
	maxAudioOffset = 5 * time.Millisecond
	maxPriming     = 25 * time.Millisecond // one codec frame before audio without video
	goodPSNR       = 35.0                  // dB; at the quality used here, neighbouring frames compare below 30
	psnrSlack      = 1.0                   // dB below one pass, where one pass is worse than goodPSNR
	// maxFineTick distinguishes containers that keep the ticks of the source, as MP4 does, from
	// Matroska with its milliseconds.
	maxFineTick = 900 * time.Microsecond
	// maxCodecFrame is the longest frame of the codecs in the matrix: the 2048 samples of WMA. One
	// may be missing at the end.
	maxCodecFrame = 2048
)

// finding is how the output of one candidate compares with its source.
type finding struct {
	err error

	frames, wantFrames int
	// timeError is the largest error of a frame's timestamp: counted from the first frame if the
	// output's ticks are fine, else from the best fit.
	timeError   time.Duration
	tick        time.Duration // of the output
	psnr        float64       // dB, of the worst frame; +Inf if all are equal, NaN if not compared
	start, end  time.Duration // how much later the first and the last beep are than in the source, worst track
	beeps       [2]int        // found, wanted
	samples     []int
	rates       []int
	noEditLists bool // the container has no edit lists, which would hide priming samples
	tracks      int
	lost        []string // features of the source that the output lacks
	verify      string   // findings of mapreel verify; "" if it did not run
	problems    []string
}

func (f finding) good() bool { return len(f.problems) == 0 }

// compare fills in everything except the PSNR.
func compare(source, out measurement, conversion string) finding {
	f := finding{frames: len(out.frames), wantFrames: len(source.frames), tick: out.tick, psnr: math.NaN()}
	if f.frames > 0 && f.wantFrames > 0 {
		last := time.Duration(-1)
		var early, late time.Duration // of the frames, counted from the first
		for i := range min(f.frames, f.wantFrames) {
			got, want := out.frames[i]-out.frames[0], source.frames[i]-source.frames[0]
			if want <= last { // damage: no file can show two frames at one time
				want = last + out.tick
			}
			last = want
			early, late = min(early, got-want), max(late, got-want)
		}
		// The timestamp of the first frame is rounded too, which must not count twice.
		f.timeError = (late - early + 1) / 2
		if out.tick < maxFineTick {
			f.timeError = max(late, -early)
		}
	}
	f.tracks = len(out.audio)
	for i := range min(len(out.audio), len(source.audio)) {
		got, want := out.audio[i].beeps, source.audio[i].beeps
		f.beeps[0] += len(got)
		f.beeps[1] += len(want)
		if len(got) == 0 || len(want) == 0 {
			continue
		}
		if d := sinceFirstFrame(out, got[0]) - sinceFirstFrame(source, want[0]); d.Abs() > f.start.Abs() {
			f.start = d
		}
		if d := sinceFirstFrame(out, got[len(got)-1]) - sinceFirstFrame(source, want[len(want)-1]); d.Abs() > f.end.Abs() {
			f.end = d
		}
	}
	for _, s := range out.audio {
		f.samples = append(f.samples, s.samples)
		f.rates = append(f.rates, s.rate)
	}
	has := out.metadata.features(conversion)
	for _, k := range source.metadata.features(conversion) {
		if strings.HasPrefix(k, "pixels ") && sameAspect(source.metadata.video(), out.metadata.video()) {
			continue
		}
		if !slices.Contains(has, k) {
			f.lost = append(f.lost, k)
		}
	}
	return f
}

// dropPrimingBeep removes the beep in the packets before the first sample that counts. Containers
// without edit lists cannot hide these packets, and a decoder needs onePass.
func (a *measurement) dropPrimingBeep(source measurement) {
	for i := range min(len(a.audio), len(source.audio)) {
		if got := a.audio[i].beeps; len(got) == len(source.audio[i].beeps)+1 && len(a.frames) > 0 {
			if at := sinceFirstFrame(*a, got[0]); at < 0 && at > -2*maxPriming {
				a.audio[i].beeps = got[1:]
			}
		}
	}
}

// sameAspect reports whether two videos of the same size are displayed equally wide, to the pixel:
// WebM stores the pixel aspect ratio as a display width and height, in whole pixels.
func sameAspect(a, b *stream) bool {
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

// sinceFirstFrame returns how long after the first frame something is heard, or after the start if
// there is no video.
func sinceFirstFrame(a measurement, at time.Duration) time.Duration {
	if len(a.frames) == 0 {
		return at
	}
	return at - a.frames[0]
}

// evaluate lists what is not good. onePass is the finding of one pass on the same source, or nil.
func (f *finding) evaluate(source measurement, onePass *finding) {
	bad := func(format string, args ...any) { f.problems = append(f.problems, fmt.Sprintf(format, args...)) }
	if f.err != nil {
		bad("%v", f.err)
		return
	}
	if f.frames != f.wantFrames {
		bad("%d frames of %d", f.frames, f.wantFrames)
	}
	// Both files round to their own ticks, and this program to nanoseconds.
	if f.timeError > f.tick/2+time.Microsecond {
		bad("time off by %s", formatDuration(f.timeError))
	}
	limit := goodPSNR
	if onePass != nil && onePass.err == nil && !math.IsNaN(onePass.psnr) {
		limit = min(limit, onePass.psnr-psnrSlack)
	}
	if f.psnr < limit {
		bad("PSNR %.1f dB", f.psnr)
	}
	if f.beeps[0] != f.beeps[1] {
		bad("%d beeps of %d", f.beeps[0], f.beeps[1])
	} else if start, end := f.start.Abs() > maxAudioOffset, f.end.Abs() > maxAudioOffset; f.noEditLists && f.wantFrames == 0 {
		// Priming samples cannot be hidden, and there is no video that they could delay.
		if f.start.Abs() > maxPriming || (f.end-f.start).Abs() > maxAudioOffset {
			bad("audio off by %s to %s", formatDuration(f.start), formatDuration(f.end))
		}
	} else if start || end {
		bad("audio off by %s to %s", formatDuration(f.start), formatDuration(f.end))
	}
	if f.tracks != len(source.audio) {
		bad("%d audio tracks of %d", f.tracks, len(source.audio))
	} else if d := f.maxSampleDifference(source, onePass); d > maxCodecFrame {
		bad("%d samples from one pass", d)
	}
	if len(f.lost) > 0 {
		bad("lost: %s", strings.Join(f.lost, ", "))
	}
	if f.verify != "" && f.verify != string(verify.Good) {
		bad("verify: %s", f.verify)
	}
}

// maxSampleDifference returns the largest difference in samples from one pass, over the tracks. In
// a container without edit lists, the source counts too if it is nearer: there one pass plays what
// an edit list hides, and ffmpeg 5.1 writes Opus of which all but a millisecond per packet is
// dropped (discard_padding) if the audio comes from a container that counts in milliseconds.
func (f *finding) maxSampleDifference(source measurement, onePass *finding) (worst int) {
	if onePass == nil || onePass.err != nil || len(onePass.samples) != len(f.samples) || len(source.audio) != len(f.samples) {
		return 0
	}
	for i, n := range f.samples {
		d := max(n-onePass.samples[i], onePass.samples[i]-n)
		if from := source.audio[i]; f.noEditLists && from.rate > 0 {
			whole := from.samples * f.rates[i] / from.rate
			d = min(d, max(n-whole, whole-n))
		}
		worst = max(worst, d)
	}
	return worst
}

// formatDuration formats a short time with a suitable unit.
func formatDuration(d time.Duration) string {
	switch {
	case d.Abs() >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d.Abs() >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}
