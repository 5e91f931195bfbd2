package verify

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// Verdict is what came of a check.
type Verdict string

// The verdicts.
const (
	Good Verdict = "good"
	Bad  Verdict = "bad"
	Note Verdict = "note" // nothing that could be wrong: a figure, or what cannot be compared
)

// Check is one thing that was compared.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Figure  string  `json:"figure"`          // what was found, for people
	Limit   string  `json:"limit,omitempty"` // what is good, for people
}

// Report is what Verify found.
type Report struct {
	Verdict Verdict  `json:"verdict"` // Bad where any check is, else Good
	Source  string   `json:"source"`
	Output  string   `json:"output"`
	Checks  []Check  `json:"checks"`
	Picture *Picture `json:"picture,omitempty"` // where both have one
	Sound   []Sound  `json:"sound,omitempty"`   // a track each
}

// Picture is how the frames compare. Frames count from 0 in the output, unless a field says the source; times count from
// the first frame.
type Picture struct {
	SourceFrames int `json:"sourceFrames"`
	OutputFrames int `json:"outputFrames"`
	Lost         int `json:"lost"`  // frames of the source that the output does not show at their time
	Extra        int `json:"extra"` // frames of the output at times where the source has none

	TimeError Worst   `json:"timeError"` // seconds, of the frames that both have
	Tick      float64 `json:"tick"`      // seconds; of the output's timescale

	Compared string   `json:"compared"` // "yes", or why the pictures were not
	PSNR     Measure  `json:"psnr"`     // dB, over all planes; 100 = equal
	SSIM     Measure  `json:"ssim"`     // 1 = equal
	Wrong    []Wrong  `json:"wrong,omitempty"`
	Broken   []Broken `json:"broken,omitempty"`
	Seams    []Seam   `json:"seams,omitempty"`

	Series []Point `json:"-"` // PSNR over time, for Plot
}

// Worst is the largest of something, and where it is.
type Worst struct {
	Value float64      `json:"value"`
	Frame int          `json:"frame"`
	At    film.Seconds `json:"at"`
}

// Measure is a figure of every frame.
type Measure struct {
	Mean float64 `json:"mean"`
	Min  Worst   `json:"min"`
}

// Wrong is a frame that shows another frame of the source than its own.
type Wrong struct {
	Frame int          `json:"frame"`
	At    film.Seconds `json:"at"`
	Shows int          `json:"shows"` // the source's frame
	Not   int          `json:"not"`   // the source's frame that belongs there
}

// Broken is a frame that is far worse than those around it.
type Broken struct {
	Frame int          `json:"frame"`
	At    film.Seconds `json:"at"`
	PSNR  float64      `json:"psnr"`
}

// Seam is a place in the output where decoding can start: a candidate for a seam between two encoders.
type Seam struct {
	At      film.Seconds `json:"at"`
	Restart bool         `json:"restart"` // the stream says that an encoder began here
}

// Point is the PSNR of a frame.
type Point struct {
	At   time.Duration
	PSNR float32
}

// Sound is how a track compares.
type Sound struct {
	Track         int       `json:"track"` // from 1
	SourceSamples int64     `json:"sourceSamples"`
	OutputSamples int64     `json:"outputSamples"`
	SourceRate    int64     `json:"sourceRate"` // Hz
	OutputRate    int64     `json:"outputRate"`
	Start         float64   `json:"start"`  // seconds that the output's first sample lies later than the source's
	End           float64   `json:"end"`    // seconds that its last sample ends later
	Longer        float64   `json:"longer"` // seconds of samples that the output has more
	Lost          float64   `json:"lost"`   // seconds in which the source has sound, more than the output has; holes do not count
	Frame         float64   `json:"frame"`  // seconds; of the output's codec
	Places        []soundAt `json:"places"`
	Silent        int       `json:"silent"` // places that were skipped, because the source is silent there
}

