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

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/stage"
)

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	sound := map[string]string{
		"MAPREEL_TABLE": "ledger", "MAPREEL_ITEMS": "scratch", "MAPREEL_SCRATCH": "/mnt/scratch", "MAPREEL_BATCH": "cpu",
	}
	for name, test := range map[string]struct {
		change map[string]string
		want   Settings
		wrong  []string // what the error names
	}{
		"file system":   {nil, Settings{"ledger", "/mnt/scratch", "scratch", Queues{CPU: true}}, nil},
		"bucket":        {map[string]string{"MAPREEL_SCRATCH": "s3://scratch"}, Settings{"ledger", "", "scratch", Queues{CPU: true}}, nil},
		"both queues":   {map[string]string{"MAPREEL_BATCH": "cpu,gpu"}, Settings{"ledger", "/mnt/scratch", "scratch", Queues{true, true}}, nil},
		"no queue":      {map[string]string{"MAPREEL_BATCH": "none"}, Settings{"ledger", "/mnt/scratch", "scratch", Queues{}}, nil},
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
				return sound[key]
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
			for key := range sound {
				if named := strings.Contains(err.Error(), key+" must"); named != slices.Contains(test.wrong, key) {
					t.Errorf("%s is named: %v, in:\n%v", key, named, err)
				}
			}
		})
	}
}

func TestAnErrorLeavesUnderTheNameOfItsKind(t *testing.T) {
	for _, kind := range fault.Kinds() {
		err := fmt.Errorf("segment 3: %w", fault.WithHint(fault.New(kind, "it broke"), "mend it"))
		got := reply(err)
		if got.Type != string(kind) || got.Message != "segment 3: it broke (mend it)" || got.ShouldExit {
			t.Errorf("%s is replied as %+v", kind, got)
		}
	}
	if got := reply(errors.New("anything")); got.Type != "Internal" {
		t.Errorf("an error without a kind is replied as %+v", got)
	}
	// Step Functions refuses a cause of more than 32,768 characters.
	if got := reply(errors.New(strings.Repeat("ö", 40_000))); len(got.Message) > 20_000 || strings.ContainsRune(got.Message, '�') {
		t.Errorf("a long text is replied with %d bytes", len(got.Message))
	}
}

func TestAPanicIsReportedAndEndsTheProcess(t *testing.T) {
	p := &program{stage: "encode", log: slog.New(slog.DiscardHandler), ready: &stage.Worker{}} // without a ledger
	_, err := p.invoke(t.Context(), json.RawMessage(`{"job":"j","segment":0}`))
	got := reply(err)
	if invoked := fmt.Sprintf("%T", err); invoked != "messages.InvokeResponse_Error" {
		t.Fatalf("the handler gives a %s", invoked)
	}
	if !strings.Contains(err.Error(), `Type:"Internal"`) || !strings.Contains(err.Error(), "ShouldExit:true") {
		t.Errorf("a panic is replied as %v (%v)", err, got)
	}
}

func TestAStageHasTheFunctionsTimeButAMargin(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]time.Duration{
		15 * time.Minute: 15*time.Minute - margin, time.Minute: 45 * time.Second, 10 * time.Second: 5 * time.Second,
	} {
		outer, cancel := context.WithDeadline(t.Context(), now.Add(left))
		inner, stop := within(outer, now)
		if end, ok := inner.Deadline(); !ok || end.Sub(now) != want {
			t.Errorf("of %v a stage gets %v, want %v", left, end.Sub(now), want)
		}
		stop()
		cancel()
	}
	late, cancel := context.WithDeadline(t.Context(), now.Add(20*time.Millisecond))
	defer cancel()
	late, stop := within(late, now)
	defer stop()
	<-late.Done()
	if kind := fault.KindOf(context.Cause(late)); kind != fault.OutOfTime {
		t.Errorf("time that is over has the kind %s", kind)
	}
}

func TestWorkGoesOnlyWhereThereAreQueues(t *testing.T) {
	cpu, both := Queues{CPU: true}, Queues{CPU: true, GPU: true}
	for name, test := range map[string]struct {
		queues  Queues
		compute film.Compute
		want    fault.Kind
		route   film.ComputeMode // of an admitted request whose brief says lambda-batch
	}{
		"default without queues":     {Queues{}, film.Compute{}, "", film.Lambda},
		"default with a queue":       {cpu, film.Compute{}, "", film.LambdaBatch},
		"lambda without queues":      {Queues{}, film.Compute{Mode: film.Lambda}, "", film.Lambda},
		"batch without queues":       {Queues{}, film.Compute{Mode: film.Batch}, fault.Unsupported, ""},
		"batch with a queue":         {cpu, film.Compute{Mode: film.Batch}, "", film.LambdaBatch},
		"GPU without its queue":      {cpu, film.Compute{GPU: true}, fault.Unsupported, ""},
		"GPU in batch without queue": {cpu, film.Compute{GPU: true, Mode: film.Batch}, fault.Unsupported, ""},
		"GPU with its queue":         {both, film.Compute{GPU: true}, "", film.LambdaBatch},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := json.Marshal(film.Request{
				Source: "s3://b/in/f.mp4", Destination: "s3://b/out/", Outputs: []film.Output{{Name: "f"}}, Compute: test.compute,
			})
			if err != nil {
				t.Fatal(err)
			}
			input, err := json.Marshal(film.AnalyseInput{Request: request, Execution: "e"})
			if err != nil {
				t.Fatal(err)
			}
			err = test.queues.admit(input)
			if fault.KindOf(err) != test.want {
				t.Fatalf("the request is answered with %v, want kind %q", err, test.want)
			}
			if err != nil {
				return
			}
			brief := film.Brief{
				Job: "j", Route: film.LambdaBatch, Concurrency: 7, Segments: film.Items{Bucket: "b", Key: "k", Count: 2},
				Audio: []film.AudioItem{}, Outputs: []film.MergeItem{{Job: "j", Output: "f"}},
			}
			document, err := json.Marshal(brief)
			if err != nil {
				t.Fatal(err)
			}
			out, err := test.queues.reroute(document)
			if err != nil {
				t.Fatal(err)
			}
			var got film.Brief
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			brief.Route = test.route
			if diff := cmp.Diff(brief, got); diff != "" {
				t.Errorf("the brief (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzSplitOfAnS3URL(f *testing.F) {
	for _, seed := range []string{"s3://b/in/film.mkv", "s3://b/a b#%20?x", "s3://b/", "s3:///k", "s3://b", "/etc/passwd", "https://b/k", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		bucket, key, err := split(url)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q gives %v", url, err)
			}
			return
		}
		if bucket == "" || key == "" || strings.Contains(bucket, "/") || "s3://"+bucket+"/"+key != url {
			t.Fatalf("%q is split into %q and %q", url, bucket, key)
		}
	})
}

func TestTheImageHoldsEveryFunction(t *testing.T) {
	recipe, err := os.ReadFile("../../functions/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	// The pattern leaves no list to keep; that it gives a program for each task is tested where they are built.
	const build = "go build -trimpath -ldflags=-s -o /opt/mapreel/ ./functions/...\n"
	for _, line := range []string{build, "COPY --from=build /opt/mapreel/ /opt/mapreel/\n", "USER 1000:1000\n"} {
		if !strings.Contains(string(recipe), line) {
			t.Errorf("the Dockerfile lacks the line %q", line)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Name}}", "../../functions/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if name != "main" {
			t.Errorf("functions/ holds a package %s, which is no program", name)
		}
	}
}

func TestLeftoversOfAKilledProcessAreRemoved(t *testing.T) {
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
		t.Errorf("left are %v", entries)
	}
}
