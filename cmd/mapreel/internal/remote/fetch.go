package remote

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Fetch copies the outputs of a job to this machine.
type Fetch struct {
	Target

	Job      string       `arg:"" name:"JOB" help:"The job, by its name or the ARN of its execution."`
	Output   string       `short:"o" required:"" placeholder:"DIR" help:"Folder for the outputs. An existing file of an output's name is replaced when the new one is complete."`
	JSON     bool         `name:"json" help:"Print the names of the files as JSON."`
	Progress progressMode `enum:"auto,bar,none" default:"auto" placeholder:"HOW" help:"auto: a bar on a terminal. bar: a bar, or a line every few seconds without a terminal. none: nothing."`
}

// Help is shown by mapreel fetch --help.
func (Fetch) Help() string {
	return `Fetches the outputs of a job of AWS or of a server, and compares each with its checksum. The same command again
continues what was interrupted, and keeps what is there already.

` + exits
}

// Run copies them.
func (c Fetch) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	job, err := remote.Status(ctx, c.Job)
	if err != nil {
		return err
	}
	folder := c.Output
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(env.Dir, folder)
	}
	view := &transferView{}
	stop := view.show(env, c.JSON, c.Progress)
	done, err := remote.Fetch(ctx, job, folder, view.set)
	stop()
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted: the same command continues")
	case err != nil:
		return err
	case c.JSON:
		return printJSON(env.Stdout, done)
	}
	for _, name := range done.Files {
		printable.Fprintf(env.Stdout, "%s\n", filepath.Join(c.Output, filepath.FromSlash(name)))
	}
	noun := "files"
	if len(done.Files) == 1 {
		noun = "file"
	}
	printable.Fprintf(env.Stderr, "mapreel: %d %s, %s", len(done.Files), noun, format.Bytes(done.Bytes))
	if done.Kept > 0 {
		printable.Fprintf(env.Stderr, "; %d were there", done.Kept)
	}
	if done.Unchecked > 0 {
		printable.Fprintf(env.Stderr, "; of %d only the size was checked, because S3 has no checksum of the whole", done.Unchecked)
	}
	printable.Fprintf(env.Stderr, "\n")
	return nil
}
