package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/printable"
)

// environment holds everything that a command uses besides its arguments, so that a test can replace each.
type environment struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Find   func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error)
	Run    func(ctx context.Context, request json.RawMessage, o local.Options) (local.Report, error)
	Jobs   func(ctx context.Context, scratch string) ([]local.Status, error)
}

// main runs the command that args name and returns the process's exit code. Whatever a command writes passes a filter on its
// way: no control character of a name, a title or a message reaches a terminal.
func (env environment) main(ctx context.Context, args []string) int {
	return env.filtered().dispatch(ctx, args)
}

// dispatch runs a command for main.
func (env environment) dispatch(ctx context.Context, args []string) int {
	cmd, err := parse(args, env.Stdout, env.Stderr)
	if err == nil && cmd != nil {
		err = cmd.run(ctx, env)
	}
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errDiffers) { // the report has said so
		return exitDiffers
	}
	if errors.Is(err, errUnfit) { // likewise
		return exitFailed
	}
	var code batchExitCode
	if errors.As(err, &code) { // reported to the parent process
		return int(code)
	}
	for _, line := range formatError(err) {
		printable.Fprintf(env.Stderr, "%s\n", line)
	}
	return exitCode(err)
}

// filtered returns env with a filter before each of its writers.
func (env environment) filtered() environment {
	with := env
	with.Stdout, with.Stderr = printable.NewWriter(env.Stdout), printable.NewWriter(env.Stderr)
	return with
}

// workingDirectory returns the folder that relative paths on the command line start from.
func workingDirectory() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", errors.Join(errors.New("find the current folder"), err)
	}
	return dir, nil
}
