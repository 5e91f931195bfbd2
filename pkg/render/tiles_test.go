package render

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"testing"

	"pgregory.net/rapid"
)

func TestTilesCoverTheFrameOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Grid{rapid.IntRange(1, 8).Draw(t, "columns"), rapid.IntRange(1, 8).Draw(t, "rows")}
		width, height := rapid.IntRange(16, 100).Draw(t, "width"), rapid.IntRange(16, 100).Draw(t, "height")
		seen := make([]int, width*height)
		for i := range g.Count() {
			tile := g.Tile(i, width, height)
			for y := tile.Y; y < tile.Y+tile.Height; y++ {
				for x := tile.X; x < tile.X+tile.Width; x++ {
					seen[y*width+x]++
				}
			}
		}
		for i, n := range seen {
			if n != 1 {
				t.Fatalf("pixel %d, %d is in %d tiles", i%width, i/width, n)
			}
		}
	})
}

// encoded returns a picture as Blender stores it.
func encoded(t *testing.T, p image.Image, alpha bool) []byte {
	t.Helper()
	if alpha {
		p = transparent{p}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// made returns a picture of a kind whose pixels differ. Those without alpha are opaque.
func made(kind Picture) image.Image {
	p := blank(kind)
	for y := range kind.Height {
		for x := range kind.Width {
			c := color.NRGBA64{uint16(x*1777 + 5), uint16(y*3001 + 6), uint16(x * y), 0xffff} //nolint:gosec // small
			if kind.Alpha && x > 3 {
				c.A = uint16(x * 2222) //nolint:gosec // small
			}
			p.(draw.Image).Set(x, y, c)
		}
	}
	return p
}

func TestMergedTilesAreTheFrame(t *testing.T) {
	grid := Grid{3, 2}
	other := map[Format]Format{"": PNG16, PNG16: PNG}
	for _, kind := range []Picture{{Width: 17, Height: 9}, {Width: 17, Height: 9, Alpha: true}, {Width: 17, Height: 9, Format: PNG16}, {Width: 17, Height: 9, Alpha: true, Format: PNG16}} {
		whole := made(kind)
		var tiles [][]byte
		for i := range grid.Count() {
			at := grid.Tile(i, kind.Width, kind.Height)
			part := whole.(interface {
				SubImage(image.Rectangle) image.Image
			}).SubImage(image.Rect(at.X, at.Y, at.X+at.Width, at.Y+at.Height))
			tiles = append(tiles, encoded(t, part, kind.Alpha))
		}
		got, err := Merge(tiles, grid, kind)
		if err != nil || !bytes.Equal(got, encoded(t, whole, kind.Alpha)) {
			t.Errorf("%v: the merged frame differs: %v", kind, err)
		}
		for name, wrong := range map[string][][]byte{
			"one is missing":    tiles[1:],
			"one is damaged":    append([][]byte{tiles[0][:20]}, tiles[1:]...),
			"one is too large":  append([][]byte{encoded(t, whole, kind.Alpha)}, tiles[1:]...),
			"one has no colour": append([][]byte{encoded(t, image.NewGray(image.Rect(0, 0, 5, 4)), false)}, tiles[1:]...),
			"one has another depth": append([][]byte{encoded(t, blank(Picture{Width: 5, Height: 4, Alpha: kind.Alpha, Format: other[kind.Format]}), kind.Alpha)},
				tiles[1:]...),
		} {
			if _, err := Merge(wrong, grid, kind); err == nil {
				t.Errorf("%v: %s, and the frame is merged", kind, name)
			}
		}
	}
}

func TestGridsAreChecked(t *testing.T) {
	if g, err := ParseGrid("2x3"); err != nil || g != (Grid{2, 3}) {
		t.Errorf("2x3 is %+v, %v", g, err)
	}
	for _, text := range []string{"1x1", "2", "0x2", "9x9", "2x2x2", "100x1", "-1x2", "2X2"} {
		if _, err := ParseGrid(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	for name, c := range map[string]struct {
		grid                  Grid
		width, height, frames int
		good                  bool
	}{
		"good":            {Grid{2, 2}, 640, 360, 100, true},
		"narrow":          {Grid{8, 1}, 15, 360, 1, false},
		"low":             {Grid{1, 8}, 640, 15, 1, false},
		"too many in all": {Grid{8, 8}, 640, 360, 2000, false},
		"not divided":     {Grid{}, 1, 1, 100_000, true},
	} {
		if err := c.grid.Check(c.width, c.height, c.frames); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ps := (Settings{Tiles: "2x2", Engine: Eevee}).Check(); len(ps) != 1 || ps[0].Pointer != "/render/tiles" {
		t.Errorf("tiles with eevee: %v", ps)
	}
	if (Settings{Tiles: "2x2"}).IsZero() || !(Settings{Tiles: "2x2"}).Look().Equal((Settings{Tiles: "4x1"}).Look()) || (Settings{Tiles: "2x2"}).Look().IsZero() {
		t.Error("tiles are no setting, or their number changes what frames show")
	}
}
