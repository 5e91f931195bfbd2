package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8/cwriter"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// environment is what the command line reaches beyond its own arguments, so that a test can stand in for each.
type environment struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Find   func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error)
	Run    func(context.Context, film.Request, local.Options) (local.Report, error)
	Jobs   func(ctx context.Context, scratch string) ([]local.Status, error)
}

// main runs the command that args name and returns the process's exit code.
func (env environment) main(ctx context.Context, args []string) int {
	command, err := parse(args, env.Stdout, env.Stderr)
	if err == nil && command != nil {
		err = command.run(ctx, env)
	}
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errDiffers) { // said already, and at length
		return exitDiffers
	}
	var ended batchExit
	if errors.As(err, &ended) { // said to who asked
		return int(ended)
	}
	for _, line := range complaint(err) {
		fmt.Fprintln(env.Stderr, line)
	}
	return exitCode(err)
}

// terminalWidth is how many columns w has, or 0 where w is not a terminal.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !cwriter.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := cwriter.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// canMoveCursor tells whether lines that were written to w can be drawn over.
func canMoveCursor(w io.Writer, term string) bool { return terminalWidth(w) > 0 && term != "dumb" }

// workingDirectory is what relative paths on the command line start from.
func workingDirectory() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", errors.Join(errors.New("find the current folder"), err)
	}
	return dir, nil
}
