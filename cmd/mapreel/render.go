package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/renderflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

type renderCmd struct {
	Source string `arg:"" optional:"" name:"SCENE" help:"The Blender file: a path or a file:// URL."`
	Output string `short:"o" placeholder:"FILE" help:"The film to make, as for transcode: its extension selects the container. Or a folder, frames/, which keeps the frames."`

	How renderflags.Flags `embed:""`
	requestflags.Flags

	NoOverwrite bool         `short:"n" help:"Never replace an existing file: fail instead."`
	DryRun      bool         `help:"Do nothing, and say what the job would take."`
	Calibrate   bool         `help:"With --dry-run, render three frames to measure how long they take, also where earlier jobs of the scene are known."`
	Jobs        *wholeNumber `group:"Work" placeholder:"N" help:"Number of units at once. Default: one per core."`
	Scratch     string       `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for frames, other intermediate files and the record of jobs. Default: ${scratch}."`
	KeepScratch bool         `group:"Work" help:"Keep the intermediate files after the job is done."`
	IgnoreSpace bool         `group:"Work" help:"Start even if the disk probably has too little space."`
	Strict      bool         `group:"Work" help:"Exit with 1 if anything of the scene was lost or changed, although the output is made."`
	Progress    progressMode `group:"Work" enum:"auto,bar,json,none" default:"auto" placeholder:"HOW" help:"As for transcode."`
}

// Help is shown by mapreel render --help.
func (renderCmd) Help() string {
	return `Blender renders the frames of a scene, several ranges side by side, and they become a film. Each frame is checked, and kept as
soon as it is whole: the same command after an interruption renders only the frames that are missing. A frame that cannot be
rendered is named, and stops no other. Blender runs none of the scene's Python, has no network, and reads nothing but the folder of
the scene and what --file names. It must be installed, or named in MAPREEL_BLENDER. See docs/render.md.

Examples:

    mapreel render shot.blend -o shot.mp4
    mapreel render shot.blend -o frames/
    mapreel render shot.blend -o look.mp4 --frames 1-48 --step 4 --samples 8 --size 50%
    mapreel render shot.blend -o shot.mp4 --sound music.flac
    mapreel render shot.blend -o shot.m3u8 --engine cycles --samples 128 --file /assets/textures

Exit codes: 0 done; 1 failed; 2 the request or the usage is wrong, or the scene lacks something; 130 interrupted.`
}

// run renders the scene.
func (r renderCmd) run(ctx context.Context, env environment) error {
	flags := r.Flags
	output := r.Output
	if info, err := os.Stat(output); strings.HasSuffix(output, "/") || err == nil && info.IsDir() {
		flags.Frames, output = output, ""
	}
	flags.More = r.How.Apply
	t := transcodeCmd{
		Output: output, Flags: flags, NoOverwrite: r.NoOverwrite, DryRun: r.DryRun, Jobs: r.Jobs, Scratch: r.Scratch,
		KeepScratch: r.KeepScratch, IgnoreSpace: r.IgnoreSpace, Strict: r.Strict, Progress: r.Progress, calibrate: r.Calibrate,
	}
	if r.Calibrate && !r.DryRun {
		return fault.New(fault.Invalid, "--calibrate is for --dry-run: it measures what the job would take")
	}
	if r.Source != "" {
		t.Sources = []string{r.Source}
		if !film.IsScene(r.Source) {
			return fault.WithHint(fault.New(fault.Invalid, "%s: the name of a Blender scene ends in .blend", r.Source), "of a video or images, use mapreel transcode")
		}
	}
	asked, end := t.film(t.request), func() {}
	defer func() { end() }()
	return t.do(ctx, env, func(dir string, stdin io.Reader) (toolrun.Job, error) {
		job, err := asked(dir, stdin)
		if err == nil { // a request that is refused does not wait for it
			end = toolrun.PrepareScenes(ctx)
		}
		return job, err
	})
}
