package lambdafn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
)

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	valid := map[string]string{
		"MAPREEL_TABLE": "ledger", "MAPREEL_ITEMS": "scratch", "MAPREEL_SCRATCH": "/mnt/scratch", "MAPREEL_BATCH": "cpu",
		"MAPREEL_PROCESSORS": "", "MAPREEL_CONCURRENCY": "", "MAPREEL_BUS": "", "MAPREEL_RUN": "", "MAPREEL_REDRIVE": "", "MAPREEL_LIMITS": "",
	}
	onFiles := engine.Limits{Through: true}
	for name, test := range map[string]struct {
		change map[string]string
		want   Settings
		wrong  []string // variables that the error names
	}{
		"file system": {nil, Settings{Table: "ledger", Scratch: "/mnt/scratch", Limits: onFiles, Bucket: "scratch", Queues: engine.Queues{CPU: true}}, nil},
		"bucket":      {map[string]string{"MAPREEL_SCRATCH": "s3://scratch"}, Settings{Table: "ledger", Bucket: "scratch", Queues: engine.Queues{CPU: true}}, nil},
		"both queues": {map[string]string{"MAPREEL_BATCH": "cpu,gpu"}, Settings{Table: "ledger", Scratch: "/mnt/scratch", Limits: onFiles, Bucket: "scratch", Queues: engine.Queues{CPU: true, GPU: true}}, nil},
		"no queue":    {map[string]string{"MAPREEL_BATCH": "none"}, Settings{Table: "ledger", Scratch: "/mnt/scratch", Limits: onFiles, Bucket: "scratch"}, nil},
		"size": {
			map[string]string{"MAPREEL_PROCESSORS": "6", "MAPREEL_CONCURRENCY": "10"},
			Settings{Table: "ledger", Scratch: "/mnt/scratch", Limits: onFiles, Bucket: "scratch", Queues: engine.Queues{CPU: true}, Processors: 6, Concurrency: 10},
			nil,
		},
		"lifetime": {
			map[string]string{"MAPREEL_RUN": "48h", "MAPREEL_REDRIVE": "336h0m0s"},
			Settings{
				Table: "ledger", Scratch: "/mnt/scratch", Bucket: "scratch", Queues: engine.Queues{CPU: true}, Limits: onFiles,
				Lifetime: engine.Lifetime{Run: 48 * time.Hour, Redrive: 14 * 24 * time.Hour},
			},
			nil,
		},
		"limits": {
			map[string]string{"MAPREEL_SCRATCH": "s3://scratch", "MAPREEL_LIMITS": `{"lambda":{"disk":10,"seconds":900},"batch":{"disk":70,"seconds":21600}}`},
			Settings{
				Table: "ledger", Bucket: "scratch", Queues: engine.Queues{CPU: true},
				Limits: engine.Limits{Lambda: engine.WorkerLimits{Disk: 10, Seconds: 900}, Batch: engine.WorkerLimits{Disk: 70, Seconds: 21600}},
			},
			nil,
		},
		"web servers": {
			map[string]string{"MAPREEL_WEB_SOURCES": "https://example.com/films/ https://media.example.com/"},
			Settings{
				Table: "ledger", Scratch: "/mnt/scratch", Limits: onFiles, Bucket: "scratch", Queues: engine.Queues{CPU: true},
				Web: []string{"https://example.com/films/", "https://media.example.com/"},
			},
			nil,
		},
		"no limits":     {map[string]string{"MAPREEL_LIMITS": "10 GB"}, Settings{}, []string{"MAPREEL_LIMITS"}},
		"no duration":   {map[string]string{"MAPREEL_REDRIVE": "14 days"}, Settings{}, []string{"MAPREEL_REDRIVE"}},
		"no number":     {map[string]string{"MAPREEL_CONCURRENCY": "-1"}, Settings{}, []string{"MAPREEL_CONCURRENCY"}},
		"other bucket":  {map[string]string{"MAPREEL_SCRATCH": "s3://other"}, Settings{}, []string{"MAPREEL_SCRATCH"}},
		"relative":      {map[string]string{"MAPREEL_SCRATCH": "scratch"}, Settings{}, []string{"MAPREEL_SCRATCH"}},
		"unknown queue": {map[string]string{"MAPREEL_BATCH": "gpu"}, Settings{}, []string{"MAPREEL_BATCH"}},
		"bucket's path": {map[string]string{"MAPREEL_ITEMS": "a/b"}, Settings{}, []string{"MAPREEL_ITEMS"}},
		"nothing": {
			map[string]string{"MAPREEL_TABLE": "", "MAPREEL_ITEMS": "", "MAPREEL_SCRATCH": "", "MAPREEL_BATCH": ""},
			Settings{},
			[]string{"MAPREEL_TABLE", "MAPREEL_ITEMS", "MAPREEL_SCRATCH", "MAPREEL_BATCH"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSettings(func(key string) string {
				if v, ok := test.change[key]; ok {
					return v
				}
				return valid[key]
			})
			if (err != nil) != (test.wrong != nil) {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("settings (-want +got):\n%s", diff)
				}
				return
			}
			if fault.KindOf(err) != fault.Internal {
				t.Errorf("the error's kind is %s", fault.KindOf(err))
			}
			for key := range valid {
				if named := strings.Contains(err.Error(), key+" must"); named != slices.Contains(test.wrong, key) {
					t.Errorf("%s is named: %v, in:\n%v", key, named, err)
				}
			}
		})
	}
}

