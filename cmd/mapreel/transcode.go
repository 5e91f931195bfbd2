package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/keyfile"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/many"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/previewflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/prices"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/summary"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/printable"
)

// run transcodes. Its error has a fault kind or is an interruptedError.
func (t transcodeCmd) run(ctx context.Context, env environment) (failed error) {
	dir, err := workingDirectory()
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "")
	}
	command := t
	given, err := keyfile.Given(t.Key, t.Keys)
	if err != nil {
		return err
	}
	if given {
		scratch, err := resolveScratch(t.Scratch)
		if err != nil {
			return err
		}
		path, remove, err := keyfile.Store(scratch, t.Key)
		if err != nil {
			return err
		}
		defer func() {
			if failed == nil || fault.KindOf(failed) == fault.Invalid || t.DryRun || t.Plan { // an unfinished job needs them, if another process continues it
				remove()
			}
		}()
		command.Keys = path
	}
	if !t.Join && many.Asked(t.Sources, t.Output, t.Recursive, dir) {
		return command.many(ctx, env, dir)
	}
	return command.do(ctx, env, command.film(command.request))
}

// requester returns the job that a command asks for. Relative paths are relative to dir.
type requester func(dir string, stdin io.Reader) (toolrun.Job, error)

// film returns the requester of a request for films.
func (t transcodeCmd) film(request func(string, io.Reader) (film.Request, *requestfile.Draft, error)) requester {
	return func(dir string, stdin io.Reader) (toolrun.Job, error) {
		req, draft, err := request(dir, stdin)
		if err != nil {
			return toolrun.Job{}, err
		}
		return t.filmJob(req, draft)
	}
}

// filmJob returns the job of a request for films.
func (t transcodeCmd) filmJob(req film.Request, draft *requestfile.Draft) (toolrun.Job, error) {
	data, err := json.Marshal(req)
	job := toolrun.Job{Request: data, Draft: draft, Outputs: outputFiles(req), Jobs: t.parallelism(req, runtime.NumCPU())}
	return job, fault.Wrap(fault.Internal, err, "request")
}

// do runs the job of a request, as the flags of t say.
func (t transcodeCmd) do(ctx context.Context, env environment, request requester) error {
	if t.DryRun || t.Plan {
		return dryRun{plan: t.Plan, calibrate: t.calibrate, json: t.Progress == progressJSON, scratch: t.Scratch, endpoint: t.EndpointURL}.of(ctx, env, request)
	}
	movable := terminal.Movable(env.Stderr, os.Getenv("TERM"))
	var p sharedProgress
	shown := map[string]bool{}
	report, err := t.transcode(ctx, env, request, &p, movable, shown)
	var strict error
	if err == nil && t.Strict && lossy(report) {
		strict = errStrict
	}
	if t.Progress == progressJSON {
		line := newReportLine(report, err, time.Now())
		if strict != nil {
			line.Exit = exitCode(strict)
		}
		_ = json.NewEncoder(env.Stdout).Encode(line)
	}
	if err != nil {
		return err
	}
	_, _ = io.WriteString(env.Stderr, formatLosses("", report.Warnings, shown)) // the work is done even if the message cannot be written
	if t.Progress == progressBar || t.Progress == progressAuto && movable {
		_, _ = io.WriteString(env.Stdout, summary.Of(report, p.snapshot()))
	}
	return strict
}

// errStrict ends a run with --strict whose output is complete but not all of the source.
var errStrict = errors.New("the output is made, but the source was damaged, or something of it was lost or changed (--strict)")

// lossy reports whether a run warned of more than what it says of every such source.
func lossy(r local.Report) bool {
	return slices.ContainsFunc(r.Warnings, func(w string) bool { return !film.IsNotice(w) })
}

// maxLosses is how many warnings the line of formatLosses names: a capture may be damaged in every segment.
const maxLosses = 5

