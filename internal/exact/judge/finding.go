package judge

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
	maxLead        = 96 * time.Millisecond // two packets of AC-3 at 32 kHz before what is heard
	goodPSNR       = 35.0                  // dB; at the quality used here, neighbouring frames compare below 30
	psnrSlack      = 1.0                   // dB below one pass, where one pass is worse than goodPSNR
	// maxFineTick distinguishes containers that keep the ticks of the source, as MP4 does, from
	// Matroska with its milliseconds.
	maxFineTick = 900 * time.Microsecond
	// maxCodecFrame is the longest frame of the codecs in the matrix: the 2048 samples of WMA. One
	// may be missing at the end.
	maxCodecFrame = 2048
)

// toneMapped is the conversion of HDR to SDR, which changes colours on purpose.
const toneMapped = "tone-mapped"

// Finding is how the output of one candidate compares with its source.
type Finding struct {
	Err      error
	Refused  bool     // Err is the candidate's; otherwise its output could not be compared
	Warnings []string // of the candidate

	Frames, WantFrames int
	// TimeError is the largest error of a frame's timestamp: counted from the first frame if the
	// output's ticks are fine, else from the best fit.
	TimeError    time.Duration
	Tick         time.Duration // of the output
	PSNR         float64       // dB, of the worst frame; +Inf if all are equal, NaN if not compared
	Start, End   time.Duration // how much later the first and the last beep are than in the source, worst track
	Beeps        [2]int        // found, wanted
	Samples      []int
	Rates        []int
	NoEditLists  bool // the container has no edit lists, which would hide priming samples
	Tracks       int
	Loudness     []Loudness // of the tracks, where WantLoudness is not 0
	WantLoudness float64    // in LUFS; 0: the source's own
	Lost         []string   // features of the source that the output lacks
	Verify       string     // findings of mapreel verify; "" if it did not run
	Problems     []string
	Out          Measurement // of the output
}

// Good reports whether Evaluate found nothing.
func (f Finding) Good() bool { return len(f.Problems) == 0 }

// Compare fills in everything except the PSNR.
func Compare(source, out Measurement, conversion string) Finding {
	f := Finding{Frames: len(out.Frames), WantFrames: len(source.Frames), Tick: out.Tick, PSNR: math.NaN()}
	if f.Frames > 0 && f.WantFrames > 0 {
		last := time.Duration(-1)
		var early, late time.Duration // of the frames, counted from the first
		for i := range min(f.Frames, f.WantFrames) {
			got, want := out.Frames[i]-out.Frames[0], source.Frames[i]-source.Frames[0]
			if want <= last {
				// Damage. A file that cannot show two frames at one time shows the second a tick later;
				// where ticks are milliseconds, two may have one.
				if (got-want).Abs() <= out.Tick || (got-last).Abs() <= out.Tick {
					want = got
				} else {
					want = last + out.Tick
				}
			}
			last = max(last, want)
			early, late = min(early, got-want), max(late, got-want)
		}
		// The timestamp of the first frame is rounded too, which must not count twice.
		f.TimeError = (late - early + 1) / 2
		if out.Tick < maxFineTick {
			f.TimeError = max(late, -early)
		}
	}
	f.Tracks = len(out.Audio)
	for i := range min(len(out.Audio), len(source.Audio)) {
		got, want := out.Audio[i].Beeps, source.Audio[i].Beeps
		f.Beeps[0] += len(got)
		f.Beeps[1] += len(want)
		if len(got) == 0 || len(want) == 0 {
			continue
		}
		if d := sinceFirstFrame(out, got[0]) - sinceFirstFrame(source, want[0]); d.Abs() > f.Start.Abs() {
			f.Start = d
		}
		if d := sinceFirstFrame(out, got[len(got)-1]) - sinceFirstFrame(source, want[len(want)-1]); d.Abs() > f.End.Abs() {
			f.End = d
		}
	}
	for _, s := range out.Audio {
		f.Samples = append(f.Samples, s.Samples)
		f.Rates = append(f.Rates, s.Rate)
	}
	has := out.Metadata.features(conversion)
	for _, k := range source.Metadata.heldBy(out.Metadata).features(conversion) {
		if strings.HasPrefix(k, "pixels ") && sameAspect(source.Metadata.Video(), out.Metadata.Video()) {
			continue
		}
		if !slices.Contains(has, k) {
			f.Lost = append(f.Lost, k)
		}
	}
	return f
}

// DropPriming leaves out what is heard in the packets before the first sample that counts. Containers
// without edit lists cannot hide these packets, and a decoder needs one.
func (a *Measurement) DropPriming(source Measurement) {
	if len(a.Frames) == 0 {
		return
	}
	for i := range min(len(a.Audio), len(source.Audio)) {
		got, want := &a.Audio[i], source.Audio[i]
		begin := sinceFirstFrame(source, want.Start)
		priming := begin - sinceFirstFrame(*a, got.Start)
		if priming <= 0 || priming > maxLead {
			continue
		}
		got.Samples -= int(priming * time.Duration(got.Rate) / time.Second)
		switch first := len(got.Beeps) > 0 && sinceFirstFrame(*a, got.Beeps[0]) < begin; {
		case first && len(got.Beeps) == len(want.Beeps)+1:
			got.Beeps = got.Beeps[1:]
		case first && len(got.Beeps) == len(want.Beeps): // it goes on where the sound begins
			got.Beeps[0] = a.Frames[0] + begin
		}
	}
}

