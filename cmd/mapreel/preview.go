package main

import (
	"context"
	"io"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/previewflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

type previewCmd struct {
	Source string `arg:"" name:"SOURCE" help:"The video: a path, a file://, https:// or s3:// URL, or - for what comes through a pipe."`
	Output string `short:"o" required:"" placeholder:"DIR" help:"Folder for the previews: a path or an s3:// URL. They are listed in NAME.preview.json, which is written last."`

	Name string `placeholder:"NAME" help:"Name of the previews. Default: that of SOURCE without its extension."`

	previewflags.Flags         `embed:""`
	requestflags.PartFlags     `embed:""`
	requestflags.SequenceFlags `embed:""`

	DryRun      bool         `group:"Work" help:"Do nothing, and say what the job would take, as mapreel estimate does."`
	NoOverwrite bool         `short:"n" group:"Work" help:"Never replace existing previews of that name: fail instead."`
	Segment     *duration    `group:"Work" placeholder:"LENGTH" help:"Target duration of a segment, the part that one worker decodes. It does not change the previews. Default: 30s, or 10m with --keyframes."`
	Jobs        *wholeNumber `group:"Work" placeholder:"N" help:"Number of segments decoded at once. Default: one per core."`
	Scratch     string       `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files and the record of jobs. Default: ${scratch}."`
	KeepScratch bool         `group:"Work" help:"Keep the intermediate files after the job is done."`
	IgnoreSpace bool         `group:"Work" help:"Start even if the disk probably has too little space."`
	EndpointURL string       `group:"Work" name:"endpoint-url" placeholder:"URL" help:"As for transcode."`
	Progress    progressMode `group:"Work" enum:"auto,bar,json,none" default:"auto" placeholder:"HOW" help:"As for transcode."`
}

// Help is shown by mapreel preview --help.
func (previewCmd) Help() string {
	return `Every segment of the video is decoded once for all previews. The same previews can be made beside a transcode: see the
containers gif, webp, avif, clip, stills, sprites and poster of a request.

Examples:

    mapreel preview film.mp4 -o previews --gif --stills 1s --sprites --poster
    mapreel preview film.mp4 -o previews --clip --every 60s --length 5s --width 480
    mapreel preview film.mp4 -o previews --stills 1s --archive
    mapreel preview film.mp4 -o previews --stills-at 12,1:30 --sprites --keyframes
    mapreel preview film.mp4 -o previews --gif --start 10:00 --duration 1m

Exit codes: 0 done; 1 failed; 2 the usage is wrong; 130 interrupted.`
}

// run makes the previews.
func (p previewCmd) run(ctx context.Context, env environment) error {
	t := transcodeCmd{
		NoOverwrite: p.NoOverwrite, Jobs: p.Jobs, Scratch: p.Scratch, KeepScratch: p.KeepScratch, IgnoreSpace: p.IgnoreSpace, Progress: p.Progress, DryRun: p.DryRun,
		EndpointURL: p.EndpointURL,
	}
	return t.do(ctx, env, t.film(p.request))
}

// request returns the request that the arguments describe. Relative paths are relative to dir.
func (p previewCmd) request(dir string, _ io.Reader) (film.Request, *requestfile.Draft, error) {
	d := requestfile.NewDraft()
	source, err := requestflags.SourceLocation(p.Source, dir)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "SOURCE")
	}
	destination, err := requestflags.OutputLocation(p.Output, dir)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "--output")
	}
	d.Set("/source", source, "SOURCE")
	d.Set("/destination", destination, "--output")
	p.PartFlags.Apply(d)
	p.SequenceFlags.Apply(d)
	name := p.Name
	if name == "" {
		name = requestflags.Stem(source)
	}
	if err := p.AddOutputs(d, name); err != nil {
		return film.Request{}, d, err
	}
	if p.Segment != nil {
		d.Set("/segment/seconds", film.Seconds(*p.Segment), "--segment")
	}
	d.Set("/retention/hours", requestflags.LocalRetentionHours, "")
	return requestflags.Parse(d, requestflags.On(dir))
}
