package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
)

// run transcodes. Its error has a fault kind or is an interruptedError.
func (t transcodeCmd) run(ctx context.Context, env environment) error {
	movable := canMoveCursor(env.Stderr, os.Getenv("TERM"))
	var p sharedProgress
	report, err := t.transcode(ctx, env, &p, movable)
	if t.Progress == progressJSON {
		_ = json.NewEncoder(env.Stdout).Encode(newReportLine(report, err, time.Now()))
	}
	if err == nil && (t.Progress == progressBar || t.Progress == progressAuto && movable) {
		fmt.Fprint(env.Stdout, formatSummary(report, p.snapshot()))
	}
	return err
}

func (t transcodeCmd) transcode(ctx context.Context, env environment, p *sharedProgress, movable bool) (local.Report, error) {
	dir, err := workingDirectory()
	if err != nil {
		return local.Report{}, fault.Wrap(fault.NotFound, err, "")
	}
	req, draft, err := t.request(dir, env.Stdin)
	if err != nil {
		return local.Report{}, err
	}
	scratch, err := resolveScratch(t.Scratch)
	if err != nil {
		return local.Report{}, err
	}
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return local.Report{}, interruptedOr(ctx, err, snapshot{})
	}
	request, err := json.Marshal(req)
	if err != nil {
		return local.Report{}, fault.Wrap(fault.Internal, err, "request")
	}
	setup, err := json.Marshal(tools)
	if err != nil {
		return local.Report{}, fault.Wrap(fault.Internal, err, "setup of a batch process")
	}
	d := newDisplay(t.Progress, p, env.Stdout, env.Stderr, movable)
	silence := sayStopping(ctx, d, env.Stderr)
	report, err := env.Run(ctx, request, local.Options{
		Scratch:  scratch,
		Registry: kinds.All(tools, kinds.Options{}),
		Setup:    setup,
		Jobs:     t.parallelism(req, runtime.NumCPU()),
		Keep:     t.KeepScratch,
		Batch:    batchArgs,

		Outputs:     outputFiles(req),
		KeepOutputs: t.NoOverwrite,
		IgnoreSpace: t.IgnoreSpace,
		Observe:     func(e local.Event) { p.add(e); d.observe(e) },
	})
	silence()
	d.stop()
	if err == nil {
		return report, nil
	}
	var ps film.Problems
	if fault.KindOf(err) == fault.Invalid && errors.As(err, &ps) {
		return local.Report{}, draft.invalidRequest(ps)
	}
	return local.Report{}, interruptedOr(ctx, addHint(err, p.snapshot()), p.snapshot())
}

// outputFiles returns the paths of everything that req publishes.
func outputFiles(req film.Request) (list []string) {
	for _, o := range req.Outputs {
		for _, name := range o.Names() {
			list = append(list, filepath.Join(req.Destination, name))
		}
	}
	return list
}

// stopping answers a signal. Processes that are encoding take a moment to end.
const stopping = "mapreel: stopping; finished segments are kept\n"

// sayStopping ends the display and answers on w as soon as a signal ends ctx. The function that it returns waits for an answer
// that has begun.
func sayStopping(ctx context.Context, d display, w io.Writer) (silence func()) {
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		if errors.Is(context.Cause(ctx), errSignalled) {
			d.stop()
			fmt.Fprint(w, stopping)
		}
	})
	return func() {
		if !stop() {
			<-said
		}
	}
}

// interruptedError reports that a signal ended the work, and how many segments were finished.
type interruptedError struct{ done, segments int }

func (e interruptedError) Error() string {
	const hint = "run the same command again to continue"
	switch e.segments {
	case 0:
		return "interrupted: nothing is finished yet; " + hint
	case 1:
		return fmt.Sprintf("interrupted: %d of 1 segment is finished; %s", e.done, hint)
	}
	return fmt.Sprintf("interrupted: %d of %d segments are finished; %s", e.done, e.segments, hint)
}

// interruptedOr returns an interruptedError if a signal ended ctx, else err.
func interruptedOr(ctx context.Context, err error, s snapshot) error {
	if errors.Is(context.Cause(ctx), errSignalled) {
		return interruptedError{s.Done, s.Segments}
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
		return fault.WithHint(err, fmt.Sprintf("%d of %d segments are finished; the same command continues", s.Done, s.Segments))
	case fault.Corrupt:
		return fault.WithHint(err, "the source or an intermediate file is damaged; check that the source plays to its end, and run the same command again")
	case fault.Internal:
		return fault.WithHint(err, "this looks like a bug in mapreel; please report it with the command and its output")
	}
	return err
}
