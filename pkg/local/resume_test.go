package local_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
)

// TestAKilledRunContinuesToTheSameBytes is the project's main guarantee in small. Each round kills at other moments;
// MAPREEL_TEST_ROUNDS=10 runs more of them, as make soak does.
func TestAKilledRunContinuesToTheSameBytes(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MAPREEL_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("MAPREEL_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	rounds := 5
	if s := os.Getenv("MAPREEL_TEST_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	for name, rounds := range map[string]int{"in.mp4": rounds, "in.ts": (rounds + 2) / 3} {
		source := clip(t, name, args(picture(8), tone(8), []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-c:a", "aac"})...)
		out := t.TempDir()
		req := request(source, out, "mp4")
		req.Outputs[0].Audio = &film.Audio{Codec: film.AAC}
		began := time.Now()
		if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		undisturbed := time.Since(began)
		result := filepath.Join(out, "out.mp4")
		want, err := os.ReadFile(result)
		if err != nil {
			t.Fatal(err)
		}
		for range rounds {
			if err := os.Remove(result); err != nil {
				t.Fatal(err)
			}
			scratch := t.TempDir()
			killAndContinue(t, films(t), req, scratch, result, want, func() time.Duration {
				return time.Duration(random.Int64N(int64(undisturbed)))
			})
		}
	}
}

// killAndContinue runs a request in processes that it kills after the times that lifetime returns, until one comes to its
// end. The result must have the same bytes as an undisturbed run's, and no finished unit may have been done again.
func killAndContinue(t *testing.T, s setup, req any, scratch, result string, want []byte, lifetime func() time.Duration) {
	t.Helper()
	killed, done := 0, map[string]string{}
	for !runChild(t, s, req, scratch, lifetime()) {
		if killed++; killed > 1000 {
			t.Fatal("no end after a thousand kills")
		}
		assertKept(t, scratch, done)
		if _, err := os.Stat(result); err == nil {
			break // killed after it was published
		}
	}
	if !runChild(t, s, req, scratch, time.Hour) {
		t.Fatal("the last run failed")
	}
	got, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("after %d kills the result has other bytes (%d, undisturbed %d)", killed, len(got), len(want))
	}
	assertKept(t, scratch, done)
	assertEmpty(t, filepath.Join(scratch, "pieces"))
	assertEmpty(t, filepath.Join(scratch, "locks")) // working folders, too
}

// assertKept checks that every unit in done still has the same result, and adds the units that are done now. An attempt's
// number is part of its artifacts' keys, so a second encode would show.
func assertKept(t *testing.T, scratch string, done map[string]string) {
	t.Helper()
	path := filepath.Join(scratch, "ledger.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return // killed before it had one
	}
	l, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for j, err := range l.Jobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for u, err := range l.Units(t.Context(), j.ID, "") {
			if err != nil {
				t.Fatal(err)
			}
			if before, ok := done[u.ID]; ok && (u.State != ledger.Done || string(u.Facts) != before) {
				t.Errorf("%s was done, with %s; now it is %s, with %s", u.ID, before, u.State, u.Facts)
			}
			if u.State == ledger.Done {
				done[u.ID] = string(u.Facts)
			}
		}
	}
}

func TestFinishedSegmentsAreNotEncodedAgain(t *testing.T) {
	t.Parallel()
	source, out, scratch := makeFilm(t, "in.mp4"), t.TempDir(), t.TempDir()
	ctx, stop := context.WithCancelCause(t.Context())
	interrupted := errors.New("stop here")
	var first, second []string
	_, err := run(ctx, request(source, out, "mp4"), scratch, func(e local.Event) {
		if e.Type == engine.Done && strings.HasPrefix(e.Unit, "video/") {
			first = append(first, e.Unit)
			stop(interrupted)
		}
	})
	if !errors.Is(err, interrupted) {
		t.Fatalf("the error of a cancelled run is %v, it should hold its cause", err)
	}
	if _, err := os.Stat(filepath.Join(out, "out.mp4")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("an interrupted run left an output: %v", err)
	}
	jobs, err := local.Jobs(t.Context(), scratch)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("jobs: %v, %v", jobs, err)
	}
	if g := group(t, jobs[0], "video"); jobs[0].State != "interrupted" || jobs[0].Error != "" || g.Done != len(first) || g.Running != 0 {
		t.Errorf("the ledger shows %+v after %d segments", jobs[0], len(first))
	}
	report, err := run(t.Context(), request(source, out, "mp4"), scratch, func(e local.Event) {
		if e.Type == engine.Started && strings.HasPrefix(e.Unit, "video/") {
			second = append(second, e.Unit)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range first {
		if slices.Contains(second, unit) {
			t.Errorf("%s was encoded twice", unit)
		}
	}
	if report.Ran["video"] != len(second) || len(first)+len(second) < report.Units["video"] {
		t.Errorf("%d + %d segments were encoded, the report says %d of %d", len(first), len(second), report.Ran["video"], report.Units["video"])
	}

	t.Run("a finished job is not either", func(t *testing.T) {
		report, err := run(t.Context(), request(source, out, "mp4"), scratch, func(e local.Event) {
			if e.Type == engine.Started {
				t.Errorf("%s was started again", e.Unit)
			}
		})
		if err != nil || report.Ran["video"] != 0 {
			t.Errorf("encoded %d segments, error %v", report.Ran["video"], err)
		}
	})
	t.Run("also when the clock was set back", func(t *testing.T) {
		db, err := sql.Open("sqlite", filepath.Join(scratch, "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("UPDATE jobs SET started = started + 3600000"); err != nil {
			t.Fatal(err)
		}
		if report, err := run(t.Context(), request(source, out, "mp4"), scratch, nil); err != nil || report.Ran["video"] != 0 {
			t.Errorf("encoded %d segments, error %v", report.Ran["video"], err)
		}
	})
	t.Run("unless its output is gone", func(t *testing.T) {
		if err := os.Remove(filepath.Join(out, "out.mp4")); err != nil {
			t.Fatal(err)
		}
		report, err := run(t.Context(), request(source, out, "mp4"), scratch, nil)
		if err != nil || report.Ran["video"] != report.Units["video"] {
			t.Errorf("encoded %d of %d segments, error %v", report.Ran["video"], report.Units["video"], err)
		}
	})
}

func TestAFinishedJobIsNotSplitAgain(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.ts", "-i", makeFilm(t, "in.mp4"), "-c", "copy")
	out, scratch := t.TempDir(), t.TempDir()
	var split bool
	observe := func(e local.Event) { split = split || e.Unit == film.SplitUnit }
	if _, err := run(t.Context(), request(source, out, "mp4"), scratch, observe); err != nil || !split {
		t.Fatalf("the first run: split %v, error %v", split, err)
	}
	split = false
	if _, err := run(t.Context(), request(source, out, "mp4"), scratch, observe); err != nil || split {
		t.Errorf("the second run: split %v, error %v", split, err)
	}
}

func TestASecondRunOfARequestInProgressIsRefused(t *testing.T) {
	t.Parallel()
	source, out, scratch := makeFilm(t, "in.mp4"), t.TempDir(), t.TempDir()
	var once sync.Once
	_, err := run(t.Context(), request(source, out, "mp4"), scratch, func(e local.Event) {
		once.Do(func() {
			req := request(source, out, "mp4")
			var unordered map[string]any // JSON of it has the fields in another order
			data, err := json.Marshal(req)
			if err == nil {
				err = json.Unmarshal(data, &unordered)
			}
			if err != nil {
				t.Error(err)
				return
			}
			for _, again := range []any{req, unordered} {
				_, err := films(t).run(t.Context(), again, local.Options{Scratch: scratch, Jobs: 3})
				if fault.KindOf(err) != fault.Transient {
					t.Errorf("a second run at the same time ended with %v", err)
				}
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
