package film

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
)

// Preview says which pictures an output of pictures shows, and how.
type Preview struct {
	Every   Seconds       `json:"every,omitempty" jsonschema:"maximum=3600,description=Distance of pictures or of animations. Default: 1 (stills) 5 (sprites) 30 (animations)"`
	Length  Seconds       `json:"length,omitempty" jsonschema:"maximum=600,description=Duration of an animation. Default: that of every"`
	FPS     FrameRate     `json:"fps,omitzero" jsonschema:"description=Frames a second of an animation. Default: 10"`
	Format  PictureFormat `json:"format,omitempty" jsonschema:"enum=jpg,enum=png,enum=webp,enum=avif,description=Format of stills and posters and sheets; webp is not for posters and avif is for stills only. Default: jpg"`
	Width   int           `json:"width,omitempty" jsonschema:"minimum=16,maximum=8192,description=Columns of a picture; the height follows. Never larger than the source. Default: that of the source; 240 (animations) 160 (sprites)"`
	Aspect  Aspect        `json:"aspect,omitzero" jsonschema:"description=Ratio of width to height of the pictures: 16:9. Default: that of the source"`
	Fit     Fit           `json:"fit,omitempty" jsonschema:"enum=crop,enum=pad,description=How pictures get an aspect that is not their own: crop what is too much (the default) or pad with black"`
	Columns int           `json:"columns,omitempty" jsonschema:"minimum=1,maximum=50,description=Thumbnails in a row of a sheet at most. Default: 10"`
	Rows    int           `json:"rows,omitempty" jsonschema:"minimum=1,maximum=50,description=Rows of a sheet at most. Default: 10"`
	Times   []Seconds     `json:"times,omitempty" jsonschema:"maxItems=100,description=Stills only: the moments of the pictures instead of their distance; in milliseconds at the finest"`
	// Keyframes allows pictures to show an earlier frame than the one of their moment, where all else can then be left undecoded.
	Keyframes bool `json:"keyframes,omitempty" jsonschema:"description=Stills and sprites and posters: show the last keyframe before each moment so that nothing else has to be decoded. Has no effect on a request that decodes every frame for other outputs"`
	Archive   bool `json:"archive,omitempty" jsonschema:"description=Stills only: a zip file without compression for every 300 pictures instead of one file for each"`
}

// PictureFormat is the format of a picture.
type PictureFormat string

const (
	JPEG PictureFormat = "jpg"
	PNG  PictureFormat = "png"
	WebP PictureFormat = "webp"
	AVIF PictureFormat = "avif"
	QOI  PictureFormat = "qoi" // lossless and fast: what segments pass on to the units that make animations and sheets
)

// Fit selects how a picture gets another aspect ratio than its own.
type Fit string

const (
	FitCrop Fit = "crop"
	FitPad  Fit = "pad"
)

// Limits and defaults of previews.
const (
	minEvery      = 40 * time.Millisecond // a picture for each frame of a film at 25 frames a second
	maxEvery      = time.Hour
	minLength     = 100 * time.Millisecond
	maxLength     = 10 * time.Minute // all pictures of an animation are in memory at once
	maxAnimated   = 60               // frames a second: GIF has no more than 50
	minPreview    = 16               // pixels: the smallest that all encoders accept
	maxPreview    = 8192             // pixels: half of what a JPEG or a WebP can be
	maxTiles      = 50               // of a row and of a column
	MaxSheet      = 16_383           // pixels of a side of a sheet: WebP has no more
	defaultSheet  = 10               // tiles of a row and of a column
	defaultTile   = 160              // columns: what players show above their seek bars
	defaultWidth  = 240              // columns of an animation
	maxTimes      = 100              // of stills: as many elements as a list of a request may have
	MaxStillsUnit = 300              // how many stills one unit publishes
	MaxPictures   = 1 << 20          // of one preview: twelve days of a picture a second
)

// defaultEvery is the distance of pictures in a request that sets none.
var defaultEvery = map[Container]time.Duration{
	Stills: time.Second, Sprites: 5 * time.Second, Poster: 2 * time.Second,
	GIF: 30 * time.Second, AnimatedWebP: 30 * time.Second, AnimatedAVIF: 30 * time.Second, Clip: 30 * time.Second,
}

// PreviewSet is the container of a job's output that has all previews of a name. A request cannot ask for it.
const PreviewSet Container = "preview"

// PreviewFile is the suffix of the name of the file that lists the previews of a name.
const PreviewFile = ".preview.json"

// Preview reports whether c is a preview: pictures of the video, not the video itself.
func (c Container) Preview() bool { return c == Stills || c == Poster || c == Sprites || c.Animated() }

// Animated reports whether c is a preview of animations.
func (c Container) Animated() bool {
	return c == GIF || c == AnimatedWebP || c == AnimatedAVIF || c == Clip
}

