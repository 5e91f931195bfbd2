package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// stuck is a kind whose first attempt at one unit goes on far longer than the others, which take a while too.
type stuck struct {
	work.Kind
	unit string
	long time.Duration
}

func (s stuck) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	wait := 20 * time.Millisecond
	if u.Name == s.unit && env.Attempt == 1 {
		env.Progress(work.Amount{Media: 100_000, Count: 0}) // a tenth of its second
		wait = s.long
	}
	select {
	case <-time.After(wait):
		return s.Kind.Run(ctx, env, u)
	case <-ctx.Done():
		return work.Result{}, context.Cause(ctx)
	}
}

// TestASlowUnitIsTriedASecondTime makes one unit take a minute where the others take milliseconds.
func TestASlowUnitIsTriedASecondTime(t *testing.T) {
	t.Parallel()
	const rate, slow = 16_000, time.Minute
	source, out, scratch := toytest.NoisyWAV(t, rate, 10), t.TempDir(), t.TempDir()
	request, err := json.Marshal(toyRequest(source, out, work.RouteLambda))
	if err != nil {
		t.Fatal(err)
	}
	registry := toy.Add(work.Registry{})
	for i, k := range registry.Kinds {
		if k.Name() == "checksum" {
			registry.Kinds[i] = stuck{Kind: k, unit: "checksum/00008", long: slow}
		}
	}
	began := time.Now()
	report, err := local.Run(t.Context(), request, local.Options{Scratch: scratch, Registry: registry, Jobs: 2, TwinAfter: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > slow/2 {
		t.Errorf("the job took %v, where one unit alone would have taken %v", took, slow)
	}
	got, err := os.ReadFile(filepath.Join(out, "noise.wav.sha256"))
	if err != nil {
		t.Fatal(err)
	}
	if want := toytest.Checksums(t, source, rate); !bytes.Equal(got, []byte(want)) {
		t.Errorf("the output is\n%s, want\n%s", got, want)
	}
	if twins := report.Twins; twins.Tried != 1 || twins.First != 1 || twins.Spent <= 0 || twins.Saved <= twins.Spent {
		t.Errorf("second tries %+v", twins)
	}
	if report.Ran["checksum"] != 11 {
		t.Errorf("units that ran: %v", report.Ran)
	}
	assertEmpty(t, filepath.Join(scratch, "pieces"))
}
