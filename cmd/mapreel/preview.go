package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

type previewCmd struct {
	Source string `arg:"" name:"SOURCE" help:"The video: a path or a file:// URL."`
	Output string `short:"o" required:"" placeholder:"DIR" help:"Folder for the previews. They are listed in NAME.preview.json, which is written last."`

	Name string `placeholder:"NAME" help:"Name of the previews. Default: that of SOURCE without its extension."`

	GIF     bool      `group:"Previews" name:"gif" help:"Animated GIFs of parts of the video."`
	WebP    bool      `group:"Previews" name:"webp" help:"The same as animated WebP."`
	AVIF    bool      `group:"Previews" name:"avif" help:"The same as animated AVIF."`
	Clip    bool      `group:"Previews" help:"The same as silent MP4."`
	Stills  *duration `group:"Previews" placeholder:"EVERY" help:"A picture at each multiple of a time: the frame that is on screen then. For example 1s."`
	Sprites bool      `group:"Previews" help:"Sheets of thumbnails for a seek bar, with WebVTT cues and a JSON storyboard."`
	Poster  bool      `group:"Previews" help:"The sharpest picture of the first minute that is neither dark nor plain."`

	Every  *duration    `group:"Previews" placeholder:"LENGTH" help:"Distance of the animations. Default: 30s."`
	Length *duration    `group:"Previews" placeholder:"LENGTH" help:"Duration of an animation. Default: that of --every."`
	FPS    string       `group:"Previews" name:"fps" placeholder:"RATE" help:"Frames a second of an animation. Default: 10."`
	Width  *wholeNumber `group:"Previews" placeholder:"COLUMNS" help:"Columns of an animation; the rows follow. Never more than the source has. Default: 240."`
	Aspect string       `group:"Previews" placeholder:"W:H" help:"Ratio of width to height of animations, stills and poster: 16:9, 1:1. Default: that of the source."`
	Fit    string       `group:"Previews" placeholder:"HOW" help:"crop or pad, to get --aspect. Default: crop."`

	Format     string       `group:"Previews" placeholder:"NAME" help:"Format of stills and sheets: jpg, png or webp. Default: jpg."`
	StillWidth *wholeNumber `group:"Previews" placeholder:"COLUMNS" help:"Columns of stills and poster. Default: those of the source."`
	Archive    bool         `group:"Previews" help:"Put the stills into zip files of up to 300 each."`

	TileEvery *duration    `group:"Previews" placeholder:"LENGTH" help:"Distance of the thumbnails of --sprites. Default: 5s."`
	TileWidth *wholeNumber `group:"Previews" placeholder:"COLUMNS" help:"Columns of a thumbnail. Default: 160."`
	Columns   *wholeNumber `group:"Previews" placeholder:"N" help:"Thumbnails in a row of a sheet. Default: 10."`
	Rows      *wholeNumber `group:"Previews" placeholder:"N" help:"Rows of a sheet. Default: 10."`

	NoOverwrite bool         `short:"n" group:"Work" help:"Never replace existing previews of that name: fail instead."`
	Segment     *duration    `group:"Work" placeholder:"LENGTH" help:"Target duration of a segment, the part that one worker decodes. It does not change the previews. Default: 10s."`
	Jobs        *wholeNumber `group:"Work" placeholder:"N" help:"Number of segments decoded at once. Default: one per core."`
	Scratch     string       `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files and the record of jobs. Default: ${scratch}."`
	KeepScratch bool         `group:"Work" help:"Keep the intermediate files after the job is done."`
	IgnoreSpace bool         `group:"Work" help:"Start even if the disk probably has too little space."`
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

Exit codes: 0 done; 1 failed; 2 the usage is wrong; 130 interrupted.`
}

// run makes the previews.
func (p previewCmd) run(ctx context.Context, env environment) error {
	t := transcodeCmd{
		NoOverwrite: p.NoOverwrite, Jobs: p.Jobs, Scratch: p.Scratch, KeepScratch: p.KeepScratch, IgnoreSpace: p.IgnoreSpace, Progress: p.Progress,
	}
	return t.do(ctx, env, p.request)
}

// request returns the request that the arguments describe. Relative paths are relative to dir.
func (p previewCmd) request(dir string, _ io.Reader) (film.Request, *requestfile.Draft, error) {
	d := requestfile.NewDraft()
	source, err := localPath(p.Source, dir)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "SOURCE")
	}
	destination, err := localPath(p.Output, dir)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "--output")
	}
	d.Set("/source", source, "SOURCE")
	d.Set("/destination", destination, "--output")
	name := p.Name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
	}
	if err := p.addOutputs(d, name); err != nil {
		return film.Request{}, d, err
	}
	if p.Segment != nil {
		d.Set("/segment/seconds", film.Seconds(*p.Segment), "--segment")
	}
	d.Set("/retention/hours", localRetentionHours, "")
	data, err := json.Marshal(d.Tree)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "the request")
	}
	req, err := film.Parse(data)
	var ps film.Problems
	if errors.As(err, &ps) {
		return req, d, d.Invalid(ps)
	}
	if err != nil {
		return req, d, err
	}
	if ps = checkPaths(req); len(ps) > 0 {
		return req, d, d.Invalid(ps)
	}
	return req, d, nil
}

// addOutputs writes an output for each preview that the flags name.
func (p previewCmd) addOutputs(d *requestfile.Draft, name string) error {
	var outputs []any
	add := func(c film.Container, set func(field func(name string, given bool, value any, flag string))) {
		preview, at := map[string]any{}, fmt.Sprintf("/outputs/%d", len(outputs))
		set(func(name string, given bool, value any, flag string) {
			if given {
				preview[name] = value
				d.Flags[at+"/preview/"+name] = flag
			}
		})
		output := map[string]any{"name": name, "container": string(c)}
		if len(preview) > 0 {
			output["preview"] = preview
		}
		outputs = append(outputs, output)
		d.Flags[at+"/name"] = "--name"
	}
	type setter = func(string, bool, any, string)
	shape := func(set setter) {
		set("aspect", p.Aspect != "", p.Aspect, "--aspect")
		set("fit", p.Fit != "", p.Fit, "--fit")
	}
	for _, c := range []struct {
		container film.Container
		given     bool
	}{{film.GIF, p.GIF}, {film.AnimatedWebP, p.WebP}, {film.AnimatedAVIF, p.AVIF}, {film.Clip, p.Clip}} {
		if !c.given {
			continue
		}
		add(c.container, func(set setter) {
			set("every", p.Every != nil, secondsOf(p.Every), "--every")
			set("length", p.Length != nil, secondsOf(p.Length), "--length")
			set("fps", p.FPS != "", p.FPS, "--fps")
			set("width", p.Width != nil, p.Width, "--width")
			shape(set)
		})
	}
	if p.Stills != nil {
		add(film.Stills, func(set setter) {
			set("every", true, secondsOf(p.Stills), "--stills")
			set("format", p.Format != "", p.Format, "--format")
			set("width", p.StillWidth != nil, p.StillWidth, "--still-width")
			set("archive", p.Archive, true, "--archive")
			shape(set)
		})
	}
	if p.Sprites {
		add(film.Sprites, func(set setter) {
			set("every", p.TileEvery != nil, secondsOf(p.TileEvery), "--tile-every")
			set("width", p.TileWidth != nil, p.TileWidth, "--tile-width")
			set("columns", p.Columns != nil, p.Columns, "--columns")
			set("rows", p.Rows != nil, p.Rows, "--rows")
			set("format", p.Format != "", p.Format, "--format")
		})
	}
	if p.Poster {
		add(film.Poster, func(set setter) {
			set("width", p.StillWidth != nil, p.StillWidth, "--still-width")
			set("format", p.Format == string(film.PNG), p.Format, "--format")
			shape(set)
		})
	}
	if len(outputs) == 0 {
		return fault.WithHint(fault.New(fault.Invalid, "no preview is asked for: add --gif, --webp, --avif, --clip, --stills, --sprites or --poster"),
			"for example: mapreel preview film.mp4 -o previews --gif --stills 1s")
	}
	d.Tree["outputs"] = outputs
	return nil
}

// secondsOf returns the value of a flag as a request has it.
func secondsOf(d *duration) film.Seconds {
	if d == nil {
		return 0
	}
	return film.Seconds(*d)
}

// pricePut is what S3 takes for a thousand requests that write an object (Standard, us-east-1), in USD.
const pricePut = 0.005

// formatObjects returns a line with the number of files that previews will be, and what writing them costs on S3. It returns ""
// if there are none.
func formatObjects(groups []engine.GroupProgress) string {
	for _, g := range groups {
		if g.Name == film.SliceKind && g.Objects > 0 {
			return fmt.Sprintf("mapreel: previews: %d files, up to %s (on S3, writing them costs %.4f USD)\n",
				g.Objects, format.Bytes(g.Space.Destination), float64(g.Objects)/1000*pricePut)
		}
	}
	return ""
}