// sameAspect reports whether two videos of the same size are displayed equally wide, to the pixel:
// WebM stores the pixel aspect ratio as a display width and height, in whole pixels.
func sameAspect(a, b *Stream) bool {
	if a == nil || b == nil || a.Width != b.Width || a.Height != b.Height {
		return false
	}
	return math.Abs(a.displayWidth()-b.displayWidth()) <= 0.5
}

func (s Stream) displayWidth() float64 {
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
func sinceFirstFrame(a Measurement, at time.Duration) time.Duration {
	if len(a.Frames) == 0 {
		return at
	}
	return at - a.Frames[0]
}

// Evaluate lists what is not good. onePass is the finding of one pass on the same source, or nil.
func (f *Finding) Evaluate(source Measurement, onePass *Finding) {
	bad := func(format string, args ...any) { f.Problems = append(f.Problems, fmt.Sprintf(format, args...)) }
	if f.Err != nil {
		bad("%v", f.Err)
		return
	}
	if f.Frames != f.WantFrames {
		bad("%d frames of %d", f.Frames, f.WantFrames)
	}
	// Both files round to their own ticks, and this program to nanoseconds.
	if f.TimeError > f.Tick/2+time.Microsecond {
		bad("time off by %s", formatDuration(f.TimeError))
	}
	limit := goodPSNR
	if onePass != nil && onePass.Err == nil && !math.IsNaN(onePass.PSNR) {
		limit = min(limit, onePass.PSNR-psnrSlack)
	}
	if f.PSNR < limit {
		bad("PSNR %.1f dB", f.PSNR)
	}
	if f.Beeps[0] != f.Beeps[1] {
		bad("%d beeps of %d", f.Beeps[0], f.Beeps[1])
	} else if start, end := f.Start.Abs() > f.maxOffset(), f.End.Abs() > f.maxOffset(); f.NoEditLists && f.WantFrames == 0 {
		// Priming samples cannot be hidden, and there is no video that they could delay.
		if f.Start.Abs() > maxPriming || (f.End-f.Start).Abs() > maxAudioOffset {
			bad("audio off by %s to %s", formatDuration(f.Start), formatDuration(f.End))
		}
	} else if start || end {
		bad("audio off by %s to %s", formatDuration(f.Start), formatDuration(f.End))
	}
	if f.Tracks != len(source.Audio) {
		bad("%d audio tracks of %d", f.Tracks, len(source.Audio))
	} else if d := f.maxSampleDifference(source, onePass); d > 0 {
		bad("%d samples from one pass", d)
	}
	var reference []Loudness
	if onePass != nil {
		reference = onePass.Loudness
	}
	f.Problems = append(f.Problems, compareLoudness(f.WantLoudness, f.Loudness, reference)...)
	if len(f.Lost) > 0 {
		bad("lost: %s", strings.Join(f.Lost, ", "))
	}
	if f.Verify != "" && f.Verify != string(verify.Good) {
		bad("verify: %s", f.Verify)
	}
}

// maxOffset returns how far audio may lie from where it belongs. ffmpeg counts a file's times from the
// first of any stream, and rounds those of the video to its ticks, which may be longer than the
// priming samples before the first frame.
func (f *Finding) maxOffset() time.Duration {
	if f.Tick < 2*maxLead {
		return maxAudioOffset
	}
	return maxAudioOffset + maxLead
}

// maxSampleDifference returns the largest difference in samples from one pass, over the tracks, or 0
// where none exceeds a codec frame, of the source or of the output. The source counts too if it is
// nearer. In a container without edit lists one pass plays what an edit list hides, and ffmpeg 5.1 writes Opus of which all but a millisecond per packet is dropped
// (discard_padding) if the audio comes from a container that counts in milliseconds. Into MP4 it
// copies a last packet without a duration, which then is not played.
func (f *Finding) maxSampleDifference(source Measurement, onePass *Finding) (worst int) {
	if onePass == nil || onePass.Err != nil || len(onePass.Samples) != len(f.Samples) || len(source.Audio) != len(f.Samples) {
		return 0
	}
	for i, n := range f.Samples {
		d, limit := max(n-onePass.Samples[i], onePass.Samples[i]-n), maxCodecFrame
		if from := source.Audio[i]; from.Rate > 0 {
			whole := from.Samples * f.Rates[i] / from.Rate
			d, limit = min(d, max(n-whole, whole-n)), max(limit, limit*f.Rates[i]/from.Rate)
		}
		if d > limit {
			worst = max(worst, d)
		}
	}
	return worst
}

// HasSamplesOf reports whether each track is as long as that of the source, to a codec frame.
func (f *Finding) HasSamplesOf(source Measurement) bool {
	if len(f.Samples) != len(source.Audio) {
		return false
	}
	for i, n := range f.Samples {
		from := source.Audio[i]
		if from.Rate == 0 {
			continue
		}
		if d := n - from.Samples*f.Rates[i]/from.Rate; max(d, -d) > maxCodecFrame {
			return false
		}
	}
	return true
}

// ExtraSamples returns how many samples the output has more than one pass, in the track where they
// differ most.
func (f *Finding) ExtraSamples(onePass *Finding) (worst int) {
	if len(onePass.Samples) != len(f.Samples) {
		return 0
	}
	for i, n := range f.Samples {
		if d := n - onePass.Samples[i]; max(d, -d) > max(worst, -worst) {
			worst = d
		}
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
