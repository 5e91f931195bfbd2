package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// childRequest is the environment variable that makes the test binary run one job and exit: a process that a test can kill.
const childRequest = "MAPREEL_TEST_REQUEST"

func TestMain(m *testing.M) {
	if local.IsBatchProcess() {
		os.Exit(local.Batch(context.Background(), os.Stdout, makeRegistry))
	}
	if data := os.Getenv(childRequest); data != "" {
		os.Exit(child(data))
	}
	os.Exit(m.Run())
}

// childRun is what a child process of a test runs.
type childRun struct {
	Request json.RawMessage
	Setup   setup
	Scratch string
	Jobs    int
	Batch   []string
}

func child(data string) int {
	var c childRun
	err := json.Unmarshal([]byte(data), &c)
	if err == nil {
		_, err = c.Setup.run(context.Background(), c.Request, local.Options{Scratch: c.Scratch, Jobs: c.Jobs, Batch: c.Batch})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// parent returns a command that runs a request in a process of its own. The process gets SIGKILL when ctx ends.
func (s setup) parent(ctx context.Context, t *testing.T, req any, opts local.Options) *exec.Cmd {
	t.Helper()
	request, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(childRun{Request: request, Setup: s, Scratch: opts.Scratch, Jobs: opts.Jobs, Batch: opts.Batch})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childRequest+"="+string(data))
	return cmd
}

// runChild runs a request in a process of its own, kills it after a while, and reports whether it came to its end.
func runChild(t *testing.T, s setup, req any, scratch string, after time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	cmd := s.parent(ctx, t, req, local.Options{Scratch: scratch, Jobs: 2})
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && ctx.Err() == nil {
		t.Fatalf("a run ended by itself: %v\n%s", err, out.Bytes())
	}
	return err == nil
}

var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{}) })

// setup is what the registry of a run is made from, also in its Batch processes.
type setup struct {
	Tools ffmpeg.Tools
	Kinds kinds.Options
	Toy   bool // whether the registry also has the toy
}

// films returns the setup of runs that only need the kinds that mapreel ships.
func films(t *testing.T) setup {
	t.Helper()
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	return setup{Tools: tools}
}

func (s setup) registry() work.Registry {
	r := kinds.All(s.Tools, s.Kinds)
	if s.Toy {
		r = toy.Add(r)
	}
	return r
}

// makeRegistry makes the registry of a Batch process.
func makeRegistry(data json.RawMessage) (work.Registry, error) {
	var s setup
	err := json.Unmarshal(data, &s)
	return s.registry(), err
}

// run runs a request with the options, which need no Registry and no Setup.
func (s setup) run(ctx context.Context, req any, opts local.Options) (local.Report, error) {
	request, err := json.Marshal(req)
	if err != nil {
		return local.Report{}, err
	}
	opts.Registry = s.registry()
	if opts.Setup, err = json.Marshal(s); err != nil {
		return local.Report{}, err
	}
	return local.Run(ctx, request, opts)
}

// run runs a request with two units at once.
func run(ctx context.Context, req film.Request, scratch string, observe func(local.Event)) (local.Report, error) {
	tools, err := findTools()
	if err != nil {
		return local.Report{}, err
	}
	return setup{Tools: tools}.run(ctx, req, local.Options{Scratch: scratch, Jobs: 2, Observe: observe})
}

// outputs returns the facts of the outputs that a run published.
func outputs(t *testing.T, r local.Report) (list []film.OutputFacts) {
	t.Helper()
	for _, data := range r.Outputs {
		var facts film.OutputFacts
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		list = append(list, facts)
	}
	return list
}

// group returns a group of a job by its name.
func group(t *testing.T, s local.Status, name string) engine.GroupProgress {
	t.Helper()
	for _, g := range s.Groups {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("job %s has no group %q: %+v", s.Job, name, s.Groups)
	return engine.GroupProgress{}
}

// running counts the units of a job that are in progress.
func running(s local.Status) (n int) {
	for _, g := range s.Groups {
		n += g.Running
	}
	return n
}
