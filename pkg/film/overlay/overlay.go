// Package overlay says where a picture lies over the frames of a video, such as the logo of a channel.
//
//	laid := asked.On(media.Size{Width: 640, Height: 360}) // the size of the PNG
//	at := laid.Place(media.Size{Width: 1920, Height: 1080}, media.Rational{Num: 1, Den: 1})
package overlay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/media"
)

// Overlay is what a request says of a picture over its video. Lengths are in percent of the height of the video's picture, so that all
// renditions of a ladder look alike.
type Overlay struct {
	Image   string `json:"image" jsonschema:"required,minLength=1,description=The PNG: s3://bucket/key on AWS or an absolute path on one machine"`
	At      Corner `json:"at,omitempty" jsonschema:"enum=top-left,enum=top-right,enum=bottom-left,enum=bottom-right,enum=center,default=top-right,description=Where in the picture it lies"`
	Height  int    `json:"height,omitempty" jsonschema:"minimum=1,maximum=100,default=10,description=Its height in percent of that of the picture"`
	Margin  *int   `json:"margin,omitempty" jsonschema:"minimum=0,maximum=45,default=3,description=Its distance from both edges of the corner in percent of the height of the picture"`
	Opacity int    `json:"opacity,omitempty" jsonschema:"minimum=1,maximum=100,default=100,description=How much it covers of what is below it in percent"`
}

// Corner is a place in a picture.
type Corner string

// The corners, and the middle.
const (
	TopLeft     Corner = "top-left"
	TopRight    Corner = "top-right"
	BottomLeft  Corner = "bottom-left"
	BottomRight Corner = "bottom-right"
	Center      Corner = "center"
)

var corners = []Corner{TopLeft, TopRight, BottomLeft, BottomRight, Center}

// What a request that does not say gets.
const (
	defaultHeight  = 10
	defaultMargin  = 3
	defaultOpacity = 100
)

// Bounds of what a request may say. maxPath is PATH_MAX of Linux; S3 keys are shorter.
const (
	maxPercent = 100
	maxMargin  = 45
	maxPath    = 4096
)

// Check calls problem for each field that is wrong, with its pointer. Zero values stand for defaults.
func (o Overlay) Check(problem func(pointer, message string)) {
	switch {
	case o.Image == "":
		problem("/image", "is required")
	case len(o.Image) > maxPath:
		problem("/image", fmt.Sprintf("is %d bytes long; at most %d", len(o.Image), maxPath))
	case strings.ContainsRune(o.Image, 0) || !utf8.ValidString(o.Image):
		problem("/image", fmt.Sprintf("%q has bytes that are not text", o.Image))
	}
	if o.At != "" && !slices.Contains(corners, o.At) {
		problem("/at", fmt.Sprintf("%.40q is not one of %s", string(o.At), list()))
	}
	if o.Height < 0 || o.Height > maxPercent {
		problem("/height", fmt.Sprintf("%d is outside 1 to %d percent", o.Height, maxPercent))
	}
	if o.Opacity < 0 || o.Opacity > maxPercent {
		problem("/opacity", fmt.Sprintf("%d is outside 1 to %d percent", o.Opacity, maxPercent))
	}
	if o.Margin != nil && (*o.Margin < 0 || *o.Margin > maxMargin) {
		problem("/margin", fmt.Sprintf("%d is outside 0 to %d percent", *o.Margin, maxMargin))
	}
}

func list() string {
	var names []string
	for _, c := range corners {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// Laid is an overlay with everything that is needed to lay it over a video.
type Laid struct {
	Image   string     `json:"image"`
	Digest  string     `json:"digest,omitempty"` // of the file
	At      Corner     `json:"at"`
	Height  int        `json:"height"`
	Margin  int        `json:"margin"`
	Opacity int        `json:"opacity"`
	Size    media.Size `json:"size"` // of the image, in pixels
}

// On returns the overlay of an image of a size and a digest.
func (o Overlay) On(size media.Size, digest string) Laid {
	n := o.Normalise()
	return Laid{Image: n.Image, Digest: digest, At: n.At, Height: n.Height, Margin: *n.Margin, Opacity: n.Opacity, Size: size}
}

// Normalise returns o with its defaults.
func (o Overlay) Normalise() Overlay {
	o.At, o.Height, o.Opacity = cmp.Or(o.At, TopRight), cmp.Or(o.Height, defaultHeight), cmp.Or(o.Opacity, defaultOpacity)
	if o.Margin == nil {
		o.Margin = new(defaultMargin)
	}
	return o
}

// Same reports whether two overlays look alike; nil is none.
func Same(a, b *Overlay) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.On(media.Size{}, "") == b.On(media.Size{}, "")
}

// Place is a rectangle of a picture, in its pixels. All numbers are even, because chroma is stored for pairs of pixels.
type Place struct{ Width, Height, X, Y int }

// Place returns where l lies in a picture whose pixels have an aspect, the width of one to its height; unknown: square. It keeps the
// shape of the image, and is smaller than asked for where the picture is too narrow.
func (l Laid) Place(picture media.Size, pixel media.Rational) Place {
	if !pixel.Known() || pixel.Num <= 0 || pixel.Den <= 0 {
		pixel = media.Rational{Num: 1, Den: 1}
	}
	across := func(lines int) int { // the same length, counted in columns
		return int(media.Rescale(media.Ticks(lines), media.Rational{Num: 1, Den: 1}, pixel))
	}
	margin := picture.Height * l.Margin / 100
	side := across(margin)
	if l.At == Center {
		margin, side = 0, 0
	}
	height := min(picture.Height*l.Height/100, picture.Height-margin)
	width := across(height * max(l.Size.Width, 1) / max(l.Size.Height, 1))
	if most := picture.Width - side; width > most {
		width, height = most, height*most/max(width, 1)
	}
	p := Place{Width: max(even(width), 2), Height: max(even(height), 2)}
	right, bottom := picture.Width-side-p.Width, picture.Height-margin-p.Height
	switch l.At {
	case TopLeft:
		p.X, p.Y = side, margin
	case BottomLeft:
		p.X, p.Y = side, bottom
	case BottomRight:
		p.X, p.Y = right, bottom
	case Center:
		p.X, p.Y = (picture.Width-p.Width)/2, (picture.Height-p.Height)/2
	default:
		p.X, p.Y = right, margin
	}
	p.X, p.Y = even(max(p.X, 0)), even(max(p.Y, 0))
	return p
}

func even(n int) int { return n &^ 1 }
