package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// stuck is a kind of which one attempt at one unit goes on far longer than the others, which take a while too.
type stuck struct {
	work.Kind
	unit    string
	attempt int
	long    time.Duration

	others *sync.WaitGroup // units that the attempts before that one wait for, to fail then
}

func (s stuck) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	wait := 20 * time.Millisecond
	if u.Name == s.unit && env.Attempt < s.attempt {
		s.others.Wait()
		time.Sleep(200 * time.Millisecond) // until the ledger has the last of them
		return work.Result{}, fault.New(fault.Corrupt, "not yet")
	}
	if u.Name == s.unit && env.Attempt == s.attempt {
		env.Progress(work.Amount{Media: 100_000, Count: 0}) // a tenth of its second
		wait = s.long
	}
	select {
	case <-time.After(wait):
		result, err := s.Kind.Run(ctx, env, u)
		if s.others != nil && u.Name != s.unit {
			s.others.Done()
		}
		return result, err
	case <-ctx.Done():
		return work.Result{}, context.Cause(ctx)
	}
}

// withStuck is the toy with a kind of which one attempt at the checksums of a second is stuck.
func withStuck(how stuck) work.Registry {
	registry := toy.Add(work.Registry{})
	for i, k := range registry.Kinds {
		if k.Name() == "checksum" {
			how.Kind = k
			registry.Kinds[i] = how
		}
	}
	return registry
}

// noisyRequest returns the request for the checksums of each second of a noise, its source, and the folder of its output.
func noisyRequest(t *testing.T, rate int) (source, out string, request []byte) {
	t.Helper()
	source, out = toytest.NoisyWAV(t, rate, 10), t.TempDir()
	request, err := json.Marshal(toyRequest(source, out, work.RouteLambda))
	if err != nil {
		t.Fatal(err)
	}
	return source, out, request
}

// TestASlowUnitIsTriedASecondTime makes one unit take a minute where the others take milliseconds.
func TestASlowUnitIsTriedASecondTime(t *testing.T) {
	t.Parallel()
	const rate, slow = 16_000, time.Minute
	source, out, request := noisyRequest(t, rate)
	scratch := t.TempDir()
	registry := withStuck(stuck{unit: "checksum/00008", attempt: 1, long: slow})
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

// TestTheLastUnitIsTriedASecondTime continues a run of which all units but one were done. No unit is done after that one has begun,
// and would look for it.
func TestTheLastUnitIsTriedASecondTime(t *testing.T) {
	t.Parallel()
	const rate, slow = 16_000, time.Minute
	_, _, request := noisyRequest(t, rate)
	scratch := t.TempDir()
	var others sync.WaitGroup
	others.Add(10)
	registry := withStuck(stuck{unit: "checksum/00010", attempt: 2, others: &others, long: slow})
	opts := local.Options{Scratch: scratch, Registry: registry, Jobs: 2}
	if _, err := local.Run(t.Context(), request, opts); fault.KindOf(err) != fault.Corrupt {
		t.Fatalf("the first run ended with %v", err)
	}
	opts.TwinAfter = 200 * time.Millisecond
	began := time.Now()
	report, err := local.Run(t.Context(), request, opts)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > slow/2 {
		t.Errorf("the job took %v, where the unit alone would have taken %v", took, slow)
	}
	if report.Ran["checksum"] != 1 {
		t.Fatalf("the second run did not only have the slow unit to do: %v", report.Ran)
	}
	if report.Twins.Tried != 1 || report.Twins.First != 1 {
		t.Errorf("second tries %+v", report.Twins)
	}
}
