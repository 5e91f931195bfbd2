package target

import (
	"math"
	"slices"
)

// MaxProbes is how many values of CRF are tried for a segment.
const MaxProbes = 4

// Probe is a CRF that was tried, and what it gave.
type Probe struct {
	CRF   float64 `json:"crf"`
	Mean  float64 `json:"mean"`            // of the segment
	Worst float64 `json:"worst"`           // of a frame
	Bytes int64   `json:"bytes,omitempty"` // where its size is what is looked for
	Draft bool    `json:"draft,omitempty"` // encoded with the faster preset
}

// Search looks for the CRF that gives a quality. All of its results follow from its fields and the probes alone.
type Search struct {
	Quality Quality // normalised
	Step    float64 // between two values that the encoder tells apart
	Slope   float64 // what a step of 1 on the scale Level changes of the metric's linear value, usually; negative
	Level   Level
	First   float64 // CRF that gives about the target on common footage
	Draft   Draft   // what is tried before the real preset; zero: nothing
}

// Draft is a faster preset of the same encoder. It takes a fraction of the time, and at the same CRF the real preset is better by about the
// same offset in all footage. So a draft tells where the real preset meets the target.
type Draft struct {
	Preset string
	Offset float64 // by how many dB of XPSNR the real preset is better where it meets the target
	// Gain is by how much more the real preset's quality changes than the draft's, from one CRF to the next and from one segment to
	// another: it is better by more where the quality is high. 1 = by the same.
	Gain float64
}

// Search returns the search of q, which is normalised, with an encoder.
func (q Quality) Search(r Range) Search {
	s := Search{Quality: q, Step: r.Step, Slope: scales[q.Metric].slope * r.Slope, Level: r.Level}
	s.First = s.Level.crf(s.Level.of(r.Middle) + s.distance(scales[q.Metric].middle)/-s.Slope)
	return s
}

// WithDraft returns s with drafts, if they help it: offsets were measured for XPSNR only, and a range of a single CRF needs no search.
func (s Search) WithDraft(d Draft) Search {
	if d.Gain == 0 {
		d.Gain = 1
	}
	if s.Quality.Metric == XPSNR && s.Quality.Min < s.Quality.Max {
		s.Draft = d
	}
	return s
}

// Hit reports whether a mean quality is as near to the target as is wanted.
func (s Search) Hit(mean float64) bool {
	return math.Abs(s.distance(mean)) <= scales[s.Quality.Metric].tolerance
}

// Short reports whether a mean quality is below the target by more than what the steps of CRF make inevitable.
func (s Search) Short(mean float64) bool {
	return s.distance(mean) < -2*scales[s.Quality.Metric].tolerance
}

// distance returns by how much a quality is above the target, as the metric's linear value.
func (s Search) distance(mean float64) float64 {
	linear := scales[s.Quality.Metric].linear
	d := linear(mean) - linear(s.Quality.Target)
	return min(max(d, -1000), 1000) // an identical picture has an infinite PSNR
}

// Best returns which of the probes is nearest to the target, and of two equally near the one with the higher CRF; -1 for none.
// Drafts do not count.
func (s Search) Best(probes []Probe) int {
	best := -1
	for i, p := range probes {
		if p.Draft {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		d, least := math.Abs(s.distance(p.Mean)), math.Abs(s.distance(probes[best].Mean))
		if d < least || d == least && p.CRF > probes[best].CRF {
			best = i
		}
	}
	return best
}

// Next returns the CRF to try after the probes, and whether as a draft; more is false where the search is over: a probe hit, the best value
// is at an end of the range or between two neighbours that were tried, or MaxProbes were. A draft comes first and never ends a search. A second one
// would take half as long as an encode and seldom spare one.
//
// The first probe is where common footage meets the target. The second goes as far from it as the encoder's usual slope says. Where the target then lies
// between two probes, the next is where the line through them meets it; where it does not, the line goes on beyond them.
func (s Search) Next(probes []Probe) (next Probe, more bool) {
	drafts, own := s.split(probes)
	low, high := float64(s.Quality.Min), float64(s.Quality.Max)
	switch {
	case len(probes) == 0:
		return Probe{CRF: s.round(min(max(s.First, low), high)), Draft: s.Draft != Draft{}}, true
	case len(own) == 0:
		next.CRF = min(max(s.round(s.estimate(drafts, s.Slope/s.Draft.Gain)), low), high)
		return next, true
	}
	best := own[s.Best(own)]
	if len(own) >= MaxProbes || s.Hit(best.Mean) {
		return next, false
	}
	if low, high = s.bracket(own); low > high {
		return next, false
	}
	next.CRF = min(max(s.round(s.estimate(own, s.Slope)), low), high)
	return next, !tried(own, next.CRF)
}

// split separates the drafts from the other probes. The drafts get the quality that is expected of the real preset.
func (s Search) split(probes []Probe) (drafts, own []Probe) {
	for _, p := range probes {
		if !p.Draft {
			own = append(own, p)
			continue
		}
		p.Mean, p.Draft = p.Mean+s.Draft.Offset, false
		drafts = append(drafts, p)
	}
	return drafts, own
}

func tried(probes []Probe, crf float64) bool {
	return slices.ContainsFunc(probes, func(p Probe) bool { return p.CRF == crf })
}

// bracket returns the lowest and the highest CRF that are still worth trying: what lies between the highest that was too good and the
// lowest that was too bad.
func (s Search) bracket(probes []Probe) (low, high float64) {
	low, high = float64(s.Quality.Min), float64(s.Quality.Max)
	for _, p := range probes {
		if s.distance(p.Mean) > 0 {
			low = max(low, p.CRF+s.Step)
		} else {
			high = min(high, p.CRF-s.Step)
		}
	}
	return low, high
}

// estimate returns the CRF at which the target is expected. slope applies where the probes do not tell one.
func (s Search) estimate(probes []Probe, slope float64) float64 {
	near := slices.Clone(probes)
	slices.SortStableFunc(near, func(a, b Probe) int {
		return compare(math.Abs(s.distance(a.Mean)), math.Abs(s.distance(b.Mean)))
	})
	a := near[0]
	for _, b := range near[1:] {
		if between := s.distance(a.Mean) > 0 != (s.distance(b.Mean) > 0); between || len(near) == 2 {
			slope = s.slopeBetween(a, b, slope)
			break
		}
	}
	return s.Level.crf(s.Level.of(a.CRF) - s.distance(a.Mean)/slope)
}

// slopeBetween returns the slope between two probes, or other where that is not plausible.
func (s Search) slopeBetween(a, b Probe, other float64) float64 {
	measured := (s.distance(b.Mean) - s.distance(a.Mean)) / (s.Level.of(b.CRF) - s.Level.of(a.CRF))
	if measured < s.Slope/steepest && measured > s.Slope*steepest {
		return measured
	}
	return other
}

// steepest is by how much a slope may differ from the usual one; beyond that, what was measured is noise.
const steepest = 8

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// round returns the nearest value that the encoder tells from others.
func (s Search) round(crf float64) float64 { return math.Round(crf/s.Step) * s.Step }
