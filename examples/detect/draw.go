package main

import (
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// colours of boxes. A label always has the same one.
var colours = []color.RGBA{
	{230, 60, 60, 255}, {60, 180, 75, 255}, {255, 200, 25, 255}, {60, 130, 230, 255}, {245, 130, 48, 255}, {170, 70, 200, 255}, {70, 220, 220, 255}, {240, 50, 230, 255},
}

// drawn returns the picture with the boxes of objects.
func drawn(picture image.Image, objects []object) *image.RGBA {
	to := image.NewRGBA(image.Rectangle{Max: picture.Bounds().Size()})
	draw.Draw(to, to.Bounds(), picture, picture.Bounds().Min, draw.Src)
	line := max(to.Bounds().Dy()/240, 2)
	for _, o := range objects {
		h := fnv.New32a()
		_, _ = h.Write([]byte(o.Label)) // a hash takes all bytes
		of := image.NewUniform(colours[h.Sum32()%uint32(len(colours))])
		r := image.Rect(int(o.Box[0]), int(o.Box[1]), int(o.Box[2]), int(o.Box[3]))
		fill := func(x0, y0, x1, y1 int) { draw.Draw(to, image.Rect(x0, y0, x1, y1), of, image.Point{}, draw.Src) }
		fill(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+line)
		fill(r.Min.X, r.Max.Y-line, r.Max.X, r.Max.Y)
		fill(r.Min.X, r.Min.Y, r.Min.X+line, r.Max.Y)
		fill(r.Max.X-line, r.Min.Y, r.Max.X, r.Max.Y)
		face := basicfont.Face7x13
		label := fmt.Sprintf("%s %.0f%%", o.Label, 100*o.Score)
		const height = 15
		top := max(r.Min.Y-height, 0)
		fill(r.Min.X, top, r.Min.X+face.Advance*len(label)+6, top+height)
		d := font.Drawer{Dst: to, Src: image.White, Face: face, Dot: fixed.P(r.Min.X+3, top+height-4)}
		d.DrawString(label)
	}
	return to
}
