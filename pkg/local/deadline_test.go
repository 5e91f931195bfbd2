package local_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/stage"
)

// A worker that will not make its deadline says so long before, and Batch does the segment, with the reason recorded.
func TestASegmentTooSlowForAFunctionGoesToBatch(t *testing.T) {
	t.Parallel()
	slowed, slow, who := brake(t)
	scratch, out := t.TempDir(), t.TempDir()
	source := clip(t, "in.mp4", args(picture(2), []string{"-c:v", "libx264", "-preset", "ultrafast"})...)
	req := request(source, out, "mp4")
	req.Segment.Seconds = film.Seconds(10 * time.Second)
	const limit = 40 * time.Second
	began := time.Now()
	var stopped time.Duration
	var complaint, id string
	_, err := local.Run(t.Context(), req, local.Options{
		Scratch: scratch, Tools: slowed, Jobs: 1, Limit: limit, Keep: true, Batch: asProcess,
		Observe: func(e local.Event) {
			if e.Type == stage.Broken {
				id, stopped, complaint = e.Job, time.Since(began), e.Error
				_ = os.Remove(slow)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(complaint, "deadline") || stopped == 0 || stopped > 35*time.Second {
		t.Errorf("stopped after %v of %v with %q, want soon, for the deadline", stopped, limit, complaint)
	}
	l, err := sqlite.Open(t.Context(), filepath.Join(scratch, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := l.Unit(t.Context(), id, film.VideoUnit(0))
	if err != nil {
		t.Fatal(err)
	}
	var facts film.SegmentFacts
	if err := json.Unmarshal(u.Facts, &facts); err != nil {
		t.Fatal(err)
	}
	if facts.Route != "OutOfTime" {
		t.Errorf("the reason recorded for Batch is %q, want OutOfTime", facts.Route)
	}
	if p := processes(t, who)[0]; p.parent != os.Getpid() {
		t.Errorf("the function's ffmpeg is a child of %d, want of this process, %d", p.parent, os.Getpid())
	}
	if pid := worker(t, u.Owner); pid == os.Getpid() || pid == 0 {
		t.Errorf("the Batch route's worker is %q, want another process than this one, %d", u.Owner, os.Getpid())
	}
	got, err := os.ReadFile(filepath.Join(out, "out.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	req.Destination = other
	if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if want, err := os.ReadFile(filepath.Join(other, "out.mp4")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("by Batch it has other bytes than undisturbed (%v)", err)
	}
}
