package render

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"regexp"
	"strconv"
)

// TileKind is the prefix of the names of units that render tiles. Their artifacts lie beside the frames.
const TileKind = "tiles"

// Bounds of tiles.
const (
	maxTiles = 64 // of a frame
	minTile  = 2  // pixels
	// maxJobTiles bounds the tiles of all frames of a job. Each is an object in scratch and, by default, a unit.
	maxJobTiles = 100_000
)

// Grid divides a frame into tiles, which are rendered by units of their own. The zero value does not divide it.
type Grid struct{ Columns, Rows int }

var gridText = regexp.MustCompile(`^([1-9][0-9]?)x([1-9][0-9]?)$`)

// ParseGrid reads a grid: "2x3" has two columns and three rows, and "" is the zero value.
func ParseGrid(text string) (Grid, error) {
	if text == "" {
		return Grid{}, nil
	}
	m := gridText.FindStringSubmatch(text)
	if m == nil {
		return Grid{}, fmt.Errorf("%.40q is not a number of columns and rows such as 2x2", text)
	}
	columns, _ := strconv.Atoi(m[1]) // digits, as the expression says
	rows, _ := strconv.Atoi(m[2])
	switch g := (Grid{columns, rows}); {
	case g.Count() > maxTiles:
		return Grid{}, fmt.Errorf("%s are %d tiles of a frame; at most %d", text, g.Count(), maxTiles)
	case g.Count() == 1:
		return Grid{}, errors.New("1x1 is the whole frame; leave tiles out")
	default:
		return g, nil
	}
}

// Count returns the number of tiles of a frame; 0: it is not divided.
func (g Grid) Count() int { return g.Columns * g.Rows }

// Check returns an error if a job's frames cannot be divided. width and height are in pixels, frames is their number.
func (g Grid) Check(width, height, frames int) error {
	switch {
	case g.Count() == 0:
		return nil
	case width/g.Columns < minTile || height/g.Rows < minTile:
		return fmt.Errorf("a frame of %d x %d is too small for %d x %d tiles", width, height, g.Columns, g.Rows)
	case frames*g.Count() > maxJobTiles:
		return fmt.Errorf("%d frames have %d tiles, and a job has at most %d; divide the frames into several jobs", frames, frames*g.Count(), maxJobTiles)
	}
	return nil
}

// Tile is a part of a frame, in pixels from its top left corner.
type Tile struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Tile returns tile i of a frame, counted from the top left in rows.
func (g Grid) Tile(i, width, height int) Tile {
	column, row := i%g.Columns, i/g.Columns
	x, y := column*width/g.Columns, row*height/g.Rows
	return Tile{X: x, Y: y, Width: (column+1)*width/g.Columns - x, Height: (row+1)*height/g.Rows - y}
}

// TileUnit is a tile of a range of a job's frames.
type TileUnit struct {
	Unit
	Tile int `json:"tile"`
}

// Name returns the name of the unit. It sorts in the order of the film.
func (u TileUnit) Name() string { return fmt.Sprintf("%s/%06d.%02d", TileKind, u.From, u.Tile) }

// TileKey returns the key in scratch of a tile of the frame at place i of the job's list. All attempts write the same bytes there.
func TileKey(job string, i, tile int) string {
	return fmt.Sprintf("%s/%s/%06d.%02d.%s", job, Kind, i, tile, PNG.Extension())
}

// Merge puts the tiles of a frame together. Each is the content of a PNG that Clean has returned. No pixel changes.
func Merge(tiles [][]byte, grid Grid, want Picture) ([]byte, error) {
	if len(tiles) != grid.Count() {
		return nil, fmt.Errorf("%d tiles, not %d", len(tiles), grid.Count())
	}
	frame := blank(want)
	to := samplesOf(frame)
	for i, data := range tiles {
		at := grid.Tile(i, want.Width, want.Height)
		tile, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("tile %d: %w", i+1, err)
		}
		from := samplesOf(tile)
		if from.kind != to.kind || tile.Bounds() != image.Rect(0, 0, at.Width, at.Height) {
			return nil, fmt.Errorf("tile %d does not fit into the frame", i+1)
		}
		length := at.Width * to.pixel
		for y := range at.Height {
			copy(to.data[(at.Y+y)*to.stride+at.X*to.pixel:][:length], from.data[y*from.stride:][:length])
		}
	}
	if want.Alpha {
		frame = transparent{frame}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, frame); err != nil {
		return nil, err
	}
	return Clean(b.Bytes(), want)
}

// blank returns a picture of the type that package png decodes a frame to.
func blank(p Picture) image.Image {
	size := image.Rect(0, 0, p.Width, p.Height)
	switch {
	case p.Alpha && p.Format.Deep():
		return image.NewNRGBA64(size)
	case p.Alpha:
		return image.NewNRGBA(size)
	case p.Format.Deep():
		return image.NewRGBA64(size)
	}
	return image.NewRGBA(size)
}

// samples are those of a picture.
type samples struct {
	data          []byte
	stride, pixel int // bytes
	kind          string
}

// samplesOf returns the samples of a picture of a type that blank returns, and none of any other.
func samplesOf(p image.Image) samples {
	const pixel8, pixel16 = 4, 8 // bytes of a pixel
	switch p := p.(type) {
	case *image.RGBA:
		return samples{p.Pix, p.Stride, pixel8, "RGB of 8 bits"}
	case *image.RGBA64:
		return samples{p.Pix, p.Stride, pixel16, "RGB of 16 bits"}
	case *image.NRGBA:
		return samples{p.Pix, p.Stride, pixel8, "RGBA of 8 bits"}
	case *image.NRGBA64:
		return samples{p.Pix, p.Stride, pixel16, "RGBA of 16 bits"}
	}
	return samples{}
}

// transparent is a picture that is stored with alpha, whether any pixel is transparent or not.
type transparent struct{ image.Image }

// Opaque is what package png asks for.
func (transparent) Opaque() bool { return false }
