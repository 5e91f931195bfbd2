package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/pkg/doctor"
	"github.com/mapreel/mapreel/pkg/doctor/cloud"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/statemachine"
)

type doctorCmd struct {
	Scratch string `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files to examine. Default: ${scratch}."`
	JSON    bool   `name:"json" help:"Print a JSON array instead of lines."`

	AWS      bool         `group:"AWS" name:"aws" help:"Examine an AWS account and region instead of this machine: before a deploy, whether it would succeed and what it could run; after one, whether its parts belong together. Region and credentials are those of the AWS command line."`
	Policy   bool         `group:"AWS" help:"Print the least IAM policy with which a user can deploy and examine, and nothing else. Implies --aws."`
	Stack    string       `group:"AWS" placeholder:"NAME" default:"mapreel" help:"Name of the stack. Default: mapreel."`
	GPU      bool         `group:"AWS" name:"gpu" help:"Also examine what gpu=true needs."`
	Memory   *wholeNumber `group:"AWS" name:"function-memory" placeholder:"MIB" help:"The setting functionMemory. Default: 3008."`
	ImageURI string       `group:"AWS" name:"image-uri" placeholder:"URI" help:"The setting imageUri. Default: Docker builds the image."`
	Batch    bool         `group:"AWS" default:"true" negatable:"" help:"The setting batch. Default: true."`
	Files    bool         `group:"AWS" name:"efs" default:"true" negatable:"" help:"Whether scratch=efs. Default: true."`
	VPC      string       `group:"AWS" name:"vpc" placeholder:"ID" help:"The setting vpc; needs --subnets."`
	Subnets  []string     `group:"AWS" placeholder:"ID" help:"The setting subnets: examined for zones and routes."`

	Families    []string `group:"AWS" name:"instance-families" placeholder:"NAME" help:"The setting instanceFamilies. Default: Batch's own list."`
	GPUFamilies []string `group:"AWS" name:"gpu-instance-families" placeholder:"NAME" default:"g4dn" help:"The setting gpuInstanceFamilies. Default: g4dn."`
}

// Help is shown by mapreel doctor --help.
func (doctorCmd) Help() string {
	return `It tries each encoder on a few frames and, in the scratch folder, what a job does there. Nothing is left behind. With
--aws it only reads, and assumes the roles of the CDK's bootstrap stack to see that it may.

Exit codes: 0 mapreel can work here, if not with everything; 1 something is missing that it needs; 2 the usage is wrong.`
}

// errUnfit ends the process with exit code 1. The report has said why.
var errUnfit = errors.New("something is missing")

// run examines this machine, or an account.
func (d doctorCmd) run(ctx context.Context, env environment) error {
	report, err := d.examine(ctx, env)
	if err != nil || d.Policy {
		return err
	}
	if ctx.Err() != nil { // its checks were cut short
		return interruptedOr(ctx, fault.ContextError(ctx), snapshot{})
	}
	if d.JSON {
		if err := printJSON(env.Stdout, report, "the report"); err != nil {
			return err
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

// examine returns the report on this machine, or on an account. With --policy it prints that and examines nothing.
func (d doctorCmd) examine(ctx context.Context, env environment) (doctor.Report, error) {
	if !d.AWS && !d.Policy {
		scratch, err := resolveScratch(d.Scratch)
		if err != nil {
			return nil, err
		}
		return doctor.Machine(ctx, doctor.MachineOptions{Find: env.Find, Scratch: scratch}), nil
	}
	region, err := cloud.Open(ctx)
	if err != nil {
		return nil, err
	}
	if d.Policy {
		policy, err := region.Policy(ctx)
		fmt.Fprint(env.Stdout, policy)
		return nil, err
	}
	if (d.VPC == "") != (len(d.Subnets) == 0) {
		return nil, fault.New(fault.Invalid, "--vpc and --subnets belong together: give both, or neither")
	}
	o := cloud.Options{
		Stack: d.Stack, Definition: statemachine.Definition(), Docker: findDocker, ImageURI: d.ImageURI,
		Files: d.Files, Batch: d.Batch || d.GPU, GPU: d.GPU, Families: d.Families, GPUFamilies: d.GPUFamilies,
		VPC: d.VPC, Subnets: d.Subnets,
	}
	if len(o.Families) == 0 {
		o.Families = []string{"default_x86_64"}
	}
	if d.Memory != nil {
		o.Memory = int32(*d.Memory)
	}
	return region.Examine(ctx, o), nil
}

// findDocker returns an error if there is no Docker here that runs.
func findDocker(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("docker is not installed, or not in PATH")
	}
	if err != nil {
		return fmt.Errorf("docker version: %s: %w", oneLine(string(out)), err)
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
