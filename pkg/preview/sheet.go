package preview

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/qoi"
)

const (
	// maxJoined is how many pixels a sheet has at most that is joined in memory, four bytes each: 50 times the usual sheet.
	maxJoined = 1 << 24
	// sheetQuality is that of image/jpeg. Sheets are about as close to the film as those of ffmpeg at -q:v 5, in a seventh more bytes.
	sheetQuality = 80
)

// joinsSheet reports whether a sheet of thumbnails is joined here. Starting ffmpeg takes many times as long as that. It makes the other
// formats, and sheets that are too large for this.
func (a *attempt) joinsSheet() bool {
	size := a.sheetSize()
	return a.plan.Form == film.Sprites && a.plan.Format == film.JPEG && int64(size.X)*int64(size.Y) <= maxJoined
}

func (a *attempt) sheetSize() image.Point {
	return image.Pt(a.plan.Columns*a.pictures.Size.Width, a.plan.Rows*a.pictures.Size.Height)
}

// sheet publishes a sheet of thumbnails, and those one by one where the plan has frames. Tiles without a picture are black.
func (a *attempt) sheet(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	size := a.pictures.Size
	sheet := image.NewRGBA(image.Rectangle{Max: a.sheetSize()})
	rgb := make([]byte, 3*size.Width*size.Height)
	var tiles [][]byte
	err := a.read(ctx, list, func(p picture, data []byte) error {
		if err := qoi.Decode(rgb, data); err != nil {
			return fault.Wrap(fault.Corrupt, err, "picture of "+p.key)
		}
		k := int(p.number - list[0].number)
		corner := image.Pt(k%a.plan.Columns*size.Width, k/a.plan.Columns*size.Height)
		tile, _ := sheet.SubImage(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(size.Width, size.Height))}).(*image.RGBA)
		for y := range size.Height {
			row := tile.Pix[y*tile.Stride:]
			for x := range size.Width {
				copy(row[4*x:4*x+3], rgb[3*(y*size.Width+x):])
			}
		}
		if a.plan.Frames {
			var file bytes.Buffer
			if err := jpeg.Encode(&file, tile, &jpeg.Options{Quality: sheetQuality}); err != nil {
				return err
			}
			tiles = append(tiles, file.Bytes())
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, sheet, &jpeg.Options{Quality: sheetQuality}); err != nil {
		return nil, err
	}
	path := filepath.Join(a.Dir, "assembled")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		return nil, err
	}
	e, err := a.publish(ctx, SheetName(a.out.Name, a.slice.From/a.plan.Unit, a.plan.Format), path)
	if err == nil && a.plan.Frames {
		err = a.publishFrames(ctx, tiles)
	}
	return []film.PreviewEntry{e}, err
}
