package stage

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
)

const unit = "video/00000"

// planned is a ledger with one unit.
func planned(t *testing.T) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.Plan(t.Context(), "film", slices.Values([]ledger.Unit{{Job: "film", ID: unit}}), time.Time{}); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWhatWasMadeAsTheWorkerWasStoppedIsKept(t *testing.T) {
	l := planned(t)
	ctx, stop := context.WithCancel(t.Context())
	w := Worker{Ledger: l, Temp: t.TempDir()}
	err := w.unit(ctx, "film", unit, func(ledger.Unit, string) (any, Event, error) {
		stop()
		return "facts", Event{Type: Finished}, nil
	}, func(ledger.Unit) { t.Error("the result was discarded") })
	if err != nil {
		t.Error(err)
	}
	u, err := l.Unit(t.Context(), "film", unit)
	if err != nil || u.State != ledger.Done || string(u.Facts) != `"facts"` {
		t.Errorf("the ledger has %+v, %v", u, err)
	}
}

// stopped is a ledger whose worker is stopped after an attempt is written and before the answer arrives.
type stopped struct {
	ledger.Ledger
	stop func()
}

func (l stopped) Begin(ctx context.Context, job, id, owner string, lease time.Time) (ledger.Unit, error) {
	u, err := l.Ledger.Begin(ctx, job, id, owner, lease)
	l.stop()
	return u, errors.Join(err, ctx.Err())
}

func TestAnAttemptThatIsStoppedAsItBeginsIsRecordedAsFailed(t *testing.T) {
	l := planned(t)
	ctx, stop := context.WithCancel(t.Context())
	w := Worker{Ledger: stopped{l, stop}, Temp: t.TempDir()}
	err := w.unit(ctx, "film", unit, func(ledger.Unit, string) (any, Event, error) {
		return nil, Event{}, ctx.Err() // as all that a stage does
	}, func(ledger.Unit) {})
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("it ends with %v, want %s", err, fault.Transient)
	}
	u, err := l.Unit(t.Context(), "film", unit)
	if err != nil || u.State != ledger.Failed || u.Failure == nil || u.Failure.Kind != string(fault.Transient) {
		t.Errorf("the ledger has %+v, %v", u, err)
	}
}
