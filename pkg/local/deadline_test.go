package local_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// A worker that will not make its deadline fails long before it, and Batch does the segment. The reason is recorded.
func TestASegmentThatIsTooSlowForAFunctionGoesToBatch(t *testing.T) {
	t.Parallel()
	s, slow, pids := slowed(t)
	scratch, out := t.TempDir(), t.TempDir()
	source := clip(t, "in.mp4", args(picture(2), []string{"-c:v", "libx264", "-preset", "ultrafast"})...)
	req := request(source, out, "mp4")
	req.Segment.Seconds = film.Seconds(10 * time.Second)
	const limit = 40 * time.Second
	began := time.Now()
	var stopped time.Duration
	var failure, id string
	_, err := s.run(t.Context(), req, local.Options{
		Scratch: scratch, Jobs: 1, Limit: limit, Keep: true, Batch: asProcess,
		Observe: func(e local.Event) {
			if e.Type == engine.Failed {
				id, stopped, failure = e.Job, time.Since(began), e.Error
				_ = os.Remove(slow)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(failure, "deadline") || stopped == 0 || stopped > 35*time.Second {
		t.Errorf("stopped after %v of %v with %q, want soon, for the deadline", stopped, limit, failure)
	}
	u := unitOf(t, scratch, id, film.VideoUnit(0))
	var result struct{ Reason string }
	if err := json.Unmarshal(u.Facts, &result); err != nil {
		t.Fatal(err)
	}
	if result.Reason != "OutOfTime" {
		t.Errorf("the reason recorded for Batch is %q, want OutOfTime", result.Reason)
	}
	if p := processes(t, pids)[0]; p.parent != os.Getpid() {
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
		t.Errorf("the output differs from that of an undisturbed run (%v)", err)
	}
}
