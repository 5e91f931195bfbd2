package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/many"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/verify"
)

// many does the jobs of several sources. Relative paths are relative to dir.
func (t transcodeCmd) many(ctx context.Context, env environment, dir string) error {
	films, jobs, err := t.films(env, dir)
	if err != nil {
		return err
	}
	if t.DryRun || t.Plan {
		return t.estimates(ctx, env, films, jobs)
	}
	run, err := t.session(ctx, env)
	if err != nil {
		return err
	}
	movable := terminal.Movable(env.Stderr, os.Getenv("TERM"))
	r := manyRun{session: run, films: films, jobs: jobs, board: many.NewBoard(films), json: &lineWriter{w: env.Stdout}}
	r.display = newDisplay(t.Progress, r.board, r.json, env.Stderr, movable)
	silence := sayStopping(ctx, r.display, env.Stderr)
	many.Run(ctx, len(films), cmp.Or(jobs[0].Jobs, runtime.NumCPU()), r.one)
	silence()
	r.display.stop()
	err = r.outcome(ctx)
	switch {
	case t.Progress == progressJSON:
		r.json.encode(manyLine{Type: "summary", Time: time.Now(), Films: r.board.Results(), Exit: exitCode(err)})
	case t.Progress == progressBar || t.Progress == progressAuto && movable:
		r.board.WriteSummary(env.Stdout)
	}
	return err
}

// films returns the sources with the jobs to do, all checked: nothing is done where one of them is wrong.
func (t transcodeCmd) films(env environment, dir string) ([]many.Film, []toolrun.Job, error) {
	found, err := many.Find(t.Sources, t.Recursive, dir)
	if err == nil && len(found.List) == 0 {
		err = fault.WithHint(fault.New(fault.Invalid, "missing SOURCE, a video or a folder of videos"),
			"for example: mapreel transcode films -o 'out/{name}.mp4'")
	}
	if err == nil {
		err = many.CheckPattern(t.Output, len(found.List))
	}
	if err != nil {
		return nil, nil, err
	}
	var stdin []byte
	if t.Request == "-" {
		if stdin, err = io.ReadAll(io.LimitReader(env.Stdin, film.MaxRequest+1)); err != nil {
			return nil, nil, fault.Wrap(fault.Invalid, err, "--request")
		}
	}
	var films []many.Film
	var jobs []toolrun.Job
	for _, s := range found.List {
		flags := t.Flags
		flags.Source, flags.Output, flags.Concurrency = s.Location(), many.Fill(t.Output, s), t.Jobs
		req, draft, err := flags.Read(bytes.NewReader(stdin), requestflags.On(dir))
		if err != nil {
			return nil, nil, err
		}
		job, err := t.filmJob(many.FillRequest(req, s), draft)
		if err != nil {
			return nil, nil, err
		}
		if _, err := film.Parse(job.Request); err != nil { // a name that was filled in may be none for a file
			return nil, nil, fault.Wrap(fault.Invalid, err, s.Path)
		}
		films, jobs = append(films, many.Film{Source: s, Outputs: job.Outputs}), append(jobs, job)
	}
	err = found.CheckNames(films)
	if err == nil && found.Others > 0 && t.Progress != progressNone && t.Progress != progressJSON {
		fmt.Fprintf(env.Stderr, "mapreel: left out %s without a video's extension\n", verify.Plural(found.Others, "file"))
	}
	return films, jobs, err
}

// estimates says what the jobs would take, one after the other.
func (t transcodeCmd) estimates(ctx context.Context, env environment, films []many.Film, jobs []toolrun.Job) error {
	o := dryRun{plan: t.Plan, json: t.Progress == progressJSON, scratch: t.Scratch, endpoint: t.EndpointURL}
	for i, job := range jobs {
		if !o.json {
			fmt.Fprintf(env.Stdout, "%s\n\n", films[i].Path)
		}
		if err := o.ofJob(ctx, env, job); err != nil {
			return err
		}
		if !o.json && i < len(jobs)-1 {
			fmt.Fprintln(env.Stdout)
		}
	}
	return nil
}

// manyRun is a run of many films.
type manyRun struct {
	session
	films   []many.Film
	jobs    []toolrun.Job
	board   *many.Board
	display display
	json    *lineWriter
}

