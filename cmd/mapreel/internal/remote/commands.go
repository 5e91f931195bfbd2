package remote

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Status shows a job, or the jobs that run.
type Status struct {
	Target

	Job  string `arg:"" optional:"" name:"JOB" help:"The job, by its name or the ARN of its execution. Without: all that run."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is shown by mapreel status --help.
func (Status) Help() string {
	return "Exit codes: 0 the job runs or is done; 1 it failed or was stopped, or it could not be asked for; 2 the usage is wrong."
}

// maxRunning is how many jobs that run are shown with their progress.
const maxRunning = 50

// Run shows it.
func (c Status) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	if c.Job == "" {
		return c.all(ctx, env, remote)
	}
	job, err := remote.Status(ctx, c.Job)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(env.Stdout, job); err != nil {
			return err
		}
	} else {
		printable.Fprintf(env.Stdout, "%s", formatJob(job, time.Now()))
	}
	return outcome(job)
}

// all shows the jobs that run.
func (c Status) all(ctx context.Context, env Env, remote *client.Client) error {
	list, err := remote.List(ctx, client.Running, maxRunning)
	if err != nil {
		return err
	}
	for i, job := range list {
		if list[i], err = remote.Status(ctx, job.ARN); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(env.Stdout, list)
	}
	if len(list) == 0 {
		printable.Fprintf(env.Stdout, "no job runs; mapreel list shows those that have ended\n")
		return nil
	}
	printable.Fprintf(env.Stdout, "%s", formatList(list, time.Now()))
	return nil
}

// List lists jobs.
type List struct {
	Target

	Status string `enum:",running,succeeded,failed,timed-out,aborted" default:"" placeholder:"STATUS" help:"Only jobs of this status: running, succeeded, failed, timed-out or aborted."`
	Limit  int    `default:"20" placeholder:"N" help:"List at most this many, the newest first. Default: 20."`
	JSON   bool   `name:"json" help:"Print a JSON array."`
}

// Help is shown by mapreel list --help.
func (List) Help() string { return exits }

// Run lists them.
func (c List) Run(ctx context.Context, env Env) error {
	if c.Limit < 1 {
		return fault.New(fault.Invalid, "--limit: must be at least 1")
	}
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	list, err := remote.List(ctx, strings.ReplaceAll(strings.ToUpper(c.Status), "-", "_"), c.Limit)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(env.Stdout, list)
	case len(list) == 0:
		printable.Fprintf(env.Stdout, "no jobs\n")
	default:
		printable.Fprintf(env.Stdout, "%s", formatList(list, time.Now()))
	}
	return nil
}

// Stop stops a job.
type Stop struct {
	Target

	Job   string `arg:"" name:"JOB" help:"The job, by its name or the ARN of its execution."`
	Cause string `placeholder:"TEXT" help:"Why; the job's history keeps it."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Help is shown by mapreel stop --help.
func (Stop) Help() string {
	return "What is done is kept, and mapreel redrive does the rest. A job that has ended stays as it is.\n\n" +
		"Exit codes: 0 the job is stopped, now or before; 1 it had ended in another way, or it could not be stopped; 2 the usage is wrong."
}

// Run stops it.
func (c Stop) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	job, stopped, err := remote.Stop(ctx, c.Job, cmp.Or(c.Cause, "stopped by mapreel stop"))
	if err != nil || stopped {
		return show(env, job, err, c.JSON)
	}
	if c.JSON {
		if err := printJSON(env.Stdout, job); err != nil {
			return err
		}
	}
	return notStopped(env, job, c.JSON)
}

// notStopped says how a job had ended before it could be stopped. It is an error unless somebody else had stopped it.
func notStopped(env Env, job client.Job, asJSON bool) error {
	when := job.Stopped.Local().Format("2006-01-02 15:04:05")
	switch job.Status {
	case client.Aborted:
		if !asJSON {
			printable.Fprintf(env.Stdout, "%s %s: it was stopped before, at %s\n", job.Name, job.Status, when)
		}
		return nil
	case client.Succeeded:
		return fmt.Errorf("job %s was not stopped: it was done at %s", job.Name, when)
	}
	return fmt.Errorf("job %s was not stopped: it had failed before, at %s; mapreel status %[1]s says why", job.Name, when)
}

// Redrive redrives a job.
type Redrive struct {
	Target

	Job    string           `arg:"" name:"JOB" help:"The job, by its name or the ARN of its execution."`
	Budget *flagvalue.Money `placeholder:"USD" help:"Continue with this budget, in US dollars: a new job, of which the finished units are not done again."`
	JSON   bool             `name:"json" help:"Print JSON: a line for each change with --wait."`
	Wait   bool             `help:"Show the progress until the job ends."`
}

// Help is shown by mapreel redrive --help.
func (Redrive) Help() string {
	return `What is done is not done again. A budget is part of the request that a job was started with, so that with --budget the same request
is started again under another name, which is printed.

` + exits
}

// Run redrives it.
func (c Redrive) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	var job client.Job
	if c.Budget != nil {
		job, err = remote.Raise(ctx, c.Job, price.Money(*c.Budget))
	} else {
		job, err = remote.Redrive(ctx, c.Job)
	}
	if err != nil || !c.Wait {
		return show(env, job, err, c.JSON)
	}
	return follow(ctx, env, remote, job.ARN, c.JSON, progressAuto)
}

// show prints a job in one line, or as JSON.
func show(env Env, job client.Job, err error, asJSON bool) error {
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(env.Stdout, job)
	}
	printable.Fprintf(env.Stdout, "%s %s\n", job.Name, job.Status)
	return nil
}

// Logs prints the history of a job.
type Logs struct {
	Target

	Job  string `arg:"" name:"JOB" help:"The job, by its name or the ARN of its execution."`
	JSON bool   `name:"json" help:"Print a line of JSON for each event, and then for each unit that failed."`
}

// Help is shown by mapreel logs --help.
func (Logs) Help() string { return exits }

// maxFailures is how many units that failed are shown. The first has the reason; the others often failed for the same one.
const maxFailures = 20

// Run prints it.
func (c Logs) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	for e, err := range remote.Events(ctx, c.Job) {
		if err != nil {
			return err
		}
		if c.JSON {
			if err := printLine(env.Stdout, e); err != nil {
				return err
			}
			continue
		}
		printable.Fprintf(env.Stdout, "%s  %s\n", e.Time.Local().Format(logTime), strings.TrimSpace(fmt.Sprintf("%-24s %s", e.Type, strings.ReplaceAll(e.Text, "\n", "; "))))
	}
	failures, err := remote.Failures(ctx, c.Job, maxFailures)
	if err != nil {
		return err
	}
	for _, f := range failures {
		if c.JSON {
			err = printLine(env.Stdout, f)
			if err != nil {
				return err
			}
			continue
		}
		printable.Fprintf(env.Stdout, "%s  failed: %s: %s\n", f.Time.Local().Format(logTime), f.Unit, strings.ReplaceAll(f.Text, "\n", "; "))
	}
	return nil
}

// logTime is how the time of an event is written.
const logTime = "2006-01-02 15:04:05.000"