// soundAt is a Place as JSON has it.
type soundAt struct {
	At     float64 `json:"at"`     // seconds
	Offset float64 `json:"offset"` // seconds
	Match  float64 `json:"match"`
	Silent bool    `json:"silent,omitempty"`
	Vague  float64 `json:"vague,omitempty"` // seconds between the offsets that fit as well; above 0.005 the sound repeats itself
	Onset  bool    `json:"onset,omitempty"` // the beginning of the track, with the silence before it
}

// found says whether the source's sound is there, be it late.
func (p soundAt) found() bool {
	return p.Match >= alike || p.Match >= faint && asTime(math.Abs(p.Offset)) <= soundLimit && asTime(p.Vague) <= soundLimit
}

// settle sets the verdict of the whole.
func (r *Report) settle() {
	r.Verdict = Good
	for _, c := range r.Checks {
		if c.Verdict == Bad {
			r.Verdict = Bad
		}
	}
}

// clockTime is a time in a film for people: 0:03.48, 1:02:03.48.
func clockTime(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	d = d.Round(10 * time.Millisecond)
	h, m := int(d/time.Hour), int(d/time.Minute)%60
	s, c := int(d/time.Second)%60, int(d/(10*time.Millisecond))%100
	if h > 0 {
		return fmt.Sprintf("%s%d:%02d:%02d.%02d", sign, h, m, s, c)
	}
	return fmt.Sprintf("%s%d:%02d.%02d", sign, m, s, c)
}

func (s spot) String() string { return fmt.Sprintf("frame %d (%s)", s.frame, clockTime(s.at)) }

// frameChecks judges numbers and times of the frames.
func frameChecks(p Picture, c clock, t timing) []Check {
	count := Check{Name: "frames", Verdict: Good, Figure: fmt.Sprint(p.OutputFrames), Limit: fmt.Sprint(p.SourceFrames)}
	if p.SourceFrames != p.OutputFrames || t.lost+t.extra > 0 {
		count.Verdict = Bad
		var found []string
		if t.lost > 0 {
			found = append(found, fmt.Sprintf("%d lost, the first is the source's %s", t.lost, t.firstLost))
		}
		if t.extra > 0 {
			found = append(found, fmt.Sprintf("%d too many, the first is the output's %s", t.extra, t.firstExtra))
		}
		count.Figure += ": " + strings.Join(found, "; ")
	}
	tick := c.duration(c.output)
	times := Check{Name: "timestamps", Verdict: Good, Limit: "half a tick, " + millis(tick/2)}
	worst := max(magnitude(t.low), magnitude(t.high))
	times.Figure = "exact"
	if worst > 0 {
		times.Figure = fmt.Sprintf("off by %s at most, at %s", millis(c.duration(worst)), t.worst)
	}
	if !t.exact(c) {
		times.Verdict = Bad
		times.Figure = fmt.Sprintf("%d off, the first is %s, by %s at most", t.off, t.firstOff, millis(c.duration(worst)))
	}
	return []Check{count, times}
}

// pictureChecks judges the pictures.
func pictureChecks(p Picture) []Check {
	if p.Compared != "yes" {
		return []Check{{Name: "picture", Verdict: Note, Figure: "not comparable: " + p.Compared}}
	}
	psnr := Check{
		Name: "PSNR", Verdict: Good, Limit: fmt.Sprintf("no frame %d dB below those around it", steepDrop),
		Figure: fmt.Sprintf("mean %.2f dB, lowest %.2f at frame %d (%s)", p.PSNR.Mean, p.PSNR.Min.Value, p.PSNR.Min.Frame, clockTime(time.Duration(p.PSNR.Min.At))),
	}
	if n := len(p.Broken); n > 0 {
		psnr.Verdict = Bad
		psnr.Figure = fmt.Sprintf("mean %.2f dB, %s broken, the first is frame %d (%s) with %.2f dB", p.PSNR.Mean, things(n, "frame"),
			p.Broken[0].Frame, clockTime(time.Duration(p.Broken[0].At)), p.Broken[0].PSNR)
	}
	ssim := Check{
		Name: "SSIM", Verdict: Note,
		Figure: fmt.Sprintf("mean %.4f, lowest %.4f at frame %d (%s)", p.SSIM.Mean, p.SSIM.Min.Value, p.SSIM.Min.Frame, clockTime(time.Duration(p.SSIM.Min.At))),
	}
	order := Check{Name: "order", Verdict: Good, Figure: "every frame shows its own", Limit: "every frame"}
	if n := len(p.Wrong); n > 0 {
		order.Verdict = Bad
		w := p.Wrong[0]
		order.Figure = fmt.Sprintf("%s wrong: frame %d (%s) shows the source's %d, not %d", things(n, "frame"), w.Frame, clockTime(time.Duration(w.At)), w.Shows, w.Not)
	}
	return []Check{psnr, ssim, order}
}

