package engine

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// meterOf says that attempt n used n seconds of a function with 1 GiB, and invoked it once.
func meterOf(ctx context.Context, attempt int, _ work.Needs) (context.Context, func(work.Result) price.Use) {
	return ctx, func(work.Result) price.Use {
		return price.Use{Place: price.OnLambda, Millis: int64(attempt) * 1000, Memory: 1024, Requests: 1}
	}
}

func TestAttemptsThatFailAreCharged(t *testing.T) {
	f, job := planned(t)
	f.Meter = meterOf
	fail := true
	f.setKind(writer{name: "a", hook: func(*work.Env) error {
		if fail {
			return fault.New(fault.Transient, "not yet")
		}
		return nil
	}})
	for n := range 3 {
		fail = n < 2
		if _, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"}); (err != nil) != fail {
			t.Fatal(n, err)
		}
	}
	spent, err := ReadSpent(t.Context(), f.Ledger, job)
	if err != nil {
		t.Fatal(err)
	}
	// 1 + 2 + 3 seconds: 6 GB-s × 0.0000166667 = 0.0001000002, 3 requests × 0.0000002 = 0.0000006
	if cost := spent.Cost(price.Default()); cost == nil || cost.Total != 100_600 || spent.Attempts != 3 || spent.Unrecorded != 0 {
		t.Errorf("%+v cost %+v, want 100600 nano-dollars for 3 attempts", spent, cost)
	}
}

func TestAnAttemptThatLosesIsChargedToo(t *testing.T) {
	f, job := planned(t)
	f.Meter = meterOf
	f.setKind(writer{name: "a", hook: func(env *work.Env) error {
		if env.Attempt > 1 {
			return nil
		}
		_, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"}) // another worker is faster
		return err
	}})
	if _, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"}); err != nil {
		t.Fatal(err)
	}
	u, err := f.Ledger.Unit(t.Context(), job, "a/1")
	if err != nil || u.Attempt != 2 || len(u.Used) != 2 {
		t.Errorf("attempt %d won, and %d attempts are recorded: %v", u.Attempt, len(u.Used), err)
	}
}

// unable is a ledger that cannot record what was used.
type unable struct{ ledger.Ledger }

func (unable) AddUse(context.Context, string, string, int, json.RawMessage) error {
	return errors.New("the ledger is away")
}

func TestWorkIsKeptIfItsUseCannotBeRecorded(t *testing.T) {
	f, job := planned(t)
	f.Meter = meterOf
	f.setKind(writer{name: "a"})
	whole := f.Ledger
	f.Ledger = unable{whole}
	if _, err := f.Run(t.Context(), RunInput{Job: job, Unit: "a/1"}); err != nil {
		t.Fatal(err)
	}
	spent, err := ReadSpent(t.Context(), whole, job)
	if err != nil || spent.Unrecorded != 1 || spent.Cost(price.Default()) != nil {
		t.Errorf("%+v, %v; want one attempt without a record, and no cost", spent, err)
	}
}

func TestARecordOfUseIsShort(t *testing.T) {
	largest := int64(1e12)
	data, err := json.Marshal(price.Use{
		Place: price.OnBatch, Millis: 1e7, CPU: 1e8, Arch: "arm64", CPUs: 64, GPUs: 8, Instance: "c7gn.16xlarge", Spot: true,
		Transitions: 3, Puts: 1e4, Gets: 1e4, In: largest, Out: largest, Writes: 1e4, Reads: 1e4, FilesIn: largest, FilesOut: largest,
	})
	if err != nil || len(data) > 300 {
		t.Errorf("it has %d bytes, %v: %s", len(data), err, data)
	}
	if least, _ := json.Marshal(price.Use{Place: price.Here, Millis: 1234, CPU: 2345, Arch: "amd64"}); len(least) > 60 {
		t.Errorf("here it has %d bytes: %s", len(least), least)
	}
}

// The time of an attempt that failed is that of its record; without one it is not known.
func TestAFailedUnitBeganWhenItsRecordSays(t *testing.T) {
	t.Parallel()
	ended := time.UnixMilli(9_000)
	u := ledger.Unit{ID: "video/00000", State: ledger.Failed, Attempt: 2, Updated: ended, Spec: json.RawMessage(`{}`)}
	for _, want := range []struct {
		used  map[int]json.RawMessage
		began time.Time
	}{
		{map[int]json.RawMessage{1: json.RawMessage(`{"ms":7000}`), 2: json.RawMessage(`{"ms":3000}`)}, ended.Add(-3 * time.Second)},
		{map[int]json.RawMessage{1: json.RawMessage(`{"ms":7000}`)}, time.Time{}},
	} {
		u.Used = want.used
		if r, err := reportOf(u); err != nil || !r.Began.Equal(want.began) || !r.Ended.Equal(ended) {
			t.Errorf("from %v to %v, want from %v; %v", r.Began, r.Ended, want.began, err)
		}
	}
}
