package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/estimating"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/prices"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/showplan"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
)

type estimateCmd struct {
	Source string   `arg:"" optional:"" name:"SOURCE" help:"The video: a path, or a file://, https:// or s3:// URL."`
	Others []string `arg:"" optional:"" name:"OTHERS" help:"With --join, the videos that follow SOURCE in one film."`
	Output string   `short:"o" placeholder:"FILE" help:"The file that transcode would make; its extension selects the container. Default: an .mp4 beside SOURCE. Nothing is written."`

	requestflags.Flags

	Plan        bool         `help:"Also show the plan, as transcode --plan does."`
	Calibrate   bool         `help:"Encode a few short samples of the source, some seconds of work, also where earlier jobs of the same kind are known."`
	JSON        bool         `name:"json" help:"Print JSON."`
	Jobs        *wholeNumber `group:"Work" placeholder:"N" help:"Number of segments that this machine encodes at once. Default: one per core."`
	Scratch     string       `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder with the record of earlier jobs. Default: ${scratch}."`
	EndpointURL string       `group:"Work" name:"endpoint-url" placeholder:"URL" help:"Server of s3:// URLs, such as http://localhost:9000. Default: as AWS_ENDPOINT_URL and the other settings of the AWS command line say."`
	Concurrency *wholeNumber `group:"AWS" placeholder:"N" help:"Units at once on AWS. Default: 1000."`
	Memory      *wholeNumber `group:"AWS" name:"function-memory" placeholder:"MIB" help:"The setting functionMemory. Default: 3008."`
	Arch        string       `group:"AWS" enum:"x86_64,arm64" default:"x86_64" placeholder:"NAME" help:"The setting arch: x86_64 or arm64. Default: x86_64."`
	Files       bool         `group:"AWS" name:"efs" default:"true" negatable:"" help:"Whether scratch=efs. Default: true."`
}

// Help is shown by mapreel estimate --help.
func (estimateCmd) Help() string {
	return `Says what a job will take before it runs: its units, bytes, time and cost on this machine, on Lambda, on Lambda and Batch, and
on Batch with Spot instances, each as a range with what it assumes. The speed is that of earlier jobs of the same kind on this
machine; without any, or with --calibrate, of samples; else of common sources.

Examples:

    mapreel estimate film.mov --calibrate
    mapreel estimate film.mkv -o film.webm --codec av1 --height 720
    mapreel transcode film.mov -o film.mp4 --dry-run

Exit codes: 0 done; 1 failed; 2 the request or the usage is wrong; 130 interrupted.`
}

// run estimates the job of a request.
func (c estimateCmd) run(ctx context.Context, env environment) error {
	o := dryRun{
		plan: c.Plan, calibrate: c.Calibrate, json: c.JSON, scratch: c.Scratch, endpoint: c.EndpointURL,
		deployment: estimate.Deployment{ScratchS3: !c.Files, Arm: c.Arch == "arm64"},
	}
	for _, set := range []struct {
		flag *wholeNumber
		to   func(int)
	}{
		{c.Concurrency, func(n int) { o.deployment.Concurrency = n }}, {c.Memory, func(n int) { o.deployment.Memory = int64(n) }},
	} {
		if set.flag != nil {
			set.to(int(*set.flag))
		}
	}
	t := transcodeCmd{Jobs: c.Jobs}
	return o.of(ctx, env, t.film(c.request))
}

// request returns the request to estimate. Relative paths are relative to dir.
func (c estimateCmd) request(dir string, stdin io.Reader) (film.Request, *requestfile.Draft, error) {
	flags := c.Flags
	flags.Source, flags.Others, flags.Output = c.Source, c.Others, c.Output
	if flags.Output == "" && flags.Request == "" && flags.Source != "" {
		folder := strings.TrimSuffix(flags.Source, filepath.Base(flags.Source))
		if origin.Remote(flags.Source) {
			folder = ""
		}
		flags.Output = folder + requestflags.Stem(flags.Source) + ".estimate.mp4"
	}
	at := requestflags.On(dir)
	at.Command = "mapreel estimate film.mov"
	return flags.Read(stdin, at)
}

// dryRun estimates a job in the place of doing it.
type dryRun struct {
	plan            bool // show what the job would do, too
	calibrate, json bool
	scratch         string // flag
	endpoint        string // of s3:// URLs
	deployment      estimate.Deployment
}

// of estimates the job that a command asks for.
func (o dryRun) of(ctx context.Context, env environment, asked requester) error {
	dir, err := workingDirectory()
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "")
	}
	job, err := asked(dir, env.Stdin)
	if err != nil {
		return err
	}
	return o.ofJob(ctx, env, job)
}

// ofJob estimates a job. What is wrong with its request is named by the flags that caused it.
func (o dryRun) ofJob(ctx context.Context, env environment, job toolrun.Job) error {
	err := o.estimate(ctx, env, job.Request, job.Jobs)
	var ps film.Problems
	if job.Draft != nil && fault.KindOf(err) == fault.Invalid && errors.As(err, &ps) {
		return job.Draft.Invalid(ps)
	}
	return err
}

// estimate estimates a request; jobs is how many units this machine would do at once, 0: one for each core.
func (o dryRun) estimate(ctx context.Context, env environment, request json.RawMessage, jobs int) error {
	scratch, err := resolveScratch(o.scratch)
	if err != nil {
		return err
	}
	request, places, err := local.Conceal(request, origin.Settings{Endpoint: o.endpoint})
	if err != nil {
		return err
	}
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return interruptedOr(ctx, err, snapshot{})
	}
	deployment := o.deployment
	deployment.Cores, deployment.Jobs = runtime.NumCPU(), jobs
	options := estimating.Options{
		Registry: toolrun.Registry(tools), Tools: tools, Scratch: scratch, Calibrate: o.calibrate, Deployment: deployment, Prices: prices.Table(env.Stderr), Places: places,
	}
	if o.plan {
		p, err := showplan.Of(ctx, request, options)
		switch {
		case err != nil:
			return interruptedOr(ctx, err, snapshot{})
		case o.json:
			return printJSON(env.Stdout, p, "the plan")
		}
		showplan.Write(env.Stdout, p)
		return nil
	}
	e, err := estimating.Of(ctx, request, options)
	if err != nil {
		return interruptedOr(ctx, err, snapshot{})
	}
	if o.json {
		return printJSON(env.Stdout, e, "the estimate")
	}
	estimating.Write(env.Stdout, e)
	return nil
}
