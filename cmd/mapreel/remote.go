package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/remote"
	"github.com/mapreel/mapreel/pkg/fault"
)

// remoteCmd is a command that works with jobs elsewhere.
type remoteCmd struct{ remote.Command }

// run runs it. After a signal its error says what goes on.
func (c remoteCmd) run(ctx context.Context, env environment) error {
	dir, err := workingDirectory()
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "")
	}
	err = c.Run(ctx, remote.Env{
		Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr, Dir: dir,
		Estimate: func(ctx context.Context, request json.RawMessage, asJSON bool) error {
			return dryRun{json: asJSON, scratch: cmp.Or(os.Getenv("MAPREEL_SCRATCH"), defaultScratchDir())}.estimate(ctx, env, request, 0)
		},
	})
	if err != nil && errors.Is(context.Cause(ctx), errSignalled) {
		return signalledError{err}
	}
	return err
}

// signalledError is an error whose text says what a signal ended, and what goes on.
type signalledError struct{ error }

func (signalledError) Unwrap() error { return interruptedError{} }
