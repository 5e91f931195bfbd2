// Package previewflags turns the flags of mapreel preview into the outputs of a request.
package previewflags

import (
	"fmt"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/price"
)

// Flags say which previews there are to be.
type Flags struct {
	GIF      bool                `group:"Previews" name:"gif" help:"Animated GIFs of parts of the video."`
	WebP     bool                `group:"Previews" name:"webp" help:"The same as animated WebP."`
	AVIF     bool                `group:"Previews" name:"avif" help:"The same as animated AVIF."`
	Clip     bool                `group:"Previews" help:"The same as silent MP4."`
	Stills   *flagvalue.Duration `group:"Previews" placeholder:"EVERY" help:"A picture at each multiple of a time: the frame that is on screen then. For example 1s."`
	StillsAt flagvalue.Moments   `group:"Previews" placeholder:"TIMES" help:"A picture at each of these times, such as 12,1:30,1:02:03.5."`
	Sprites  bool                `group:"Previews" help:"Sheets of thumbnails for a seek bar, with WebVTT cues and a JSON storyboard."`
	Poster   bool                `group:"Previews" help:"The sharpest picture of the first minute that is neither dark nor plain."`

	Keyframes bool `group:"Previews" help:"Take stills, thumbnails and poster of keyframes: each shows the last keyframe before its time. Decodes nothing else, which is many times faster. Has no effect together with animations."`

	Every  *flagvalue.Duration    `group:"Previews" placeholder:"LENGTH" help:"Distance of the animations. Default: 30s."`
	Length *flagvalue.Duration    `group:"Previews" placeholder:"LENGTH" help:"Duration of an animation. Default: that of --every."`
	FPS    string                 `group:"Previews" name:"fps" placeholder:"RATE" help:"Frames a second of an animation. Default: 10."`
	Width  *flagvalue.WholeNumber `group:"Previews" placeholder:"COLUMNS" help:"Columns of an animation; the rows follow. Never more than the source has. Default: 240."`
	Aspect string                 `group:"Previews" placeholder:"W:H" help:"Ratio of width to height of animations, stills and poster: 16:9, 1:1. Default: that of the source."`
	Fit    string                 `group:"Previews" placeholder:"HOW" help:"crop or pad, to get --aspect. Default: crop."`

	Format     string                 `group:"Previews" placeholder:"NAME" help:"Format of stills and sheets: jpg, png or webp; avif for stills only. Default: jpg."`
	StillWidth *flagvalue.WholeNumber `group:"Previews" placeholder:"COLUMNS" help:"Columns of stills and poster. Default: those of the source."`
	Archive    bool                   `group:"Previews" help:"Put the stills into zip files of up to 300 each."`

	TileEvery *flagvalue.Duration    `group:"Previews" placeholder:"LENGTH" help:"Distance of the thumbnails of --sprites. Default: 5s."`
	TileWidth *flagvalue.WholeNumber `group:"Previews" placeholder:"COLUMNS" help:"Columns of a thumbnail. Default: 160."`
	Columns   *flagvalue.WholeNumber `group:"Previews" placeholder:"N" help:"Thumbnails in a row of a sheet, at most. Default: 10."`
	Rows      *flagvalue.WholeNumber `group:"Previews" placeholder:"N" help:"Rows of a sheet, at most. Default: 10."`
}

// AddOutputs writes an output for each preview that the flags name.
func (p Flags) AddOutputs(d *requestfile.Draft, name string) error {
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
			set("every", p.Every != nil, p.Every.Seconds(), "--every")
			set("length", p.Length != nil, p.Length.Seconds(), "--length")
			set("fps", p.FPS != "", p.FPS, "--fps")
			set("width", p.Width != nil, p.Width, "--width")
			shape(set)
		})
	}
	if p.Stills != nil && len(p.StillsAt) > 0 {
		return fault.WithHint(fault.New(fault.Invalid, "--stills and --stills-at: their files would have the same names"),
			"run the command twice, with another --name")
	}
	for _, at := range []bool{false, true} {
		if at && len(p.StillsAt) == 0 || !at && p.Stills == nil {
			continue
		}
		add(film.Stills, func(set setter) {
			set("every", !at, p.Stills.Seconds(), "--stills")
			set("times", at, p.StillsAt, "--stills-at")
			set("keyframes", p.Keyframes, true, "--keyframes")
			set("format", p.Format != "", p.Format, "--format")
			set("width", p.StillWidth != nil, p.StillWidth, "--still-width")
			set("archive", p.Archive, true, "--archive")
			shape(set)
		})
	}
	if p.Sprites {
		add(film.Sprites, func(set setter) {
			set("every", p.TileEvery != nil, p.TileEvery.Seconds(), "--tile-every")
			set("width", p.TileWidth != nil, p.TileWidth, "--tile-width")
			set("columns", p.Columns != nil, p.Columns, "--columns")
			set("keyframes", p.Keyframes, true, "--keyframes")
			set("rows", p.Rows != nil, p.Rows, "--rows")
			set("format", p.Format != "" && p.Format != string(film.AVIF), p.Format, "--format")
		})
	}
	if p.Poster {
		add(film.Poster, func(set setter) {
			set("keyframes", p.Keyframes, true, "--keyframes")
			set("width", p.StillWidth != nil, p.StillWidth, "--still-width")
			set("format", p.Format == string(film.PNG), p.Format, "--format")
			shape(set)
		})
	}
	if len(outputs) == 0 {
		return fault.WithHint(fault.New(fault.Invalid, "no preview is asked for: add --gif, --webp, --avif, --clip, --stills, --stills-at, --sprites or --poster"),
			"for example: mapreel preview film.mp4 -o previews --gif --stills 1s")
	}
	d.Tree["outputs"] = outputs
	return nil
}

// FormatObjects returns a line with the number of files that previews, and thumbnails of packages, will be, and what writing them
// costs on S3 by a table. It returns "" if there are none.
func FormatObjects(groups []engine.GroupProgress, table price.Table) string {
	for _, g := range groups {
		if g.Name == film.SliceKind && g.Objects > 0 {
			return fmt.Sprintf("mapreel: previews and thumbnails: %d files, up to %s (on S3, writing them costs %s)\n",
				g.Objects, format.Bytes(g.Space.Destination), table.Of(price.S3Puts, g.Objects))
		}
	}
	return ""
}
