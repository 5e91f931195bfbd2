package target

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	x264 = Range{Low: 8, High: 44, Top: 51, Step: 0.25, Middle: 26, Slope: 1}
	av1  = Range{Low: 10, High: 60, Top: 63, Step: 1, Middle: 32, Slope: 51.0 / 63}
)

// try runs a search against a curve, and returns all probes and the best of them.
func try(s Search, curve func(crf float64) float64) (probes []Probe, best Probe) {
	for next, more := s.Next(nil); more; next, more = s.Next(probes) {
		next.Mean = curve(next.CRF)
		probes = append(probes, next)
	}
	return probes, probes[s.Best(probes)]
}

func TestTheSearchEndsNearTheTarget(t *testing.T) {
	t.Parallel()
	line := func(at28, slope float64) func(float64) float64 {
		return func(crf float64) float64 { return at28 + (28-crf)*slope }
	}
	for name, c := range map[string]struct {
		quality Quality
		of      Range
		curve   func(float64) float64
		most    int     // probes
		within  float64 // of the target
	}{
		"as usual":       {Quality{Target: 42}, x264, line(40, 0.6), 2, 0.25},
		"common footage": {Quality{Target: 40}, x264, line(33.8, 0.6), 1, 0.25},
		"steep":          {Quality{Target: 42}, x264, line(36, 1.1), 3, 0.25},
		"flat":           {Quality{Target: 42}, x264, line(40, 0.4), 3, 0.25},
		"curved":         {Quality{Target: 45}, x264, func(crf float64) float64 { return 60 - 0.3*crf - 0.01*crf*crf }, 4, 0.25},
		"whole steps":    {Quality{Target: 42}, av1, line(40, 0.5), 3, 0.3},
		"ssim":           {Quality{Metric: SSIM, Target: 0.98}, x264, func(crf float64) float64 { return 1 - math.Pow(10, -(25-crf*0.4)/10) }, 3, 0.001},
		"vmaf":           {Quality{Metric: VMAF, Target: 94}, x264, line(88, 2), 3, 0.5},
	} {
		probes, best := try(c.quality.Normalise(c.of).Search(c.of), c.curve)
		if len(probes) > c.most || math.Abs(best.Mean-c.quality.Target) > c.within {
			t.Errorf("%s: %+v after %d probes %+v; want %v within %v after %d", name, best, len(probes), probes, c.quality.Target, c.within, c.most)
		}
	}
}

// A draft tells where the real preset meets the target. There is one, however far it is from the target.
func TestDraftsComeBeforeTheRealPreset(t *testing.T) {
	t.Parallel()
	const better = 1.4
	for name, c := range map[string]struct {
		at26, slope float64 // of the real preset
		offset      float64 // of the draft
		gain        float64
		real        int
	}{
		"as usual":          {35.5, 0.6, better, 1, 1},
		"hard footage":      {33, 0.6, better - 0.7, 1.3, 1}, // whose draft is less worse
		"easy footage":      {38, 0.6, better + 0.7, 1.3, 1},
		"flat":              {35, 0.45, better, 1, 2},
		"far":               {28, 0.9, better, 1, 3},
		"a draft misleads":  {35.5, 0.6, better + 1, 1, 2},
		"better at any CRF": {100, 0, 0, 1, 1},
	} {
		s := Quality{Target: 40}.Normalise(x264).Search(x264).WithDraft(Draft{Preset: "veryfast", Offset: better, Gain: c.gain})
		var probes []Probe
		count := map[bool]int{}
		for next, more := s.Next(nil); more; next, more = s.Next(probes) {
			if next.Mean = c.at26 + (26-next.CRF)*c.slope; next.Draft {
				next.Mean -= c.offset
			}
			if next.Draft && count[false] > 0 {
				t.Errorf("%s: a draft after the real preset: %+v, %+v", name, probes, next)
			}
			probes = append(probes, next)
			count[next.Draft]++
		}
		best := probes[s.Best(probes)]
		if best.Draft || count[true] != 1 || count[false] != c.real || c.slope > 0 && !s.Hit(best.Mean) {
			t.Errorf("%s: %+v of %+v, want a draft and %d others", name, best, probes, c.real)
		}
	}
}

func TestSomeSearchesHaveNoDrafts(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]Quality{"another metric": {Metric: SSIM, Target: 0.97}, "one CRF": {Target: 40, Min: 20, Max: 20}} {
		if next, _ := q.Normalise(x264).Search(x264).WithDraft(Draft{Preset: "veryfast", Offset: 1}).Next(nil); next.Draft {
			t.Errorf("%s: begins with a draft", name)
		}
	}
}

func TestATargetBeyondTheRangeGivesItsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target, at, crf float64
	}{
		"black frames are perfect at any CRF": {42, 100, 36},
		"grain never gets so good":            {42, 20, 18},
	} {
		q := Quality{Target: c.target, Min: 18, Max: 36}.Normalise(x264)
		probes, best := try(q.Search(x264), func(crf float64) float64 { return c.at - crf/1000 })
		if best.CRF != c.crf || len(probes) > 3 {
			t.Errorf("%s: CRF %v after %+v, want %v", name, best.CRF, probes, c.crf)
		}
	}
}