// one does the job of a film and notes on the board what became of it.
func (r manyRun) one(ctx context.Context, i int, observe func(local.Event)) {
	if there := r.existing(ctx, i); there != "" {
		r.board.End(i, many.Skipped, local.Report{}, there+" exists")
		return
	}
	r.board.Begin(i)
	label := r.board.Label(i) + ": "
	shown := map[string]bool{}
	show := r.observer(labelled{r.display, label, r.films[i].Path, r.json, r.Progress == progressJSON}, shown)
	report, err := r.job(ctx, r.jobs[i], func(e local.Event) {
		observe(e)
		r.board.Add(i, e)
		show(e)
	})
	report.CPU = 0 // that of all films that ran meanwhile
	if err == nil {
		r.tell(formatLosses(label, report.Warnings, shown))
		if r.Strict && lossy(report) {
			err = errStrict
		}
	} else {
		err = r.explain(ctx, r.jobs[i], err, r.board.Progress(i))
	}
	if r.Progress == progressJSON {
		line := newReportLine(report, err, time.Now())
		r.json.encode(fileLine[reportLine]{line, r.films[i].Path})
	}
	switch {
	case err == nil:
		r.board.End(i, many.Done, report, "")
	case errors.As(err, new(interruptedError)):
		r.board.End(i, many.Interrupted, report, "")
	default:
		r.board.End(i, many.Failed, report, strings.Join(errorMessages(err), "; "))
		for n, line := range formatError(err) {
			if n == 0 {
				line = "mapreel: " + label + strings.TrimPrefix(line, "mapreel: ")
			}
			r.tell(line + "\n")
		}
	}
}

// existing returns an output of a film that exists and is not to be replaced, or "".
func (r manyRun) existing(ctx context.Context, i int) string {
	if !r.NoOverwrite {
		return ""
	}
	n := slices.IndexFunc(r.jobs[i].Outputs, func(path string) bool {
		there, err := local.Exists(ctx, origin.Settings{Endpoint: r.EndpointURL}, path)
		return there && err == nil // the job says what is wrong
	})
	if n < 0 {
		return ""
	}
	return r.jobs[i].Outputs[n]
}

// tell shows a text on standard error, also where the display shows no more than errors.
func (r manyRun) tell(text string) {
	switch r.display.(type) {
	case noDisplay, jsonDisplay:
		_, _ = io.WriteString(r.env.Stderr, text)
	default:
		if text != "" {
			r.display.print(text)
		}
	}
}

// outcome returns the error of the whole run: of the films that failed, or that a signal ended it.
func (r manyRun) outcome(ctx context.Context) error {
	all, ended := len(r.films), r.board.Count(many.Done)+r.board.Count(many.Skipped)
	failed := r.board.Count(many.Failed)
	switch {
	case errors.Is(context.Cause(ctx), errSignalled) && ended+failed < all:
		return interruptedError{ended, all, "film"}
	case failed > 0:
		return fmt.Errorf("%d of %d films failed; the same command tries them again", failed, all)
	}
	return nil
}

// labelled shows the events of a film among those of others.
type labelled struct {
	display
	label, file string
	lines       *lineWriter
	json        bool
}

func (l labelled) observe(e local.Event) {
	if l.json {
		l.lines.encode(fileLine[local.Event]{e, l.file})
		return
	}
	if e.Type == engine.Warning {
		e.Error = l.label + e.Error
	}
	l.display.observe(e)
}

func (l labelled) print(text string) {
	l.display.print(strings.Replace(text, "mapreel: ", "mapreel: "+l.label, 1))
}

// fileLine is a line of JSON about one film of several.
type fileLine[T any] struct {
	line T
	file string
}

// MarshalJSON adds the path of the film to the line.
func (f fileLine[T]) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(f.line)
	if err != nil {
		return nil, err
	}
	file, err := json.Marshal(f.file)
	return append(append(append([]byte(`{"file":`), file...), ','), data[1:]...), err
}

// manyLine is the last line of the output of --progress json for several sources.
type manyLine struct {
	Type  string        `json:"type"` // "summary"
	Time  time.Time     `json:"time"`
	Films []many.Result `json:"films"`
	Exit  int           `json:"exit"`
}

// lineWriter writes whole lines of several goroutines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(data)
}

// encode writes a value as a line of JSON.
func (l *lineWriter) encode(v any) {
	data, err := json.Marshal(v)
	if err == nil {
		_, _ = l.Write(append(data, '\n')) // the work goes on if the reader is gone
	}
}
