package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

func TestCollectRemovesWhatNoExecutionCanNeed(t *testing.T) {
	f := newFixture(t, &letters{})
	lists, err := dir.New(filepath.Join(f.folder, "lists")) // as on AWS with a file system: lists lie in the bucket
	if err != nil {
		t.Fatal(err)
	}
	f.Items = lists
	hour := time.Now().Add(time.Hour)
	past := time.Now().Add(-time.Minute)
	for _, j := range []ledger.Job{
		{ID: "running", State: ledger.JobRunning, Expires: hour},
		{ID: "redrivable", State: ledger.JobFailed, Expires: hour},
		{ID: "expired", State: ledger.JobFailed, Expires: past},
		{ID: "silent", State: ledger.JobRunning, Expires: past}, // its end was never reported
		{ID: "done", State: ledger.JobDone, Expires: hour},
		{ID: "cleared", State: ledger.JobDone, Expires: hour},
	} {
		if err := f.Ledger.PutJob(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if err := f.Ledger.Plan(t.Context(), j.ID, slices.Values([]ledger.Unit{{ID: "a/a"}}), j.Expires); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * untouched)
	for _, id := range []string{"running", "redrivable", "expired", "silent", "done", "unknown", "new"} {
		key := id + "/a/a.1.0.txt"
		if _, err := f.Scratch.Put(t.Context(), key, strings.NewReader("piece")); err != nil {
			t.Fatal(err)
		}
		if _, err := lists.Put(t.Context(), listKey(id, "first"), strings.NewReader("[]")); err != nil {
			t.Fatal(err)
		}
		if id == "new" {
			continue
		}
		for _, name := range []string{filepath.Join("scratch", key), filepath.Join("lists", listKey(id, "first"))} {
			if err := os.Chtimes(filepath.Join(f.folder, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := f.Collect(t.Context(), None{})
	if err != nil {
		t.Fatal(err)
	}
	want := Collected{Jobs: []string{"done", "expired", "silent", "unknown"}, Bytes: 4 * 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("collected (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"new/a/a.1.0.txt", "redrivable/a/a.1.0.txt", "running/a/a.1.0.txt"}, f.scratch(t)); diff != "" {
		t.Errorf("scratch (-want +got):\n%s", diff)
	}
	var left []string
	for info, err := range lists.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, strings.TrimSuffix(info.Key, "/items-first.json"))
	}
	if diff := cmp.Diff([]string{"new", "redrivable", "running"}, left); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
	for id, want := range map[string]bool{"running": true, "redrivable": true, "done": true, "expired": false, "silent": false} {
		if _, err := f.Ledger.Job(t.Context(), id); (err == nil) != want || err != nil && !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("the record of %s: %v, want it kept: %v", id, err, want)
		}
	}
	if again, err := f.Collect(t.Context(), None{}); err != nil || len(again.Jobs) > 0 {
		t.Errorf("a second time it collects %v, %v", again, err)
	}
}

func TestAJobIsDoneThoughItsScratchCannotBeCleared(t *testing.T) {
	f := newFixture(t, &letters{names: []string{"a"}, second: []string{"x"}})
	f.Scratch = undeletable{f.Scratch.(*dir.Store)}
	out, _ := f.drive(t, "e")
	if len(out.Outputs) != 1 {
		t.Errorf("outcome %+v", out)
	}
	if record, err := f.Ledger.Job(t.Context(), out.Job); err != nil || record.State != ledger.JobDone {
		t.Errorf("the job is %s, %v", record.State, err)
	}
	f.Scratch = f.Scratch.(undeletable).Store
	if got, err := f.Collect(t.Context(), None{}); err != nil || !slices.Equal(got.Jobs, []string{out.Job}) {
		t.Errorf("afterwards %+v is collected, %v", got, err)
	}
}

// undeletable is a store whose objects may not be deleted.
type undeletable struct{ *dir.Store }

func (undeletable) Delete(context.Context, string) error {
	return fault.New(fault.Invalid, "access denied")
}