// soundLimit is how far sound may lie off its picture.
const soundLimit = 5 * time.Millisecond

// soundChecks judges a track. picture says whether offsets count from a picture.
func soundChecks(s Sound, picture bool, tracks int) []Check {
	name := "sound"
	if tracks > 1 {
		name = fmt.Sprintf("sound %d", s.Track)
	}
	return []Check{offsetCheck(name, s, picture), lengthCheck(name, s)}
}

func offsetCheck(name string, s Sound, picture bool) Check {
	c := Check{Name: name + " offset", Verdict: Good, Limit: millis(soundLimit)}
	var alikes, sure []soundAt
	strange := false  // at two places in a row; at one alone it may be an encoder's noise in place of the source's
	var worst soundAt // its offset is the smallest that fits, so where that is too large there is a fault, however vague it is
	for i, p := range s.Places {
		if i > 0 && !p.found() && !s.Places[i-1].found() && !strange {
			c.Verdict, strange = Bad, true
			c.Figure = fmt.Sprintf("not the source's sound at %s and %s", clockTime(asTime(s.Places[i-1].At)), clockTime(asTime(p.At)))
		}
		if p.Silent {
			c.Verdict = Bad
			c.Figure = fmt.Sprintf("the output is silent at %s, the source is not", clockTime(asTime(p.At)))
			return c
		}
		if p.found() {
			alikes = append(alikes, p)
			if asTime(p.Vague) <= soundLimit {
				sure = append(sure, p)
			}
			if math.Abs(p.Offset) > math.Abs(worst.Offset) || len(alikes) == 1 {
				worst = p
			}
		}
	}
	switch {
	case len(s.Places) == 0 && s.SourceSamples == 0 && s.OutputSamples == 0:
		c.Figure = "no samples, as the source"
		return c
	case len(s.Places) == 0:
		c.Figure = fmt.Sprintf("silent; begins %s ms off", signed(s.Start))
		if asTime(math.Abs(s.Start)) > soundLimit {
			c.Verdict = Bad
		}
		return c
	case 2*len(alikes) < len(s.Places):
		c.Verdict = Bad
		c.Figure = fmt.Sprintf("not the source's sound: %d of %d places are alike", len(alikes), len(s.Places))
		return c
	case strange:
		return c
	}
	what := ""
	if !picture {
		what = " (no picture)"
	}
	off := asTime(math.Abs(worst.Offset)) > soundLimit
	if off {
		c.Verdict = Bad
	}
	vague := len(alikes) - len(sure)
	const untold = "cannot be told: the sound repeats itself like a tone"
	switch begins := len(sure) == 1 && sure[0].Onset; {
	case begins && vague > 0:
		c.Figure = fmt.Sprintf("%s ms where it begins; behind that it %s", signed(sure[0].Offset), untold)
	case len(sure) == 0 && !off:
		c.Figure = untold
	}
	if c.Figure != "" {
		if !off {
			c.Verdict, c.Limit = Note, ""
		}
		return c
	}
	if len(sure) == 0 {
		sure = alikes
	}
	c.Figure = fmt.Sprintf("%s ms at the start, %s at the end, worst %s at %s%s",
		signed(sure[0].Offset), signed(sure[len(sure)-1].Offset), signed(worst.Offset), clockTime(asTime(worst.At)), what)
	if vague > 0 {
		c.Figure += fmt.Sprintf("; at %s it cannot be told, for the sound repeats itself", things(vague, "place"))
	}
	return c
}

