package main

import (
	"context"
	"io"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
)

// runCmd is the command that runs tools.
type runCmd struct {
	toolrun.Run `embed:""`
}

func (r runCmd) run(ctx context.Context, env environment) error {
	t := transcodeCmd{Scratch: r.Scratch, KeepScratch: r.KeepScratch, IgnoreSpace: r.IgnoreSpace, Progress: progressMode(r.Progress), DryRun: r.DryRun, EndpointURL: r.EndpointURL}
	return t.do(ctx, env, func(dir string, stdin io.Reader) (toolrun.Job, error) { return r.Job(dir, stdin) })
}

// fdlCmd is the command that translates functions into tools.
type fdlCmd struct {
	toolrun.FDL `embed:""`
}

func (f fdlCmd) run(_ context.Context, env environment) error {
	return f.Translate(env.Stdin, env.Stdout, env.Stderr)
}
