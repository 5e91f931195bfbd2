package sizing

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/film/target"
)

// Segments share the bytes so that the sum is what was asked for, and a harder one gets more.
func TestSharesAddUpToTheFilm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var curves []Curve
		for range rapid.IntRange(1, 40).Draw(t, "segments") {
			low := rapid.Int64Range(1000, 10_000_000).Draw(t, "bytes")
			curves = append(curves, Curve{{19, low}, {27, int64(float64(low) * rapid.Float64Range(0.2, 0.7).Draw(t, "falls to"))}})
		}
		wanted := rapid.Int64Range(100_000, 100_000_000).Draw(t, "wanted")
		share := NewShare(curves, wanted, 0.9, 51)
		sum := 0.0
		for _, c := range curves {
			sum += share.Of(c)
		}
		if math.Abs(sum-float64(wanted)) > 1e-6*float64(wanted) {
			t.Fatalf("the segments get %v of %d bytes", sum, wanted)
		}
		if share.Level > 1 && share.Level < 50 && math.Abs(share.Total*0.9/float64(wanted)-1) > 0.01 {
			t.Fatalf("at CRF %v, the first pass takes %v bytes for %d", share.Level, share.Total, wanted)
		}
		for i, c := range curves {
			for k, other := range curves {
				if c.Bytes(share.Level) > other.Bytes(share.Level) && share.Of(c) < share.Of(other) {
					t.Fatalf("segment %d is harder than %d and gets less", i, k)
				}
			}
		}
	})
}

// Whatever the encoder's slope, a search ends near the bytes it was given, or at an end of the range.
func TestASearchFindsItsBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		slope := rapid.Float64Range(-0.24, -0.09).Draw(t, "slope")
		at21 := rapid.Float64Range(20_000, 50_000_000).Draw(t, "bytes at CRF 21")
		size := func(crf float64) int64 { return int64(at21 * math.Exp2((crf-21)*slope)) }
		s := Search{
			Bytes: at21 * math.Exp2(rapid.Float64Range(-1.5, 1.5).Draw(t, "wanted")), First: 21, Slope: usualSlope, Low: 1, High: 51, Step: 0.05,
		}
		var probes []target.Probe
		for next, more := s.Next(nil); more; next, more = s.Next(probes) {
			if next.CRF < s.Low || next.CRF > s.High {
				t.Fatalf("CRF %v is outside of the range", next.CRF)
			}
			probes = append(probes, target.Probe{CRF: next.CRF, Bytes: size(next.CRF)})
		}
		if len(probes) > maxProbes {
			t.Fatalf("%d probes", len(probes))
		}
		if found := probes[s.Best(probes)]; !s.Hit(found.Bytes) {
			t.Fatalf("wanted %v bytes, found %+v", s.Bytes, probes)
		}
	})
}

// An encoder with whole steps gets the nearer of two neighbours.
func TestWholeStepsEndAtTheNearest(t *testing.T) {
	t.Parallel()
	size := func(crf float64) int64 { return int64(1e6 * math.Exp2(-crf/8)) }
	s := Search{Bytes: float64(size(30.4)), First: 36, Slope: -0.1, Low: 1, High: 63, Step: 1}
	var probes []target.Probe
	for next, more := s.Next(nil); more; next, more = s.Next(probes) {
		probes = append(probes, target.Probe{CRF: next.CRF, Bytes: size(next.CRF)})
	}
	if got := probes[s.Best(probes)].CRF; got != 30 {
		t.Errorf("ended at CRF %v: %+v", got, probes)
	}
}

// The best that can be had of a segment without detail is fewer bytes than it was given.
func TestASearchEndsAtTheLowestCRF(t *testing.T) {
	t.Parallel()
	s := Search{Bytes: 1e6, First: 12, Slope: usualSlope, Low: 1, High: 51, Step: 0.05}
	var probes []target.Probe
	for next, more := s.Next(nil); more; next, more = s.Next(probes) {
		probes = append(probes, target.Probe{CRF: next.CRF, Bytes: 900})
	}
	if got := probes[len(probes)-1].CRF; got != 1 || len(probes) > maxProbes {
		t.Errorf("ended at CRF %v after %d probes", got, len(probes))
	}
}