// checkPreview returns the problems of an output of pictures.
func (o Output) checkPreview(at string) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)})
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"video", len(o.Video) > 0},
		{"ladder", o.Ladder != ""},
		{"package", o.Package != nil},
		{"audio", o.Audio != nil},
		{"subtitles", o.Subtitles != ""},
		{"subtitleTracks", o.SubtitleTracks != ""},
		{"defaultSubtitles", o.DefaultSubtitles != ""},
		{"forcedSubtitles", o.ForcedSubtitles != ""},
	} {
		if f.set {
			add("/"+f.name, "%s is a preview; leave this out, or choose another container", o.Container)
		}
	}
	if o.Preview == nil {
		return ps
	}
	p := *o.Preview
	for _, f := range []struct {
		name    string
		set, in bool
		where   string
	}{
		{"every", p.Every != 0, o.Container != Poster, "a poster is one picture"},
		{"length", p.Length != 0, o.Container.Animated(), "is for gif, webp, avif and clip"},
		{"fps", p.FPS != (FrameRate{}), o.Container.Animated(), "is for gif, webp, avif and clip"},
		{"format", p.Format != "", !o.Container.Animated(), "is for stills, posters and sprites"},
		{"columns", p.Columns != 0, o.Container == Sprites, "is for sprites"},
		{"rows", p.Rows != 0, o.Container == Sprites, "is for sprites"},
		{"archive", p.Archive, o.Container == Stills, "is for stills"},
		{"times", len(p.Times) > 0, o.Container == Stills, "is for stills"},
		{"keyframes", p.Keyframes, !o.Container.Animated(), "is for stills, posters and sprites: an animation shows every frame"},
	} {
		if f.set && !f.in {
			add("/preview/"+f.name, "%s", f.where)
		}
	}
	for _, d := range []struct {
		name       string
		value      Seconds
		least, max time.Duration
	}{{"every", p.Every, minEvery, maxEvery}, {"length", p.Length, minLength, maxLength}} {
		switch v := time.Duration(d.value); {
		case v == 0:
		case v < d.least || v > d.max:
			add("/preview/"+d.name, "%v is outside %v to %v", v, d.least, d.max)
		case v%time.Microsecond != 0:
			add("/preview/"+d.name, "%v is not a whole number of microseconds", v)
		}
	}
	if p.Every != 0 && len(p.Times) > 0 {
		add("/preview/every", "times says when the pictures are; leave out one of the two")
	}
	for i, t := range p.Times[:min(len(p.Times), maxTimes)] {
		if time.Duration(t)%time.Millisecond != 0 {
			add(fmt.Sprintf("/preview/times/%d", i), "%v is not a whole number of milliseconds", time.Duration(t))
		}
	}
	if len(p.Times) > maxTimes {
		add("/preview/times", "%d times; at most %d", len(p.Times), maxTimes)
	}
	if p.FPS.Num > maxAnimated*p.FPS.Den {
		add("/preview/fps", "%v is more than %d frames a second", p.FPS, maxAnimated)
	}
	formats := []PictureFormat{JPEG, PNG}
	switch o.Container {
	case Stills:
		formats = append(formats, WebP, AVIF)
	case Sprites:
		formats = append(formats, WebP)
	}
	if p.Format != "" && !slices.Contains(formats, p.Format) {
		add("/preview/format", "%q is not one of %s", p.Format, strings.Trim(fmt.Sprint(formats), "[]"))
	}
	for _, n := range []struct {
		name              string
		value, least, max int
	}{{"width", p.Width, minPreview, maxPreview}, {"columns", p.Columns, 1, maxTiles}, {"rows", p.Rows, 1, maxTiles}} {
		if n.value != 0 && (n.value < n.least || n.value > n.max) {
			add("/preview/"+n.name, "%d is outside %d to %d", n.value, n.least, n.max)
		}
	}
	if side := cmp.Or(p.Width, defaultTile) * cmp.Or(p.Columns, defaultSheet); o.Container == Sprites && p.Columns <= maxTiles && side > MaxSheet {
		add("/preview/columns", "a sheet would be %d pixels wide; at most %d", side, MaxSheet)
	}
	switch p.Fit {
	case "", FitCrop, FitPad:
	default:
		add("/preview/fit", "%q is not one of crop, pad", p.Fit)
	}
	if p.Fit != "" && p.Aspect == (Aspect{}) {
		add("/preview/fit", "has no effect without aspect")
	}
	return ps
}