// Whatever the curve, as long as it falls: no CRF is tried twice, all are steps within the range, there are at most four, and the
// one that is kept is the nearest.
func TestSearchProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom([]Range{x264, av1}).Draw(t, "codec")
		q := Quality{Target: rapid.Float64Range(20, 70).Draw(t, "target")}
		q.Min = rapid.IntRange(1, r.Top).Draw(t, "min")
		q.Max = rapid.IntRange(q.Min, r.Top).Draw(t, "max")
		s := q.Normalise(r).Search(r)
		if rapid.Bool().Draw(t, "drafts") {
			s = s.WithDraft(Draft{Preset: "fast", Offset: rapid.Float64Range(-1, 3).Draw(t, "offset")})
		}
		top, slope, bend := rapid.Float64Range(0, 100).Draw(t, "top"), rapid.Float64Range(0, 3).Draw(t, "slope"), rapid.Float64Range(0, 0.1).Draw(t, "bend")
		probes, best := try(s, func(crf float64) float64 { return top - slope*crf - bend*crf*crf })
		if drafts, own := s.split(probes); len(own) > MaxProbes || len(drafts) > 1 {
			t.Fatalf("%d drafts, %d probes: %+v", len(drafts), len(own), probes)
		}
		type trial struct {
			crf   float64
			draft bool
		}
		seen := map[trial]bool{}
		for _, p := range probes {
			if seen[trial{p.CRF, p.Draft}] || p.CRF < float64(q.Min) || p.CRF > float64(q.Max) || math.Mod(p.CRF, r.Step) != 0 {
				t.Fatalf("CRF %v of %d to %d in %+v", p.CRF, q.Min, q.Max, probes)
			}
			seen[trial{p.CRF, p.Draft}] = true
			if !p.Draft && math.Abs(p.Mean-q.Target) < math.Abs(best.Mean-q.Target) {
				t.Fatalf("%+v is kept, %+v is nearer to %v", best, p, q.Target)
			}
		}
	})
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]Quality{
		`/metric "psnr" is not one of xpsnr, ssim, vmaf`:            {Metric: "psnr", Target: 40},
		"/target 98 is outside 0.5 to 0.9999 for ssim":              {Metric: SSIM, Target: 98},
		"/target 0 is outside 20 to 70 for xpsnr":                   {},
		"/max 60 is outside 1 to 51, which is the CRF of the codec": {Target: 40, Max: 60},
		"/min 40 is above max, 30":                                  {Target: 40, Min: 40, Max: 30},
		"/target NaN is outside 20 to 99 for vmaf":                  {Metric: VMAF, Target: math.NaN()},
		"/min -1 is outside 1 to 51, which is the CRF of the codec": {Target: 40, Min: -1},
		"/target +Inf is outside 20 to 70 for xpsnr":                {Target: math.Inf(1)},
	} {
		ps := q.Check(x264)
		if len(ps) != 1 || ps[0].Field+" "+ps[0].Message != want {
			t.Errorf("%+v: %v, want %s", q, ps, want)
		}
	}
	if ps := (Quality{Metric: VMAF, Target: 94, Min: 18, Max: 36}).Check(x264); len(ps) > 0 {
		t.Error(ps)
	}
}

func TestAWishIsAQualityInOneText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Wish{
		"xpsnr=42":        {Metric: XPSNR, Target: 42},
		"ssim=0.98,18-36": {Metric: SSIM, Target: 0.98, Min: 18, Max: 36},
		"42":              {}, "xpsnr": {}, "xpsnr=": {}, "xpsnr=42,0-10": {}, "xpsnr=42,18": {}, "xpsnr=-1": {}, "": {},
		strings.Repeat("9", 500) + "=1": {},
	} {
		var w Wish
		err := w.UnmarshalText([]byte(text))
		if (err == nil) != (want != Wish{}) || err == nil && w != want || err != nil && len(err.Error()) > 200 {
			t.Errorf("%q: %+v, %v; want %+v", text, w, err, want)
		}
	}
}

func TestASegmentIsShortOnlyBelowTheTarget(t *testing.T) {
	t.Parallel()
	s := Quality{Target: 42}.Normalise(x264).Search(x264)
	for mean, want := range map[float64]bool{100: false, 42.4: false, 41.6: false, 41.4: true, 20: true} {
		if got := s.Short(mean); got != want {
			t.Errorf("%v dB: %t, want %t", mean, got, want)
		}
	}
}

// The quality is linear on the encoder's own scale, and curved over CRF, as that of SVT-AV1: 0.3 dB a step at CRF 10 and 0.1 dB at 30.
func TestTheSearchFollowsTheLevelOfTheEncoder(t *testing.T) {
	t.Parallel()
	of := func(crf float64) float64 { return 20 * math.Log10(4*crf+7) }
	quality := func(crf float64) float64 { return 53 - 0.34*of(crf) }
	r := Range{
		Low: 10, High: 60, Top: 63, Step: 1, Middle: 48, Slope: 0.34 / 0.6,
		Level: Level{Of: of, CRF: func(level float64) float64 { return (math.Pow(10, level/20) - 7) / 4 }},
	}
	for _, target := range []float64{37.5, 39, 40.5, 41.5} {
		s := Quality{Target: target}.Normalise(r).Search(r)
		if probes, best := try(s, quality); len(probes) > 2 || !s.Hit(best.Mean) {
			t.Errorf("%v: %+v after %+v, want at most 2", target, best, probes)
		}
	}
}