// signed writes seconds as milliseconds with a sign, and what rounds to nothing as +0.0.
func signed(seconds float64) string {
	return fmt.Sprintf("%+.1f", math.Round(10_000*seconds)/10+0)
}

func lengthCheck(name string, s Sound) Check {
	c := Check{
		Name: name + " length", Verdict: Good, Limit: fmt.Sprintf("one codec frame, %.1f ms", 1000*s.Frame),
		Figure: fmt.Sprintf("%d samples, the source has %d: %s ms", s.OutputSamples, s.SourceSamples, signed(s.Longer)),
	}
	if s.SourceRate != s.OutputRate {
		c.Figure = fmt.Sprintf("%d samples of %d Hz, the source has %d of %d Hz: %s ms", s.OutputSamples, s.OutputRate, s.SourceSamples, s.SourceRate, signed(s.Longer))
	}
	// A sample more is what rounding between rates may give.
	slack := s.Frame + 1/float64(max(s.OutputRate, 1)) + 1/float64(max(s.SourceRate, 1))
	switch {
	case math.Abs(s.Longer) <= slack:
	case math.Abs(s.Start) <= slack && math.Abs(s.End) <= slack && s.Lost <= slack:
		// What the source leaves out was filled with silence, or what it says twice is heard once.
		c.Figure += fmt.Sprintf("; it begins %s ms off and ends %s", signed(s.Start), signed(s.End))
	default:
		c.Verdict = Bad
	}
	return c
}

// seamsCheck tells where encoders began, and how the worst frame near those places compares with the rest. Where only the
// start of the stream bears an encoder's mark, any keyframe may be such a place.
func seamsCheck(p Picture) (Check, bool) {
	if len(p.Seams) < 2 {
		return Check{}, false
	}
	var starts, all []time.Duration
	for _, s := range p.Seams {
		if s.At <= 0 {
			continue
		}
		all = append(all, time.Duration(s.At))
		if s.Restart {
			starts = append(starts, time.Duration(s.At))
		}
	}
	c := Check{Name: "seams", Verdict: Note, Figure: things(len(p.Seams), "keyframe")}
	seams, one := starts, "one"
	if len(starts) > 0 {
		c.Figure += fmt.Sprintf(", %s between them", things(len(starts), "encoder start"))
	} else {
		c.Figure += "; the stream does not say at which encoders began"
		seams, one = all, "a keyframe"
	}
	if len(seams) == 0 || p.Compared != "yes" {
		return c, true
	}
	near, far := math.Inf(1), math.Inf(1)
	next := 0
	for _, point := range p.Series {
		for next+1 < len(seams) && seams[next+1]-point.At < magnitudeOf(seams[next]-point.At) {
			next++
		}
		if magnitudeOf(point.At-seams[next]) <= nearSeam {
			near = min(near, float64(point.PSNR))
		} else {
			far = min(far, float64(point.PSNR))
		}
	}
	if !math.IsInf(near, 1) && !math.IsInf(far, 1) {
		c.Figure += fmt.Sprintf("; lowest PSNR within %s of %s %.2f dB, elsewhere %.2f", millis(nearSeam), one, near, far)
	}
	return c, true
}

// nearSeam is how far a seam's frames reach.
const nearSeam = 200 * time.Millisecond

func magnitudeOf(d time.Duration) time.Duration { return d.Abs() }

func asTime(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

// millis writes a short time in milliseconds.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms != 0 && math.Abs(ms) < 0.1:
		return fmt.Sprintf("%.3f ms", ms)
	case math.Abs(ms) < 10:
		return fmt.Sprintf("%.2g ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

func things(n int, name string) string {
	if n == 1 {
		return "1 " + name
	}
	return fmt.Sprintf("%d %ss", n, name)
}
