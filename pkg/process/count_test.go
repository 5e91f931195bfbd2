package process

import (
	"testing"
	"time"
)

func TestTimeIsAddedToTheCountersOfAContext(t *testing.T) {
	t.Parallel()
	var run, unit, open Counter
	ctx := WithCounter(t.Context(), &run)
	of := WithCounter(ctx, &unit)
	Count(of, time.Second)
	Count(WithDetachedCounter(of, &open), 10*time.Second) // the run's, and not the unit's
	AddCPU(of, 100*time.Second)                           // the unit's alone
	AddCPU(t.Context(), time.Hour)                        // that context has no counter
	for _, test := range []struct {
		name        string
		c           *Counter
		cpu, unseen time.Duration
	}{
		{"the run", &run, 11 * time.Second, 11 * time.Second},
		{"the unit", &unit, 101 * time.Second, time.Second},
		{"the program that stays open", &open, 10 * time.Second, 10 * time.Second},
	} {
		if cpu, unseen := test.c.CPU(), test.c.Unseen(); cpu != test.cpu || unseen != test.unseen {
			t.Errorf("%s: %v, of which %v are unseen; want %v and %v", test.name, cpu, unseen, test.cpu, test.unseen)
		}
	}
}
