package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/process"
)

func TestProgramsOfAnAttemptLeaveALogUntilTheirJobExpires(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scratch")
	home, err := makeScratch(path)
	if err != nil {
		t.Fatal(err)
	}
	records, err := home.ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close() //nolint:errcheck // the end of a test
	if err := records.PutJob(t.Context(), ledger.Job{ID: "3f2a", State: ledger.JobDone, Doc: []byte("{}"), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	limits := process.Limits{
		Memory: process.None, CPU: process.None, Wall: time.Minute, FileSize: process.None, Written: process.None, OpenFiles: process.None, Processes: process.None,
	}
	for attempt, script := range []string{"echo first >&2; exit 3", "echo 'GET https://b/film.mov?X-Amz-Signature=abc123 swordfish' >&2"} {
		ctx, end := home.record(t.Context(), "3f2a", "video/00001", attempt+1)
		_, err := process.Run(ctx, "/bin/sh", []string{"-c", script}, process.Options{
			Limits: limits, Redact: func(s string) string { return strings.ReplaceAll(s, "swordfish", "…") },
		})
		end(err)
	}
	_, end := home.record(t.Context(), "3f2a", "video/00001.5", 1) // another unit
	end(errors.New("broken"))
	list, err := LogsIn(path)("3f2a", "video/00001")
	if err != nil || len(list) != 2 || list[0].Attempt != 1 || list[1].Attempt != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, want := range []string{"sh -c 'echo first >&2; exit 3'\nfirst\nsh failed: ", "\nthe attempt failed: "} {
		if !strings.Contains(list[0].Text, want) {
			t.Errorf("no %q in:\n%s", want, list[0].Text)
		}
	}
	if text := list[1].Text; !strings.Contains(text, "https://b/film.mov") || strings.Contains(text, "abc123") || strings.Contains(text, "swordfish") || !strings.Contains(text, "sh ended well") {
		t.Errorf("the second attempt:\n%s", text)
	}
	for _, bad := range []string{"", "..", "../3f2a", "/etc"} {
		if list, err := LogsIn(path)(bad, "video/00001"); err == nil {
			t.Errorf("job %q: %+v", bad, list)
		}
	}
	if list, err := LogsIn(path)("3f2a", "../../secret"); err != nil || len(list) > 0 {
		t.Errorf("a unit that is a path: %+v, %v", list, err)
	}

	old := time.Now().Add(-2 * minimumAge)
	if err := errors.Join(os.Mkdir(filepath.Join(home.logs, "lost"), 0o700), os.Chtimes(filepath.Join(home.logs, "lost"), old, old)); err != nil {
		t.Fatal(err)
	}
	pieces, err := home.store()
	if err != nil {
		t.Fatal(err)
	}
	left := func(now time.Time) (names []string) {
		if _, err := (garbage{home, records, pieces, now}).remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		folders, err := os.ReadDir(home.logs)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range folders {
			names = append(names, f.Name())
		}
		return names
	}
	if names := left(time.Now()); len(names) != 1 || names[0] != "3f2a" {
		t.Errorf("while there is a record: %v", names)
	}
	if names := left(time.Now().Add(2 * time.Hour)); len(names) > 0 {
		t.Errorf("when it has expired: %v", names)
	}
}
