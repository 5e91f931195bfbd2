package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestAUnitFarBeyondItsPeersGetsASecondTry(t *testing.T) {
	seconds := func(list ...int) (all []time.Duration) {
		for _, s := range list {
			all = append(all, time.Duration(s)*time.Second)
		}
		return all
	}
	for _, test := range []struct {
		name          string
		done, running []time.Duration
		found         string
		wait          time.Duration
	}{
		{"nothing is under way", seconds(10, 10, 10, 10), nil, "", 0},
		{"too few are done to compare with", seconds(10, 10, 10), seconds(500), "", 0},
		{"one is as fast as the others", seconds(10, 10, 10, 10), seconds(9), "", 16 * time.Second},
		{"one takes longer, but a second try would not be done before it", seconds(10, 10, 10, 10), seconds(24), "", time.Second},
		{"one has taken two and a half times the median", seconds(10, 8, 10, 12, 90), seconds(25), "video/0", 0},
		{"the one that runs the longest comes first", seconds(10, 10, 10, 10), seconds(3, 40, 60, 50), "video/2", 0},
		{"short units are not worth it", seconds(1, 1, 1, 1), seconds(6, 8), "", 2 * time.Second},
		{"units that took no time at all", seconds(0, 0, 0, 0), seconds(11), "video/0", 0},
	} {
		var running []peer
		for i, d := range test.running {
			running = append(running, peer{ledger.Unit{ID: fmt.Sprintf("video/%d", i)}, d})
		}
		found, wait := straggler(test.done, running, 10*time.Second)
		got := ""
		if found != nil {
			got = found.unit.ID
		}
		if got != test.found || wait != test.wait {
			t.Errorf("%s: %q after %v, want %q after %v", test.name, got, wait, test.found, test.wait)
		}
	}
}

func TestAFewWorkersLookForSlowUnits(t *testing.T) {
	for _, test := range []struct{ share, units, least, most int }{
		{0, 30, 30, 30}, {50, 1000, 10, 35}, {50, 60, 1, 6}, {50, 10_000, 150, 250},
	} {
		n := 0
		for i := range test.units {
			if (&Twins{Share: test.share}).looks(fmt.Sprintf("video/%05d", i), test.units) {
				n++
			}
		}
		if n < test.least || n > test.most {
			t.Errorf("%d of %d look with a share of %d, want %d to %d", n, test.units, test.share, test.least, test.most)
		}
	}
}

func TestWhatIsSavedFollowsFromWhatWasDone(t *testing.T) {
	for _, test := range []struct {
		done, all work.Amount
		want      time.Duration
	}{
		{work.Amount{Media: 250}, work.Amount{Media: 1000}, 60 * time.Second},
		{work.Amount{Count: 10, Media: 900}, work.Amount{Count: 20, Media: 1000}, 20 * time.Second},
		{work.Amount{}, work.Amount{Media: 1000}, 0},
		{work.Amount{Media: 1000}, work.Amount{Media: 1000}, 0},
	} {
		var p progress
		p.note(test.done)
		if got := p.left(test.all, 20*time.Second); got != test.want {
			t.Errorf("%+v of %+v in 20 s: %v, want %v", test.done, test.all, got, test.want)
		}
	}
}

func TestASecondTryBeginsOnlyWhereItCanEndInTime(t *testing.T) {
	for _, test := range []struct {
		left, wait, usual time.Duration
		want              bool
	}{
		{time.Minute, 0, 30 * time.Second, true},
		{time.Minute, 0, 31 * time.Second, false},
		{time.Minute, 20 * time.Second, 20 * time.Second, true},
		{time.Minute, 21 * time.Second, 20 * time.Second, false},
		{-time.Second, 0, 0, false},
	} {
		if got := inTime(test.left, test.wait, test.usual); got != test.want {
			t.Errorf("%v left, in %v, usually %v: %t", test.left, test.wait, test.usual, got)
		}
	}
}
