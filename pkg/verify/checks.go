package verify

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/verify/outlier"
)

// frameChecks judges the number and the timestamps of the frames.
func frameChecks(p Video, c clock, t timing) []Check {
	count := Check{Name: "frames", Verdict: Good, Figure: fmt.Sprint(p.OutputFrames), Limit: fmt.Sprint(p.SourceFrames)}
	if p.SourceFrames != p.OutputFrames || t.lost+t.extra > 0 || len(p.Edits) > 0 {
		count.Verdict = Bad
		count.Figure += ": " + describeEdits(p.Edits)
		switch rest := len(p.Wrong) + len(p.Broken); {
		case p.Compared == "yes" && len(p.Edits) == 1 && rest == 0 && p.Edits[0].Last+1 < max(p.SourceFrames, p.OutputFrames):
			count.Figure += "; everything after it matches"
		case p.Compared == "yes" && len(p.Edits) > 1 && rest == 0:
			count.Figure += "; everything else matches"
		}
	}
	checks := []Check{count}
	if p.Leading > 0 {
		checks = append(checks, Check{Name: "start", Verdict: Note, Figure: fmt.Sprintf(
			"the source begins within a group of pictures; its first %s, which cannot be decoded whole, are left out", Plural(p.Leading, "frame"))})
	}
	tick := c.duration(c.output)
	times := Check{Name: "timestamps", Verdict: Good, Limit: "half a tick, " + millis(tick/2)}
	worst := max(abs(t.low), abs(t.high))
	times.Figure = "exact"
	if worst > 0 {
		times.Figure = fmt.Sprintf("off by %s at most, at %s", millis(c.duration(worst)), t.worst)
	}
	if !t.exact(c) {
		times.Verdict = Bad
		times.Figure = fmt.Sprintf("%d off, the first is %s, by %s at most", t.off, t.firstOff, millis(c.duration(worst)))
	}
	return append(checks, times)
}

// videoChecks judges the content of the frames. damaged says that the source's decoder reported errors: what it shows for
// damage is hard to encode, in one pass as in segments.
func videoChecks(p Video, damaged bool) []Check {
	if p.Compared != "yes" {
		return []Check{{Name: "video", Verdict: Note, Figure: "not comparable: " + p.Compared}}
	}
	psnr := Check{
		Name: "PSNR", Verdict: Good, Limit: fmt.Sprintf("no frame %d dB below those around it", outlier.MaxDrop),
		Figure: fmt.Sprintf("mean %.2f dB, lowest %.2f at frame %d (%s)", p.PSNR.Mean, p.PSNR.Min.Value, p.PSNR.Min.Frame, ClockTime(time.Duration(p.PSNR.Min.At))),
	}
	if n := len(p.Broken); n > 0 {
		psnr.Verdict = Bad
		psnr.Figure = fmt.Sprintf("mean %.2f dB, %s broken, the first is frame %d (%s) with %.2f dB", p.PSNR.Mean, Plural(n, "frame"),
			p.Broken[0].Frame, ClockTime(time.Duration(p.Broken[0].At)), p.Broken[0].PSNR)
		if damaged && !slices.ContainsFunc(p.Broken, func(b Broken) bool { return b.PSNR < outlier.MinHardPSNR }) {
			psnr.Verdict = Note
			psnr.Figure = fmt.Sprintf("mean %.2f dB, %s far worse than those around, the first is frame %d (%s) with %.2f dB; the source is damaged",
				p.PSNR.Mean, Plural(n, "frame"), p.Broken[0].Frame, ClockTime(time.Duration(p.Broken[0].At)), p.Broken[0].PSNR)
		}
	}
	ssim := Check{
		Name: "SSIM", Verdict: Note,
		Figure: fmt.Sprintf("mean %.4f, lowest %.4f at frame %d (%s)", p.SSIM.Mean, p.SSIM.Min.Value, p.SSIM.Min.Frame, ClockTime(time.Duration(p.SSIM.Min.At))),
	}
	order := Check{Name: "order", Verdict: Good, Figure: "every frame shows its source frame", Limit: "every frame"}
	if n := len(p.Wrong); n > 0 {
		order.Verdict = Bad
		order.Figure = fmt.Sprintf("%s wrong: %s", Plural(n, "frame"), describeEdits(orderEdits(p.Wrong)))
	}
	checks := []Check{psnr, ssim, order}
	if l := p.Colourless; l != nil {
		c := Check{
			Name: "colour", Verdict: Bad, Limit: "that of the source, to half",
			Figure: fmt.Sprintf("lost or wrong in %s of %d, the first is frame %d (%s)", Plural(l.Count, "frame"), len(p.Series), l.Frame, ClockTime(time.Duration(l.At))),
		}
		if damaged && 4*l.Count < len(p.Series) {
			c.Verdict = Note
			c.Figure += "; the source is damaged"
		}
		checks = append(checks, c)
	}
	return checks
}

