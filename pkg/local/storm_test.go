package local

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/work"
)

// Forty audio tracks must not start forty encoders at once, nor twenty outputs as many muxers: every class whose units run a
// program waits for the machine.
func TestUnitsOfEveryClassWaitForTheMachine(t *testing.T) {
	t.Parallel()
	home, err := makeScratch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := sqlite.Open(t.Context(), t.TempDir()+"/ledger.db")
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	r := &runner{home: home, ledger: ledger, opts: Options{Jobs: 2}}
	for _, class := range work.UnitClasses() {
		var mu sync.Mutex
		busy, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			busy += n
			most = max(most, busy)
		}
		run := r.function(class, func(context.Context, json.RawMessage) (json.RawMessage, error) {
			count(1)
			defer count(-1)
			time.Sleep(2 * time.Millisecond)
			return nil, nil
		})
		var group errgroup.Group
		for i := range 20 {
			group.Go(func() error {
				_, err := run(t.Context(), json.RawMessage(fmt.Sprintf(`{"job":"none","unit":"%s/%d"}`, class, i)))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if most > 2 {
			t.Errorf("%d units of the class %s ran at once, want at most 2", most, class)
		}
	}
}