// formatLosses returns one line with the warnings of a run that the display has not shown; "" if
// there are none. subject is what they are about, with a colon, or "". The display shows none with
// --progress none and json, and never those of an earlier run that this one continues.
func formatLosses(subject string, warnings []string, shown map[string]bool) string {
	var list []string
	for _, w := range warnings {
		if !shown[w] {
			list = append(list, oneLine(w))
		}
	}
	if len(list) == 0 {
		return ""
	}
	if more := len(list) - maxLosses; more > 0 {
		list = append(list[:maxLosses], fmt.Sprintf("and %d more", more))
	}
	return "mapreel: warning: " + subject + strings.Join(list, "; ") + "\n"
}

// transcode runs the job. It adds the warnings that the display shows to shown.
func (t transcodeCmd) transcode(
	ctx context.Context, env environment, asked requester, p *sharedProgress, movable bool, shown map[string]bool,
) (local.Report, error) {
	dir, err := workingDirectory()
	if err != nil {
		return local.Report{}, fault.Wrap(fault.NotFound, err, "")
	}
	var end func()
	env.Find, end = toolrun.FindAhead(ctx, env.Find)
	defer end()
	job, err := asked(dir, env.Stdin)
	if err != nil {
		return local.Report{}, err
	}
	run, err := t.session(ctx, env)
	if err != nil {
		return local.Report{}, err
	}
	d := newDisplay(t.Progress, p, env.Stdout, env.Stderr, movable)
	silence := sayStopping(ctx, d, env.Stderr)
	show := t.observer(d, shown)
	report, err := run.job(ctx, job, func(e local.Event) {
		p.add(e)
		show(e)
	})
	silence()
	d.stop()
	if err != nil {
		return local.Report{}, run.explain(ctx, job, err, p.snapshot())
	}
	return report, nil
}

// observer returns a function that shows events, but no warning twice. It adds the warnings to shown.
func (t transcodeCmd) observer(d display, shown map[string]bool) func(local.Event) {
	announced := false // of files of previews
	return func(e local.Event) {
		if e.Type == engine.Warning && t.Progress != progressNone && t.Progress != progressJSON {
			if shown[e.Error] { // several units meet the same damage
				return
			}
			shown[e.Error] = true
		}
		if e.Type == engine.Planned {
			if text := previewflags.FormatObjects(e.Groups, prices.Table(io.Discard)); text != "" && !announced {
				announced = true
				d.print(text)
			}
		}
		d.observe(e)
	}
}

// session is what the jobs of a command share.
type session struct {
	transcodeCmd
	env     environment
	scratch string
	tools   ffmpeg.Tools
	setup   json.RawMessage
}

// session finds what every job needs.
func (t transcodeCmd) session(ctx context.Context, env environment) (session, error) {
	scratch, err := resolveScratch(t.Scratch)
	if err != nil {
		return session{}, err
	}
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return session{}, interruptedOr(ctx, err, snapshot{})
	}
	setup, err := json.Marshal(tools)
	return session{t, env, scratch, tools, setup}, fault.Wrap(fault.Internal, err, "setup of a batch process")
}

// job runs a job.
func (s session) job(ctx context.Context, job toolrun.Job, observe func(local.Event)) (local.Report, error) {
	request, opts, err := local.Receive(ctx, job.Request, local.Options{Scratch: s.scratch, Places: origin.Settings{Endpoint: s.EndpointURL}}, local.Input{
		Stdin: s.env.Stdin,
		Say: func(text string) {
			if s.Progress != progressNone && s.Progress != progressJSON {
				printable.Fprintf(s.env.Stderr, "mapreel: %s\n", text)
			}
		},
	})
	if err != nil {
		return local.Report{}, err
	}
	record := newRunRecord(ctx, s.scratch, request, history.Options{KeepScratch: s.KeepScratch, KeepOutputs: s.NoOverwrite, IgnoreSpace: s.IgnoreSpace})
	report, err := s.env.Run(ctx, request, local.Options{
		Scratch:  s.scratch,
		Registry: toolrun.Registry(s.tools),
		Setup:    s.setup,
		Jobs:     job.Jobs,
		Keep:     s.KeepScratch,
		Batch:    batchArgs,
		Places:   opts.Places,

		Execution:   record.execution(),
		Outputs:     job.Outputs,
		KeepOutputs: s.NoOverwrite,
		IgnoreSpace: s.IgnoreSpace,
		Observe:     observe,
	})
	record.close(err)
	return report, err
}

