package main

import (
	"context"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/printable"
)

type gcCmd struct {
	Scratch string `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder that the jobs were started with. Default: ${scratch}."`
	DryRun  bool   `help:"Only list what would be removed."`
	JSON    bool   `name:"json" help:"Print a JSON array instead of lines."`
}

// Help is shown by mapreel gc --help.
func (gcCmd) Help() string {
	return `Every transcode does the same when it starts. Files that a running job uses are kept.`
}

// run removes the scratch files of jobs that are done or abandoned.
func (c gcCmd) run(ctx context.Context, env environment) error {
	scratch, err := resolveScratch(c.Scratch)
	if err != nil {
		return err
	}
	list, err := local.Collect(ctx, scratch, c.DryRun)
	if err != nil {
		return interruptedOr(ctx, err, snapshot{})
	}
	if c.JSON {
		if list == nil {
			list = []local.Leftover{}
		}
		return printJSON(env.Stdout, list, "what was removed")
	}
	verb := "removed"
	if c.DryRun {
		verb = "would remove"
	}
	if len(list) == 0 {
		printable.Fprintf(env.Stdout, "nothing to remove in %s\n", scratch)
	}
	for _, leftover := range list {
		printable.Fprintf(env.Stdout, "%s %s, %s: %s\n", verb, leftover.Path, format.Bytes(leftover.Bytes), leftover.Why)
	}
	return nil
}
