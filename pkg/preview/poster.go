package preview

import (
	"bytes"
	"context"
	"image"
	_ "image/jpeg" // a candidate's format
	_ "image/png"  // likewise
	"math"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// poster publishes the best of the pictures: the sharpest of those that are not dark or plain.
func (a *attempt) poster(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	var best picture
	var chosen []byte
	score := math.Inf(-1)
	err := a.read(ctx, list, func(p picture, data []byte) error {
		img, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "a picture of the film")
		}
		if s := rate(img); s > score {
			best, chosen, score = p, bytes.Clone(data), s
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	name := a.out.Name + "-poster." + string(a.plan.Format)
	store, key, err := a.store(ctx, name)
	if err == nil {
		_, err = store.Put(ctx, key, bytes.NewReader(chosen))
	}
	if err != nil {
		return nil, err
	}
	a.artifacts = append(a.artifacts, work.Artifact{Folder: a.folder(), Key: name, Size: int64(len(chosen))})
	return []film.PreviewEntry{a.entry(name, best.number, best.number+1, chosen)}, nil
}

// Bounds of a good poster, of samples from 0 to 255.
const (
	darkest    = 40 // mean luma: below it a picture is a fade or a night
	brightest  = 225
	plainest   = 16  // standard deviation of luma: below it there is nothing to see
	sampleSide = 256 // about how many samples of a row and a column are compared
)

// rate returns how good a poster a picture is: how much neighbouring samples differ, which is little where it is blurred. A picture
// that is dark, washed out or plain comes after all others.
func rate(img image.Image) float64 {
	b := img.Bounds()
	step := max(b.Dx()/sampleSide, b.Dy()/sampleSide, 1)
	var n, sum, squares, edges float64
	luma := func(x, y int) float64 {
		r, g, bl, _ := img.At(x, y).RGBA()
		return (0.299*float64(r) + 0.587*float64(g) + 0.114*float64(bl)) / 257
	}
	for y := b.Min.Y + 1; y < b.Max.Y-1; y += step {
		for x := b.Min.X + 1; x < b.Max.X-1; x += step {
			l := luma(x, y)
			d := 4*l - luma(x-1, y) - luma(x+1, y) - luma(x, y-1) - luma(x, y+1) // Laplacian: large at edges in focus
			n, sum, squares, edges = n+1, sum+l, squares+l*l, edges+d*d
		}
	}
	if n == 0 {
		return 0
	}
	mean := sum / n
	deviation := math.Sqrt(max(squares/n-mean*mean, 0))
	score := math.Log1p(edges / n)
	if mean < darkest || mean > brightest || deviation < plainest {
		score -= 100
	}
	return score
}
