package stage

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
)

func TestWhatWasMadeAsTheWorkerWasStoppedIsKept(t *testing.T) {
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const id = "video/00000"
	if err := l.Plan(t.Context(), "film", slices.Values([]ledger.Unit{{Job: "film", ID: id}}), time.Time{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	w := Worker{Ledger: l, Temp: t.TempDir()}
	err = w.unit(ctx, "film", id, func(ledger.Unit, string) (any, Event, error) {
		stop()
		return "facts", Event{Type: Finished}, nil
	}, func(ledger.Unit) { t.Error("the result was discarded") })
	if err != nil {
		t.Error(err)
	}
	u, err := l.Unit(t.Context(), "film", id)
	if err != nil || u.State != ledger.Done || string(u.Facts) != `"facts"` {
		t.Errorf("the ledger has %+v, %v", u, err)
	}
}
