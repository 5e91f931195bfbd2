package local

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// Plan plans a request as Run does, and does nothing of it: it reads the source's index, and leaves nothing behind. Of Options it
// uses Registry, Roots and Places.
func Plan(ctx context.Context, request json.RawMessage, opts Options) (work.Plan, error) {
	var envelope work.Envelope
	if err := json.Unmarshal(request, &envelope); err != nil {
		return work.Plan{}, fault.Wrap(fault.Invalid, err, "request")
	}
	if err := checkEnvelope(envelope, opts.Roots); err != nil {
		return work.Plan{}, err
	}
	if envelope.Source == Pipe {
		return work.Plan{}, fault.WithHint(fault.New(fault.Invalid, "what comes through a pipe cannot be looked at before the work"), "store it in a file first")
	}
	places := opts.places()
	defer places.Close() //nolint:errcheck // nothing is written there
	if err := checkSource(ctx, places, envelope.Source); err != nil {
		return work.Plan{}, err
	}
	f := files{source: envelope.Source, roots: opts.Roots, places: places}
	for _, p := range opts.Registry.Planners {
		if !p.Accepts(request) {
			continue
		}
		var plan work.Plan
		err := inFolder(func(folder string, scratch *dir.Store) (err error) {
			plan, err = p.Plan(ctx, &work.PlanEnv{
				Scratch: scratch, Resolve: f.resolve, Results: nothing{}, Dir: folder, Log: slog.New(slog.DiscardHandler),
			}, request)
			return err
		})
		return plan, err
	}
	return work.Plan{}, fault.New(fault.Invalid, "no planner accepts the request")
}

// Trial is what a unit took that was tried.
type Trial struct {
	Result work.Result
	Wall   time.Duration
	CPU    time.Duration // of the programs that it ran
}

// Try does a unit of a plan and throws away its artifacts. What the unit writes to the destination stays: the plan's must be a
// folder of the caller's own. Units that need the results of others fail.
func Try(ctx context.Context, plan work.Plan, source string, settings origin.Settings, kind work.Kind, unit work.Unit) (Trial, error) {
	var t Trial
	places := origin.New(settings)
	defer places.Close() //nolint:errcheck // nothing is written there
	err := inFolder(func(folder string, scratch *dir.Store) (err error) {
		var programs process.Counter
		began := time.Now()
		t.Result, err = kind.Run(process.WithCounter(ctx, &programs), &work.Env{
			Job: plan.ID, Doc: plan.Doc, Unit: unit.Name, Attempt: 1, Dir: folder, Scratch: scratch, Resolve: files{source: source, places: places}.resolve,
			Results: nothing{}, Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
		}, unit)
		t.Wall, t.CPU = time.Since(began), programs.CPU()
		return err
	})
	return t, err
}

// Rehearse returns the command line of the first program that a unit of a plan would run, beginning with the program's path; nil
// where it runs none before it needs the results of others. Names in the unit's working folder are relative to it.
func Rehearse(ctx context.Context, plan work.Plan, source string, settings origin.Settings, kind work.Kind, unit work.Unit) []string {
	var line []string
	ctx = process.WithRehearsal(ctx, func(program string, args []string, dir string) {
		if line == nil {
			line = append(line, program)
			for _, arg := range args {
				line = append(line, strings.ReplaceAll(arg, dir+string(filepath.Separator), ""))
			}
		}
	})
	_, _ = Try(ctx, plan, source, settings, kind, unit) // it fails, having run nothing
	return line
}

// inFolder calls run with a working folder and a store of artifacts, and removes both.
func inFolder(run func(folder string, scratch *dir.Store) error) error {
	root, err := os.MkdirTemp("", "mapreel-estimate-")
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	defer os.RemoveAll(root) //nolint:errcheck // the system removes what is left of its temporary files
	folder, artifacts := filepath.Join(root, "work"), filepath.Join(root, "artifacts")
	for _, name := range []string{folder, artifacts} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "working folder")
		}
	}
	store, err := dir.New(artifacts)
	if err != nil {
		return err
	}
	return run(folder, store)
}

// nothing is the results of a job of which nothing is done.
type nothing struct{}

func (nothing) Result(context.Context, string) (work.Result, bool, error) {
	return work.Result{}, false, nil
}

func (nothing) All(context.Context, string) iter.Seq2[work.Finished, error] {
	return func(func(work.Finished, error) bool) {}
}