// maxAudioOffset is how far audio may be offset from its video.
const maxAudioOffset = 5 * time.Millisecond

// audioChecks judges a track. video reports whether offsets are relative to video.
func audioChecks(a Audio, video bool, tracks int) []Check {
	name := "audio"
	if tracks > 1 {
		name = fmt.Sprintf("audio %d", a.Track)
	}
	return []Check{offsetCheck(name, a, video), lengthCheck(name, a)}
}

func offsetCheck(name string, a Audio, video bool) Check {
	c := Check{Name: name + " offset", Verdict: Good, Limit: millis(maxAudioOffset)}
	var matching, unambiguous []Place
	mismatch := false // at two consecutive places; at one alone it may be noise that the encoder substituted
	var worst Place   // its offset is the smallest that matches; if that is too large, it is wrong however ambiguous
	for i, p := range a.Places {
		if i > 0 && !p.matches() && !a.Places[i-1].matches() && !mismatch {
			c.Verdict, mismatch = Bad, true
			c.Figure = fmt.Sprintf("not the source's audio at %s and %s", ClockTime(toDuration(a.Places[i-1].At)), ClockTime(toDuration(p.At)))
		}
		if p.Silent {
			c.Verdict = Bad
			c.Figure = fmt.Sprintf("the output is silent at %s, the source is not", ClockTime(toDuration(p.At)))
			return c
		}
		if p.matches() {
			matching = append(matching, p)
			if toDuration(p.Ambiguity) <= maxAudioOffset {
				unambiguous = append(unambiguous, p)
			}
			if math.Abs(p.Offset) > math.Abs(worst.Offset) || len(matching) == 1 {
				worst = p
			}
		}
	}
	switch {
	case len(a.Places) == 0 && a.SourceSamples == 0 && a.OutputSamples == 0:
		c.Figure = "no samples, like the source"
		return c
	case len(a.Places) == 0:
		c.Figure = fmt.Sprintf("silent; begins %s ms off", signed(a.Start))
		limit := maxAudioOffset
		if a.Start < 0 && a.edges > 0 { // packets before what is heard, which a decoder needs
			limit = max(limit, toDuration(a.Frame+a.edges))
		}
		if toDuration(math.Abs(a.Start)) > limit {
			c.Verdict = Bad
		}
		return c
	case 2*len(matching) < len(a.Places):
		c.Verdict = Bad
		c.Figure = fmt.Sprintf("not the source's audio: %d of %d places match", len(matching), len(a.Places))
		return c
	case mismatch:
		return c
	}
	what := ""
	if !video {
		what = " (no video)"
	}
	off := toDuration(math.Abs(worst.Offset)) > maxAudioOffset
	if off {
		c.Verdict = Bad
	}
	ambiguous := len(matching) - len(unambiguous)
	const unknown = "cannot be measured: the audio is periodic, like a tone"
	switch begins := len(unambiguous) == 1 && unambiguous[0].Onset; {
	case begins && ambiguous > 0:
		c.Figure = fmt.Sprintf("%s ms at its beginning; after that it %s", signed(unambiguous[0].Offset), unknown)
	case len(unambiguous) == 0 && !off:
		c.Figure = unknown
	}
	if c.Figure != "" {
		if !off {
			c.Verdict, c.Limit = Note, ""
		}
		return c
	}
	if len(unambiguous) == 0 {
		unambiguous = matching
	}
	c.Figure = fmt.Sprintf("%s ms at the start, %s at the end, worst %s at %s%s",
		signed(unambiguous[0].Offset), signed(unambiguous[len(unambiguous)-1].Offset), signed(worst.Offset), ClockTime(toDuration(worst.At)), what)
	if len(a.Edits) > 0 {
		c.Figure += ": " + a.Edits[0].String()
		if n := len(a.Edits) - 1; n > 0 {
			c.Figure += fmt.Sprintf(", and more at %s", Plural(n, "place"))
		}
	}
	if ambiguous > 0 {
		c.Figure += fmt.Sprintf("; at %s it cannot be measured, because the audio is periodic", Plural(ambiguous, "place"))
	}
	return c
}