func TestAnErrorIsReportedUnderTheNameOfItsKind(t *testing.T) {
	for _, kind := range fault.Kinds() {
		err := fmt.Errorf("segment 3: %w", fault.WithHint(fault.New(kind, "it broke"), "mend it"))
		got := reply(err)
		if got.Type != string(kind) || got.Message != "segment 3: it broke (mend it)" || got.ShouldExit {
			t.Errorf("%s is reported as %+v", kind, got)
		}
	}
	if got := reply(errors.New("anything")); got.Type != "Internal" {
		t.Errorf("an error without a kind is reported as %+v", got)
	}
	// Step Functions refuses a cause of more than 32,768 characters.
	if got := reply(errors.New(strings.Repeat("ö", 40_000))); len(got.Message) > 20_000 || strings.ContainsRune(got.Message, '�') {
		t.Errorf("a long text is reported with %d bytes", len(got.Message))
	}
}

func TestAPanicIsReportedAndEndsTheProcess(t *testing.T) {
	withoutLedger := &engine.Engine{Registry: kinds.All(ffmpeg.Tools{}, kinds.Options{})}
	p := &program{stage: engine.StageRun, log: slog.New(slog.DiscardHandler), ready: withoutLedger}
	_, err := p.invoke(t.Context(), json.RawMessage(`{"job":"j","unit":"video/00000"}`))
	got := reply(err)
	if invoked := fmt.Sprintf("%T", err); invoked != "messages.InvokeResponse_Error" {
		t.Fatalf("the handler returns a %s", invoked)
	}
	if !strings.Contains(err.Error(), `Type:"Internal"`) || !strings.Contains(err.Error(), "ShouldExit:true") {
		t.Errorf("a panic is reported as %v (%v)", err, got)
	}
}

func TestAStageGetsTheFunctionsTimeLessAMargin(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]time.Duration{
		15 * time.Minute: 15*time.Minute - margin, time.Minute: 45 * time.Second, 10 * time.Second: 5 * time.Second,
	} {
		outer, cancel := context.WithDeadline(t.Context(), now.Add(left))
		inner, stop := withMargin(outer, now)
		if end, ok := inner.Deadline(); !ok || end.Sub(now) != want {
			t.Errorf("of %v a stage gets %v, want %v", left, end.Sub(now), want)
		}
		stop()
		cancel()
	}
	late, cancel := context.WithDeadline(t.Context(), now.Add(20*time.Millisecond))
	defer cancel()
	late, stop := withMargin(late, now)
	defer stop()
	<-late.Done()
	if kind := fault.KindOf(context.Cause(late)); kind != fault.OutOfTime {
		t.Errorf("time that is over has the kind %s", kind)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"s3://b/in/film.mkv", "s3://b/a b#%20?x", "s3://b/", "s3:///k", "s3://b", "/etc/passwd", "https://b/k", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		bucket, key, err := parseURL(url)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q gives %v", url, err)
			}
			return
		}
		if bucket == "" || key == "" || strings.Contains(bucket, "/") || "s3://"+bucket+"/"+key != url {
			t.Fatalf("%q is parsed into %q and %q", url, bucket, key)
		}
	})
}

func TestTheImageHasTheProgramOfTheFunctions(t *testing.T) {
	// TestFunctions starts the program that this builds for each class.
	const build = "go build -trimpath -ldflags=-s -o /opt/mapreel/ ./functions/...\n"
	for _, name := range []string{"Dockerfile", "render.Dockerfile", "tool.Dockerfile"} {
		recipe, err := os.ReadFile("../../functions/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{build, "COPY --from=build /opt/mapreel/ /opt/mapreel/\n", "USER 1000:1000\n"} {
			if !strings.Contains(string(recipe), line) {
				t.Errorf("%s lacks the line %q", name, line)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Name}}", "../../functions/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if name != "main" {
			t.Errorf("functions/ holds a package %s, which is not a program", name)
		}
	}
}

func TestWorkingFilesOfAKilledProcessAreRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, folder := range []string{"mapreel-job-1", "other"} {
		if err := os.MkdirAll(temp+"/"+folder+"/inner", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &program{log: slog.New(slog.DiscardHandler)}
	p.sweep(t.Context())
	entries, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("the folder still has %v", entries)
	}
}
