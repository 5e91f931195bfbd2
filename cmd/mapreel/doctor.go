package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/pkg/doctor"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/printable"
)

type doctorCmd struct {
	Scratch string `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files to examine. Default: ${scratch}."`
	JSON    bool   `name:"json" help:"Print a JSON array instead of lines."`
}

// Help is shown by mapreel doctor --help.
func (doctorCmd) Help() string {
	return `It tries each encoder on a few frames and, in the scratch folder, what a job does there. Nothing is left behind.

Exit codes: 0 mapreel can work here, if not with everything; 1 something is missing that it needs; 2 the usage is wrong.`
}

// errUnfit ends the process with exit code 1. The report has said why.
var errUnfit = errors.New("something is missing")

// run examines this machine.
func (d doctorCmd) run(ctx context.Context, env environment) error {
	scratch, err := resolveScratch(d.Scratch)
	if err != nil {
		return err
	}
	report := doctor.Machine(ctx, doctor.MachineOptions{Find: env.Find, Scratch: scratch})
	if ctx.Err() != nil { // its checks were cut short
		return interruptedOr(ctx, fault.ContextError(ctx), snapshot{})
	}
	if d.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(report); err != nil {
			return fault.Wrap(fault.Internal, err, "print the report")
		}
	} else {
		_, err := io.WriteString(env.Stdout, formatChecks(report))
		if err != nil {
			return fault.Wrap(fault.KindOf(err), err, "print the checks")
		}
	}
	if report.Failed() {
		return errUnfit
	}
	return nil
}

// formatChecks returns a line for each check, and its hint in a line below.
func formatChecks(report doctor.Report) string {
	widths := [2]int{}
	for _, c := range report {
		widths[0], widths[1] = max(widths[0], len(c.Level)), max(widths[1], runewidth.StringWidth(c.Name))
	}
	var b strings.Builder
	for _, c := range report {
		printable.Fprintf(&b, "%s  %s  %s\n", runewidth.FillRight(string(c.Level), widths[0]), runewidth.FillRight(c.Name, widths[1]), c.Text)
		if c.Hint != "" {
			printable.Fprintf(&b, "%s  hint: %s\n", strings.Repeat(" ", widths[0]+2+widths[1]), c.Hint)
		}
	}
	return b.String()
}
