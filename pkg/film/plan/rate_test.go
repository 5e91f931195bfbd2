package plan_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestConstantRatesAreToldFromVariableOnes(t *testing.T) {
	ms, film := media.Rational{Num: 1, Den: 1000}, media.Rational{Num: 24000, Den: 1001}
	times := func(rate, tb media.Rational, n int) (list []media.Ticks) {
		for i := range n {
			list = append(list, 7+media.Rescale(media.Ticks(i), media.Rational{Num: rate.Den, Den: rate.Num}, tb))
		}
		return list
	}
	even := times(film, ms, 10_000)
	hole := append(append([]media.Ticks(nil), even[:500]...), even[501:]...)
	for name, c := range map[string]struct {
		index plan.Index
		rate  media.Rational
		tb    media.Rational
		want  bool
	}{
		"film in milliseconds":           {plan.Index{Times: even}, film, ms, true},
		"film in exact ticks":            {plan.Index{Times: times(film, media.Rational{Num: 1, Den: 24000}, 5000)}, film, media.Rational{Num: 1, Den: 24000}, true},
		"a tick is a frame":              {plan.Index{Times: times(media.Rational{Num: 25, Den: 1}, media.Rational{Num: 1, Den: 25}, 100)}, media.Rational{Num: 25, Den: 1}, media.Rational{Num: 1, Den: 25}, true},
		"240 a second in milliseconds":   {plan.Index{Times: times(media.Rational{Num: 240, Den: 1}, ms, 5000)}, media.Rational{Num: 240, Den: 1}, ms, true},
		"old QuickTime":                  {plan.Index{Times: times(film, media.Rational{Num: 1, Den: 600}, 5000)}, film, media.Rational{Num: 1, Den: 600}, true},
		"another rate":                   {plan.Index{Times: even}, media.Rational{Num: 24, Den: 1}, ms, false},
		"a frame is missing":             {plan.Index{Times: hole}, film, ms, false},
		"sync frames of the rate":        {plan.Index{Start: 7, Sync: []media.Ticks{7, even[240], even[9000]}}, film, ms, true},
		"a sync frame between two":       {plan.Index{Start: 7, Sync: []media.Ticks{7, even[240], even[300] + 20}}, film, ms, false},
		"a rate that is not known":       {plan.Index{Times: even}, media.Rational{}, ms, false},
		"milliseconds taken for a rate ": {plan.Index{Times: even}, media.Rational{Num: 1000, Den: 1}, ms, false},
	} {
		if got := c.index.HasRate(c.rate, c.tb); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