// explain returns the error of a job that ended with err, for people; end is the last snapshot of its progress.
func (session) explain(ctx context.Context, job toolrun.Job, err error, end snapshot) error {
	var ps film.Problems
	if fault.KindOf(err) == fault.Invalid && errors.As(err, &ps) {
		return job.Draft.Invalid(ps)
	}
	return interruptedOr(ctx, addHint(err, end), end)
}

// outputFiles returns the paths of everything that req publishes.
func outputFiles(req film.Request) (list []string) {
	for _, o := range req.Outputs {
		for _, name := range o.Names() {
			// Previews of one name have one list.
			if path := origin.Join(req.Destination, name); !slices.Contains(list, path) {
				list = append(list, path)
			}
		}
	}
	return list
}

// stopping answers a signal. Processes that are at work take a moment to end.
const stopping = "mapreel: stopping; finished work is kept\n"

// sayStopping ends the display and answers on w as soon as a signal ends ctx. The function that it returns waits for an answer
// that has begun.
func sayStopping(ctx context.Context, d display, w io.Writer) (silence func()) {
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		if errors.Is(context.Cause(ctx), errSignalled) {
			d.stop()
			_, _ = io.WriteString(w, stopping) // the run stops even if the message cannot be written
		}
	})
	return func() {
		if !stop() {
			<-said
		}
	}
}

// interruptedError reports that a signal ended the work, and how many segments or other units were finished.
type interruptedError struct {
	done, all int
	noun      string // of one unit
}

func (e interruptedError) Error() string {
	const hint = "run the same command again to continue"
	switch e.all {
	case 0:
		return "interrupted: nothing is finished yet; " + hint
	case 1:
		return fmt.Sprintf("interrupted: %d of 1 %s is finished; %s", e.done, e.noun, hint)
	}
	return fmt.Sprintf("interrupted: %d of %d %ss are finished; %s", e.done, e.all, e.noun, hint)
}

// interruptedOr returns an interruptedError if a signal ended ctx, else err.
func interruptedOr(ctx context.Context, err error, s snapshot) error {
	if errors.Is(context.Cause(ctx), errSignalled) {
		done, all, noun := s.Finished()
		return interruptedError{done, all, noun}
	}
	return err
}

// addHint adds the advice that only this command can give to an error without a hint.
func addHint(err error, s snapshot) error {
	if fault.HintOf(err) != "" {
		return err
	}
	switch fault.KindOf(err) {
	case fault.OutOfSpace:
		return fault.WithHint(err, "free some space, or choose another folder with --scratch; finished work is kept, and the same command continues")
	case fault.Transient, fault.OutOfTime:
		done, all, noun := s.Finished()
		return fault.WithHint(err, fmt.Sprintf("%d of %d %ss are finished; the same command continues", done, all, noun))
	case fault.Corrupt:
		return fault.WithHint(err, "the source or an intermediate file is damaged; check that the source plays to its end, and run the same command again")
	case fault.Internal:
		return fault.WithHint(err, "this looks like a bug in mapreel; please report it with the command and its output")
	}
	return err
}

// request returns the request that the arguments and the file of --request describe. Relative paths are relative to dir.
func (t transcodeCmd) request(dir string, stdin io.Reader) (film.Request, *requestfile.Draft, error) {
	flags := t.Flags
	flags.Output, flags.Concurrency = t.Output, t.Jobs
	if len(t.Sources) > 0 {
		flags.Source, flags.Others = t.Sources[0], t.Sources[1:]
	}
	return flags.Read(stdin, requestflags.On(dir))
}

// parallelism returns how many segments are encoded at once on this machine: the value of --jobs, else that of the
// request, but at most the number of cores, because requests written for AWS ask for a thousand. 0 means one per core.
func (t transcodeCmd) parallelism(req film.Request, cores int) int {
	if t.Jobs != nil {
		return int(*t.Jobs)
	}
	return min(req.Compute.Concurrency, cores)
}
