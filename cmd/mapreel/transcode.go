package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// run transcodes. Its error is of a kind of package fault, or an interruption.
func (t transcode) run(ctx context.Context, env environment) error {
	movable := canMoveCursor(env.Stderr, os.Getenv("TERM"))
	var w watch
	report, err := t.work(ctx, env, &w, movable)
	if t.Progress == showJSON {
		_ = json.NewEncoder(env.Stdout).Encode(lastLine(report, err, time.Now()))
	}
	if err == nil && (t.Progress == showBar || t.Progress == showAuto && movable) {
		fmt.Fprint(env.Stdout, summary(report, w.now()))
	}
	return err
}

func (t transcode) work(ctx context.Context, env environment, w *watch, movable bool) (local.Report, error) {
	dir, err := workingDirectory()
	if err != nil {
		return local.Report{}, fault.Wrap(fault.NotFound, err, "")
	}
	req, d, err := t.request(dir, env.Stdin)
	if err != nil {
		return local.Report{}, err
	}
	scratch, err := scratchFolder(t.Scratch)
	if err != nil {
		return local.Report{}, err
	}
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return local.Report{}, interruptedOr(ctx, err, reading{})
	}
	shown := choose(t.Progress, w, env.Stdout, env.Stderr, movable)
	report, err := env.Run(ctx, req, local.Options{
		Scratch: scratch,
		Tools:   tools,
		Jobs:    t.parallel(req, runtime.NumCPU()),
		Keep:    t.KeepScratch,
		Batch:   batchCommand,

		IgnoreSpace: t.IgnoreSpace,
		Observe:     func(e local.Event) { w.add(e); shown.observe(e) },
	})
	shown.stop()
	if err == nil {
		return report, nil
	}
	var ps film.Problems
	if fault.KindOf(err) == fault.Invalid && errors.As(err, &ps) {
		return local.Report{}, d.invalid(ps)
	}
	return local.Report{}, interruptedOr(ctx, advise(err, w.now()), w.now())
}

// interrupted says that a signal ended the work, and how far that was.
type interrupted struct{ done, segments int }

func (e interrupted) Error() string {
	const again = "run the same command again to continue"
	switch e.segments {
	case 0:
		return "interrupted: nothing is finished yet; " + again
	case 1:
		return fmt.Sprintf("interrupted: %d of 1 segment is finished; %s", e.done, again)
	}
	return fmt.Sprintf("interrupted: %d of %d segments are finished; %s", e.done, e.segments, again)
}

// interruptedOr is the interruption where a signal is why ctx ended, else err.
func interruptedOr(ctx context.Context, err error, r reading) error {
	if errors.Is(context.Cause(ctx), errSignalled) {
		return interrupted{r.Done, r.Segments}
	}
	return err
}

// advise adds what to do where the one who made the error could not know it.
func advise(err error, r reading) error {
	if fault.HintOf(err) != "" {
		return err
	}
	switch fault.KindOf(err) {
	case fault.OutOfSpace:
		return fault.WithHint(err, "make room, or choose another folder by --scratch; what is finished is kept, and the same command continues")
	case fault.Transient, fault.OutOfTime:
		return fault.WithHint(err, fmt.Sprintf("%d of %d segments are finished; the same command continues", r.Done, r.Segments))
	case fault.Corrupt:
		return fault.WithHint(err, "the source, or what was made of it, is damaged; try whether the source plays to its end, and run the same command again")
	case fault.Internal:
		return fault.WithHint(err, "this looks like a defect of mapreel; please report it with the command and what it printed")
	}
	return err
}