// signed formats seconds as milliseconds with a sign. What rounds to zero becomes +0.0.
func signed(seconds float64) string {
	return fmt.Sprintf("%+.1f", math.Round(10_000*seconds)/10+0)
}

func lengthCheck(name string, a Audio) Check {
	c := Check{
		Name: name + " length", Verdict: Good, Limit: fmt.Sprintf("one codec frame, %.1f ms", 1000*a.Frame),
		Figure: fmt.Sprintf("%d samples, the source has %d: %s ms", a.OutputSamples, a.SourceSamples, signed(a.Longer)),
	}
	if a.edges > 0 {
		c.Limit = fmt.Sprintf("%.1f ms, whole packets at the ends", 1000*(a.Frame+a.edges))
	}
	if a.SourceRate != a.OutputRate {
		c.Figure = fmt.Sprintf("%d samples of %d Hz, the source has %d of %d Hz: %s ms", a.OutputSamples, a.OutputRate, a.SourceSamples, a.SourceRate, signed(a.Longer))
	}
	// Rounding between sample rates may add a sample.
	slack := a.Frame + a.edges + 1/float64(max(a.OutputRate, 1)) + 1/float64(max(a.SourceRate, 1))
	switch {
	case math.Abs(a.Longer) <= slack:
	case math.Abs(a.Start) <= slack && math.Abs(a.End) <= slack && a.Lost <= slack:
		// Gaps of the source were filled with silence, or audio that overlaps in time is played once.
		c.Figure += fmt.Sprintf("; it begins %s ms off and ends %s", signed(a.Start), signed(a.End))
	default:
		c.Verdict = Bad
	}
	return c
}

// seamsCheck reports where encoders began, and how the worst frame near those places compares with
// the rest. If only the start of the stream has an encoder's signature, any keyframe may be such a
// place.
func seamsCheck(p Video) (Check, bool) {
	if len(p.Seams) < 2 {
		return Check{}, false
	}
	var starts, all []time.Duration
	joined := false
	for _, s := range p.Seams {
		if s.At <= 0 {
			continue
		}
		all = append(all, time.Duration(s.At))
		if s.Restart || s.Joined {
			starts = append(starts, time.Duration(s.At))
			joined = joined || s.Joined
		}
	}
	c := Check{Name: "seams", Verdict: Note, Figure: Plural(len(p.Seams), "keyframe")}
	seams, one := starts, "one"
	switch {
	case joined:
		c.Figure += fmt.Sprintf(", at %d of them segments meet", len(starts))
	case len(starts) > 0:
		c.Figure += fmt.Sprintf(", %s between them", Plural(len(starts), "encoder start"))
	default:
		c.Figure += "; the stream does not reveal at which encoders began"
		seams, one = all, "a keyframe"
	}
	if len(seams) == 0 || p.Compared != "yes" {
		return c, true
	}
	near, far := math.Inf(1), math.Inf(1)
	next := 0
	for _, point := range p.Series {
		for next+1 < len(seams) && seams[next+1]-point.At < (seams[next]-point.At).Abs() {
			next++
		}
		if (point.At - seams[next]).Abs() <= seamRange {
			near = min(near, float64(point.PSNR))
		} else {
			far = min(far, float64(point.PSNR))
		}
	}
	if !math.IsInf(near, 1) && !math.IsInf(far, 1) {
		c.Figure += fmt.Sprintf("; lowest PSNR within %s of %s %.2f dB, elsewhere %.2f", millis(seamRange), one, near, far)
	}
	return c, true
}

// seamRange is how far from a seam a frame counts as near it.
const seamRange = 200 * time.Millisecond
