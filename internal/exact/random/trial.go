package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/internal/exact/judge"
	"github.com/mapreel/mapreel/internal/exact/recipe"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
)

// class is the result of a trial.
type class string

// The classes. The second to the fourth are faults.
const (
	good        class = "good"
	wrong       class = "wrong output"
	refused     class = "refused"
	misjudged   class = "false verdict of verify"
	noReference class = "no reference" // one pass of ffmpeg makes nothing of the source either
	notMade     class = "not made"     // ffmpeg does not mux what was drawn
)

func (c class) fault() bool { return c == wrong || c == refused || c == misjudged }

// limit is how long a trial may take. Most take a few seconds.
const limit = 15 * time.Minute

// verdict is what a trial found.
type verdict struct {
	class  class
	detail string
}

func (v verdict) String() string {
	if v.detail == "" {
		return string(v.class)
	}
	return string(v.class) + ": " + v.detail
}

// trials make sources, run jobs on them and judge the outputs.
type trials struct {
	tools ffmpeg.Tools
	jobs  judge.Candidate // mapreel
	work  string          // folder for the files
	keep  bool
}

// try runs one recipe. The error is not about mapreel.
func (t trials) try(ctx context.Context, r recipe.Recipe) (verdict, error) {
	dir, err := os.MkdirTemp(t.work, "trial-")
	if err != nil {
		return verdict{}, err
	}
	if !t.keep {
		defer os.RemoveAll(dir)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v := t.judge(limited, r, dir)
	if err := context.Cause(ctx); err != nil {
		return verdict{}, err
	}
	if limited.Err() != nil {
		v = verdict{refused, fmt.Sprintf("not done after %s", limit)}
	}
	return v, nil
}

func (t trials) judge(ctx context.Context, r recipe.Recipe, dir string) verdict {
	path, err := r.Make(ctx, dir)
	if err != nil {
		return verdict{notMade, err.Error()}
	}
	rate := ""
	if r.Raw() {
		rate = r.Rate
	}
	source, err := judge.MeasureRaw(ctx, path, rate)
	if err != nil {
		return verdict{noReference, err.Error()}
	}
	if !hasContent(source) {
		return verdict{noReference, "nothing is decoded"}
	}
	task := func(name string) judge.Task {
		return judge.Task{
			Path: path, Measured: source, Container: r.Output, Dir: filepath.Join(dir, name),
			Codec: r.OutCodec, Segment: r.Segment, Interlaced: r.Interlaced(), Rate: rate, ToneMapped: r.ToneMapped(),
		}
	}
	got, problems := t.run(ctx, t.jobs, task)
	switch {
	case errors.Is(problems, errNoReference):
		return verdict{noReference, fmt.Sprintf("%v; mapreel: %v", problems, got.Err)}
	case got.Refused:
		return verdict{refused, got.Err.Error()}
	case got.Err != nil:
		return verdict{wrong, got.Err.Error()}
	}
	said := judge.Verify(ctx, t.tools, task("mapreel"), got.Warnings)
	switch {
	case problems != nil && said == "good":
		return verdict{wrong, problems.Error() + "; verify says good"}
	case problems != nil:
		return verdict{wrong, problems.Error()}
	case said != "good":
		return verdict{misjudged, said}
	}
	return verdict{class: good}
}

// run has a candidate do a task, and returns what is wrong about its output. task gives the task a
// folder of that name.
func (t trials) run(ctx context.Context, c judge.Candidate, task func(string) judge.Task) (got judge.Finding, problems error) {
	run := func(c judge.Candidate) judge.Finding {
		to := task(strings.ReplaceAll(c.Name, " ", "-"))
		if err := os.Mkdir(to.Dir, 0o755); err != nil {
			return judge.Finding{Err: err}
		}
		if c.Name == judge.OnePass().Name && to.Container.Packaged() {
			to.Container = film.MP4 // one pass makes no packages
		}
		return c.Judge(ctx, to)
	}
	got = run(c)
	return got, compare(task("").Measured, got, func() judge.Finding { return run(judge.OnePass()) })
}

var errNoReference = errors.New("one pass makes nothing of it either")

// compare returns what is wrong about mapreel's output, or nil. An output is right if it has what one
// pass decodes from the source, or what one pass makes of it. one is called where the first is not
// so: most often it need not run.
func compare(source judge.Measurement, got judge.Finding, one func() judge.Finding) error {
	if got.Err == nil {
		first := got
		first.Evaluate(source, nil)
		if first.Good() && got.HasSamplesOf(source) {
			return nil
		}
	}
	reference := one()
	switch {
	case got.Refused && reference.Err != nil:
		return fmt.Errorf("%w: %w", errNoReference, reference.Err)
	case got.Refused && !hasContent(reference.Out):
		return errNoReference
	}
	if got.Err != nil {
		return got.Err
	}
	evaluated := got
	evaluated.Evaluate(source, &reference)
	if evaluated.Good() {
		return nil
	}
	if reference.Err == nil {
		again := judge.Compare(reference.Out, got.Out, "")
		again.PSNR, again.NoEditLists = got.PSNR, got.NoEditLists
		if again.Evaluate(reference.Out, &reference); again.Good() {
			return nil
		}
	}
	return errors.New(strings.Join(evaluated.Problems, "; "))
}

// hasContent reports whether something was decoded.
func hasContent(m judge.Measurement) bool {
	for _, a := range m.Audio {
		if a.Samples > 0 {
			return true
		}
	}
	return len(m.Frames) > 0
}

// outcome is the verdict on a seed.
type outcome struct {
	seed    uint64
	attempt uint64 // how often it was drawn again
	recipe  recipe.Recipe
	verdict verdict
	took    time.Duration
}

// maxAttempts is how often a seed is drawn again if ffmpeg cannot mux what it drew.
const maxAttempts = 20

// draw tries a seed.
func (t trials) draw(ctx context.Context, seed uint64, usual []string) (outcome, error) {
	began := time.Now()
	for attempt := uint64(0); ; attempt++ {
		r, err := recipe.Draw(seed, attempt).Usual(usual)
		if err != nil {
			return outcome{}, err
		}
		v, err := t.try(ctx, r)
		if err != nil {
			return outcome{}, err
		}
		if v.class != notMade || attempt == maxAttempts {
			return outcome{seed: seed, attempt: attempt, recipe: r, verdict: v, took: time.Since(began)}, nil
		}
	}
}
