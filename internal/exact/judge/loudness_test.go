package judge

import (
	"slices"
	"testing"
)

// A part with a gain of its own may leave the whole track as loud as it should be.
func TestLoudnessIsComparedAtEveryMoment(t *testing.T) {
	t.Parallel()
	moments := []float64{-120, -36, -30, -30, -30, -30, -25, -20, -20, -20, -20}
	onePass := []Loudness{{Integrated: -23, Moments: moments}}
	change := func(integrated float64, at int, by float64) []Loudness {
		changed := slices.Clone(moments)
		if at >= 0 {
			changed[at] += by
		}
		return []Loudness{{Integrated: integrated, Moments: changed}}
	}
	for name, c := range map[string]struct {
		got  []Loudness
		want string
	}{
		"equal":                   {change(-23.05, -1, 0), ""},
		"louder":                  {change(-22.8, -1, 0), "audio 1 has -22.80 LUFS"},
		"louder for a moment":     {change(-23, 3, 0.2), "audio 1 is +0.20 LU from one pass at 0.4 s"},
		"a sound begins later":    {change(-23, 1, -3), ""},
		"nearly so for a moment":  {change(-23, 9, 0.09), ""},
		"shorter than one pass's": {[]Loudness{{Integrated: -23, Moments: moments[:2]}}, ""},
	} {
		problems := compareLoudness(-23, c.got, onePass)
		if got := slices.Concat(problems, []string{""})[0]; got != c.want {
			t.Errorf("%s: %q, want %q", name, problems, c.want)
		}
	}
	if problems := compareLoudness(-23, change(-23, 3, 5), nil); len(problems) > 0 {
		t.Errorf("without one pass: %q", problems)
	}
}
