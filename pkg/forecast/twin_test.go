package forecast

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
)

func TestSecondTriesEndAJobSoonerWhereUnitsHang(t *testing.T) {
	c := exact()
	c.Stragglers, c.StragglerFactor = 0.02, 10
	without := simulate(t, film(100, 10*time.Second), c, 3)
	c.Twins = true
	with := simulate(t, film(100, 10*time.Second), c, 3)
	// A slow segment takes 100 s instead of 10. Its second try begins after 25 s and takes 10, and a second passes until that is seen:
	// 36 s instead of 10, in a job of 18 s.
	if want := 108 * time.Second; without.Wall < want || without.Wall > want+time.Second || without.Twins != 0 {
		t.Errorf("without second tries: %v and %d, want %v", without.Wall, without.Twins, want)
	}
	if want := 44 * time.Second; with.Wall < want || with.Wall > want+time.Second || with.Twins == 0 || with.Twins > 6 {
		t.Errorf("with second tries: %v and %d, want %v", with.Wall, with.Twins, want)
	}
	// 64 s of a function less, and 10 s more, for each.
	if a, b := price.Default().Bill(with.Sum).Total, price.Default().Bill(without.Sum).Total; a >= b {
		t.Errorf("it costs %v with second tries and %v without", a, b)
	}
}

func TestUnitsThatTakeTwiceAsLongGetNoSecondTry(t *testing.T) {
	c := exact()
	c.Stragglers, c.StragglerFactor, c.Twins = 0.05, 2, true
	if r := simulate(t, film(100, 10*time.Second), c, 3); r.Twins != 0 || r.Wall < 28*time.Second {
		t.Errorf("%+v", r)
	}
}
