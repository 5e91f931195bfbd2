package render_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"testing"

	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
)

func TestOnlyGoodFramesInLinearLightCount(t *testing.T) {
	value := func(channel, x, y int) float32 { return float32(channel*100+x*7+y) / 64 }
	for _, want := range []render.Picture{
		{Width: 9, Height: 37, Format: render.EXR}, {Width: 9, Height: 37, Alpha: true, Format: render.EXR}, {Width: 8, Height: 32, Format: render.EXR32}, {Width: 1, Height: 1, Alpha: true, Format: render.EXR32},
	} {
		data := blendertest.EXR(want, "2026/01/01 00:00:01", value)
		clean, err := render.Clean(data, want)
		if err != nil || bytes.Contains(clean, []byte("2026")) || len(clean) >= len(data) {
			t.Fatalf("%v: %v, %d bytes of %d", want, err, len(clean), len(data))
		}
		if other, err := render.Clean(blendertest.EXR(want, "2026/12/31 00:00:02, and more", value), want); err != nil || !bytes.Equal(other, clean) {
			t.Errorf("%v: another date gives other bytes: %v", want, err)
		}
		if again, err := render.Clean(clean, want); err != nil || !bytes.Equal(again, clean) {
			t.Errorf("%v: what is clean is changed: %v", want, err)
		}
		damaged := bytes.Clone(data)
		damaged[len(damaged)-1] ^= 0xff
		if _, err := render.Clean(damaged, want); err == nil && want.Height == 37 { // the last chunk of the others is not compressed
			t.Errorf("%v: damage is not seen", want)
		}
		for n := range len(data) {
			if _, err := render.Clean(data[:n], want); err == nil {
				t.Errorf("%v: %d bytes of %d are enough", want, n, len(data))
			}
		}
		for _, other := range []render.Picture{
			{Width: want.Width + 1, Height: want.Height, Alpha: want.Alpha, Format: want.Format},
			{Width: want.Width, Height: want.Height, Alpha: !want.Alpha, Format: want.Format},
			{Width: want.Width, Height: want.Height, Alpha: want.Alpha, Format: render.PNG},
			{Width: want.Width, Height: want.Height, Alpha: want.Alpha, Format: map[render.Format]render.Format{render.EXR: render.EXR32, render.EXR32: render.EXR}[want.Format]},
		} {
			if _, err := render.Clean(data, other); err == nil {
				t.Errorf("%v counts as %v", want, other)
			}
		}
	}
}

// TestAFrameCannotTakeMoreThanItsPixelsDo changes good frames as a Blender might that a hostile scene has taken over.
func TestAFrameCannotTakeMoreThanItsPixelsDo(t *testing.T) {
	le := binary.LittleEndian
	p := render.Picture{Width: 4, Height: 32, Format: render.EXR}
	good := blendertest.EXR(p, "", func(int, int, int) float32 { return 1 })
	table := bytes.Index(good, []byte("pixelAspectRatio\x00float\x00")) + len("pixelAspectRatio\x00float\x00") + 4 + 4 + 1
	first := int(le.Uint64(good[table:]))
	after := func(more int) []byte { // the first chunk reaches over the second one
		b := bytes.Clone(good)
		le.PutUint32(b[first+4:], le.Uint32(b[first+4:])+uint32(more))
		return b
	}
	wide := p
	wide.Width = 1<<27 - 1
	window := bytes.Clone(good)
	for _, name := range []string{"dataWindow\x00box2i\x00", "displayWindow\x00box2i\x00"} {
		le.PutUint32(window[bytes.Index(window, []byte(name))+len(name)+4+8:], uint32(wide.Width-1))
	}
	const attribute = "lineOrder\x00lineOrder\x00\x01\x00\x00\x00\x01"
	twice := append(append(bytes.Clone(good[:8]), attribute...), good[8:]...)
	var padding bytes.Buffer // a stream may have any number of empty blocks
	w := zlib.NewWriter(&padding)
	for range 1000 {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(make([]byte, 4*3*2*16)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	padded := append(bytes.Clone(good[:first+4]), le.AppendUint32(nil, uint32(padding.Len()))...)
	second := int(le.Uint64(good[table+8:]))
	padded = append(append(padded, padding.Bytes()...), good[second:]...)
	le.PutUint64(padded[table+8:], uint64(first+8+padding.Len()))
	for i := range 2 {
		at := twice[len(attribute)+table+8*i:]
		le.PutUint64(at, le.Uint64(at)+uint64(len(attribute)))
	}
	for name, c := range map[string]struct {
		data []byte
		want render.Picture
	}{
		"a byte after the lines":           {after(1), p},
		"a chunk within another":           {after(8 + 4*3*2*16), p},
		"a chunk of empty blocks":          {padded, p},
		"lines of gigabytes":               {window, wide},
		"an attribute that is there twice": {twice, p},
	} {
		if _, err := render.Clean(c.data, c.want); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := render.Clean(good, p); err != nil {
		t.Error(err)
	}
}

func TestAFrameInLinearLightIsShownWithTheCurveOfSRGB(t *testing.T) {
	values := []float32{-1, 0, 1.0 / 1024, 0.25, 0.5, 1, 8, float32(math.Inf(1)), float32(math.NaN())}
	want := []uint8{0, 0, 3, 137, 188, 255, 255, 255, 0} // 255 × (1.055 × x^(1/2.4) − 0.055)
	for _, p := range []render.Picture{{Width: 9, Height: 3, Format: render.EXR32}, {Width: 9, Height: 3, Alpha: true, Format: render.EXR32}, {Width: 7, Height: 3, Alpha: true, Format: render.EXR}} {
		data, err := render.ShowEXR(blendertest.EXR(p, "", func(channel, x, y int) float32 { // red, green and blue begin one pixel later each
			return values[(x+3-channel)%p.Width]
		}))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for x := range p.Width {
			r, g, b, a := shown.At(x, 1).RGBA()
			got := fmt.Sprint(r>>8, g>>8, b>>8, a>>8)
			if want := fmt.Sprint(want[x%p.Width], want[(x+1)%p.Width], want[(x+2)%p.Width], 255); got != want {
				t.Errorf("%v: pixel %d is %s, want %s", p, x, got, want)
			}
		}
	}
	if _, err := render.ShowEXR([]byte("no picture")); err == nil {
		t.Error("text is shown")
	}
}

func FuzzEXR(f *testing.F) {
	p := render.Picture{Width: 3, Height: 18, Alpha: true, Format: render.EXR}
	f.Add(blendertest.EXR(p, "x", func(c, x, y int) float32 { return float32(c+x+y) / 4 }))
	f.Fuzz(func(t *testing.T, data []byte) {
		clean, err := render.Clean(data, p)
		if err != nil {
			return
		}
		if again, err := render.Clean(clean, p); err != nil || !bytes.Equal(again, clean) {
			t.Errorf("what is clean is not: %v", err)
		}
		if _, err := render.ShowEXR(clean); err != nil {
			t.Error(err)
		}
	})
}
