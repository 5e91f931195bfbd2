package main

import (
	"context"
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func testJobs() []local.Status {
	return []local.Status{
		{
			Job: "0123456789abcdef0123", State: "running", Source: "/home/me/films/holiday.mov", Outputs: []string{"/home/me/out/holiday.mp4"},
			Groups: unitCounts(720, 90), Updated: noon.Add(-3 * time.Second),
		},
		{
			Job: "fedcba9876543210fedc", State: "failed", Source: "/home/me/films/映画の長い名前のファイル.mkv",
			Outputs: []string{"/home/me/out/a.mp4", "/home/me/out/a.webm"}, Groups: unitCounts(8, 8), Updated: noon.Add(-50 * time.Hour),
			Error: "join film: the disk is full",
		},
		{Job: "aa", State: "interrupted", Source: "/x.ts", Outputs: []string{"/y.mp4"}, Groups: unitCounts(0, 0), Updated: noon.Add(-90 * time.Minute)},
	}
}

// unitCounts returns a job's groups with some units, of which some are done.
func unitCounts(units, done int) []engine.GroupProgress {
	return []engine.GroupProgress{{Group: work.Group{Name: "video", Noun: "segments", Units: units}, Done: done}}
}

func TestJobsArePrintedAsATable(t *testing.T) {
	want := `
JOB         STATE        PROGRESS  DONE  UPDATED  SOURCE                              OUTPUT
0123456789  running      90/720    12%   now      films/holiday.mov                   out/holiday.mp4
fedcba9876  failed       8/8       100%  2d ago   films/映画の長い名前のファイル.mkv  out/a.mp4, out/a.webm
  error: join film: the disk is full
aa          interrupted                  1h ago   /x.ts                               /y.mp4
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), formatJobs(testJobs(), noon, 0)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestAChangeOfJobsIsPrintedWithItsTime(t *testing.T) {
	key, text := jobsCmd{}.change(testJobs(), noon)
	if want := formatJobs(testJobs(), noon, 0); text != want {
		t.Errorf("printed is\n%swant\n%s", text, want)
	}
	if later, _ := (jobsCmd{}).change(testJobs(), noon.Add(time.Hour)); later != key {
		t.Error("the jobs change when time passes")
	}
	one := jobsCmd{Job: "01234"}
	if _, text := one.change(testJobs(), noon); text != formatStatus(testJobs()[0], noon) {
		t.Errorf("of one job:\n%s", text)
	}
}

func TestTheTableFitsATerminalOf80Columns(t *testing.T) {
	for line := range strings.Lines(formatJobs(testJobs(), noon, 80)) {
		if got := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); got > 80 {
			t.Errorf("%d columns: %s", got, line)
		}
	}
}

func TestJobsAsJSONMatchTheLedger(t *testing.T) {
	b := newCLITest(t, nil)
	b.Jobs = func(_ context.Context, scratch string) ([]local.Status, error) {
		if scratch != "/s" {
			t.Errorf("jobs of %s, want /s", scratch)
		}
		return testJobs(), nil
	}
	if code := b.main(t.Context(), []string{"jobs", "--json", "--scratch", "/s"}); code != exitDone {
		t.Errorf("exit code %d, want 0", code)
	}
	var got []local.Status
	if err := json.Unmarshal(b.out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testJobs(), got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestNoJobsIsNotAnError(t *testing.T) {
	for args, want := range map[string]string{"jobs --scratch /s": "no jobs in /s\n", "jobs --json": "[]\n"} {
		for _, err := range []error{nil, fault.New(fault.NotFound, "no ledger")} {
			b := newCLITest(t, nil)
			b.Jobs = func(context.Context, string) ([]local.Status, error) { return nil, err }
			if code := b.main(t.Context(), strings.Fields(args)); code != exitDone || b.out.String() != want {
				t.Errorf("%s with error %v: exit code %d and %q, want 0 and %q", args, err, code, &b.out, want)
			}
		}
	}
}

func TestAnUnreadableLedgerIsAnError(t *testing.T) {
	b := newCLITest(t, nil)
	b.Jobs = func(context.Context, string) ([]local.Status, error) {
		return nil, fault.New(fault.Corrupt, "the ledger is damaged")
	}
	if code := b.main(t.Context(), []string{"jobs"}); code != exitFailed || b.err.String() != "mapreel: the ledger is damaged\n" {
		t.Errorf("exit code %d and %q, want 1 and the reason", code, &b.err)
	}
}

func TestVersionLineHasReleaseGoAndCommit(t *testing.T) {
	built := &debug.BuildInfo{GoVersion: "go1.26.0", Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"},
	}}
	fetched := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.4.0"}}
	for _, test := range []struct {
		release string
		info    *debug.BuildInfo
		want    string
	}{
		{"v1.2.3", built, "mapreel v1.2.3 (go1.26.0, commit 0123456789ab, changed)"},
		{"", built, "mapreel development build (go1.26.0, commit 0123456789ab, changed)"},
		{"", fetched, "mapreel v1.4.0 (go1.26.0)"},
		{"", &debug.BuildInfo{}, "mapreel development build"},
	} {
		if got := versionLine(test.release, test.info); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