// normalise returns p with its defaults for an output in c.
func (p Preview) normalise(c Container) Preview {
	if p.Times = slices.Compact(slices.Sorted(slices.Values(p.Times))); len(p.Times) == 0 {
		p.Every = cmp.Or(p.Every, Seconds(defaultEvery[c]))
	}
	if p.Aspect != (Aspect{}) {
		p.Fit = cmp.Or(p.Fit, FitCrop)
	}
	if c.Animated() {
		p.Length = cmp.Or(p.Length, min(p.Every, Seconds(maxLength)))
		p.FPS = cmp.Or(p.FPS, FrameRate{10, 1})
		p.Width = cmp.Or(p.Width, defaultWidth)
		return p
	}
	p.Format = cmp.Or(p.Format, JPEG)
	if c == Sprites {
		p.Width = cmp.Or(p.Width, defaultTile)
		p.Columns, p.Rows = cmp.Or(p.Columns, defaultSheet), cmp.Or(p.Rows, defaultSheet)
	}
	return p
}

// Length returns how long the track is, in microseconds.
func (v VideoTrack) Length() media.Ticks {
	return media.Rescale(v.End-v.Start, v.Timebase, media.Microseconds)
}

// PictureChunk describes the pictures of a segment: one object in scratch that has one after the other.
type PictureChunk struct {
	StoredObject
	First int64   `json:"first"` // number of the first picture; the others follow it
	Sizes []int64 `json:"sizes,omitempty"`
}

// PreviewPlan is a preview as planned: how the pictures of a sequence become files.
type PreviewPlan struct {
	Form     Container     `json:"form"`
	Pictures int           `json:"pictures"`         // index into Job.Pictures
	Format   PictureFormat `json:"format,omitempty"` // of stills, posters and sheets
	Unit     int64         `json:"unit,omitempty"`   // how many of the pictures one unit makes into files; 0 for animations
	Every    media.Ticks   `json:"every,omitempty"`  // microseconds from an animation to the next
	Length   media.Ticks   `json:"length,omitempty"` // microseconds of an animation
	Columns  int           `json:"columns,omitempty"`
	Rows     int           `json:"rows,omitempty"`
	Archive  bool          `json:"archive,omitempty"`
	// Frames reports that each thumbnail is also a frame of a video by itself, for HLS's I-frame playlists of images ("mjpg").
	Frames bool `json:"frames,omitempty"`
	// Milliseconds reports that file names have the time in milliseconds, not in seconds.
	Milliseconds bool `json:"milliseconds,omitempty"`
}

// Extension returns the extension of the files of a preview.
func (p PreviewPlan) Extension() string {
	switch {
	case p.Form == Clip:
		return "mp4"
	case p.Form.Animated():
		return string(p.Form)
	}
	return string(p.Format)
}

// Slice is a part of a preview that one unit makes: its specification.
type Slice struct {
	Output  int         `json:"output"`  // index into Job.Outputs
	Preview int         `json:"preview"` // index into OutputPlan.Previews
	From    int64       `json:"from"`    // the pictures From ≤ k < To
	To      int64       `json:"to"`
	Start   media.Ticks `json:"start"` // microseconds from the film's first frame
	End     media.Ticks `json:"end"`
	// The segments that hold those pictures, if all frames could be decoded.
	FirstSegment int `json:"firstSegment"`
	LastSegment  int `json:"lastSegment"`
}

// SliceFacts are the facts of a slice unit.
type SliceFacts struct {
	Output  int            `json:"output"` // as in its Slice
	Preview int            `json:"preview"`
	Files   []PreviewEntry `json:"files"`
	Frames  *FrameFile     `json:"frames,omitempty"` // of a plan with Frames
}

// FrameFile describes a file that has the thumbnails of a slice as fragments of a video, one after the other.
type FrameFile struct {
	Path  string  `json:"path"`  // in the folder of the previews
	Sizes []int64 `json:"sizes"` // bytes of the fragments
}

// Size returns the size of the file.
func (f FrameFile) Size() (sum int64) {
	for _, n := range f.Sizes {
		sum += n
	}
	return sum
}

// PreviewEntry describes a file of a preview, or a picture in an archive.
type PreviewEntry struct {
	Path   string      `json:"path"`  // in the folder of the previews
	Start  media.Ticks `json:"start"` // microseconds from the film's first frame
	End    media.Ticks `json:"end"`
	Size   int64       `json:"size"`
	Offset int64       `json:"offset,omitempty"` // of a picture in an archive
	Digest string      `json:"digest"`           // SHA-256, in hexadecimal digits
}

// series returns the pattern of the names of the files that an output of pictures has.
func (o Output) series() string {
	format := JPEG
	if o.Preview != nil && o.Preview.Format != "" {
		format = o.Preview.Format
	}
	switch o.Container {
	case Poster:
		return o.Name + "-poster." + string(format)
	case Sprites:
		return o.Name + "-sprites-*"
	case Stills:
		return o.Name + "-*." + string(format)
	case Clip:
		return o.Name + "-*.mp4"
	}
	return o.Name + "-*." + string(o.Container)
}
