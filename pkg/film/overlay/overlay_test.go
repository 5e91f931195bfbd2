package overlay

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/media"
)

func TestAWishIsAnOverlayInOneText(t *testing.T) {
	four := 4
	for text, want := range map[string]Wish{
		"logo.png":                        {Image: "logo.png"},
		"logo.png@top-left":               {Image: "logo.png", At: TopLeft},
		"a@b/logo@2x.png":                 {Image: "a@b/logo@2x.png"},
		"logo@2x.png@center":              {Image: "logo@2x.png", At: Center},
		"l.png@bottom-right,height=12%":   {Image: "l.png", At: BottomRight, Height: 12},
		"l.png@top-right,margin=4":        {Image: "l.png", At: TopRight, Margin: &four},
		"l.png@top-right,opacity=60":      {Image: "l.png", At: TopRight, Opacity: 60},
		"logo.png@topright":               {},
		"logo.png@top-right,size=3":       {},
		"logo.png@top-right,height=0":     {},
		"logo.png@top-right,height=1.5":   {},
		"logo.png@top-right,opacity=101":  {},
		"logo.png@top-right,height=":      {},
		"logo.png@left,height=3":          {},
		"logo.png@top-right,margin=-1":    {},
		"logo.png@top-right,height=12,,,": {},
	} {
		var w Wish
		err := w.UnmarshalText([]byte(text))
		if (err == nil) != (want.Image != "") {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, w); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestAnOverlayKeepsItsShapeWithinThePicture(t *testing.T) {
	square, wide := media.Rational{Num: 1, Den: 1}, media.Rational{Num: 64, Den: 45}
	zero, five := 0, 5
	for _, c := range []struct {
		o       Overlay
		image   media.Size
		picture media.Size
		pixel   media.Rational
		want    Place
	}{
		{Overlay{}, media.Size{Width: 200, Height: 100}, media.Size{Width: 1920, Height: 1080}, square, Place{216, 108, 1672, 32}},
		{Overlay{At: TopLeft, Margin: &zero}, media.Size{Width: 200, Height: 100}, media.Size{Width: 1920, Height: 1080}, square, Place{216, 108, 0, 0}},
		{Overlay{At: BottomRight, Margin: &five, Height: 25}, media.Size{Width: 50, Height: 50}, media.Size{Width: 160, Height: 96}, media.Rational{}, Place{24, 24, 132, 68}},
		{Overlay{At: BottomLeft, Margin: &five, Height: 25}, media.Size{Width: 50, Height: 50}, media.Size{Width: 160, Height: 96}, square, Place{24, 24, 4, 68}},
		{Overlay{At: Center, Height: 50}, media.Size{Width: 50, Height: 50}, media.Size{Width: 160, Height: 96}, square, Place{48, 48, 56, 24}},
		// Anamorphic: fewer columns for the same width.
		{Overlay{At: TopLeft, Margin: &zero}, media.Size{Width: 100, Height: 100}, media.Size{Width: 720, Height: 576}, wide, Place{40, 56, 0, 0}},
		// Wider than the picture.
		{Overlay{At: TopLeft, Margin: &zero, Height: 50}, media.Size{Width: 1000, Height: 100}, media.Size{Width: 160, Height: 96}, square, Place{160, 16, 0, 0}},
		{Overlay{At: TopLeft}, media.Size{Width: 1, Height: 16000}, media.Size{Width: 160, Height: 96}, square, Place{2, 8, 2, 2}},
	} {
		if got := c.o.On(c.image, "").Place(c.picture, c.pixel); got != c.want {
			t.Errorf("%+v of %v in %v: %+v, want %+v", c.o, c.image, c.picture, got, c.want)
		}
	}
}

func TestCheckNamesEachFieldThatIsWrong(t *testing.T) {
	minus, wide := -1, 46
	for want, o := range map[string]Overlay{
		"/image": {}, "/at": {Image: "a", At: "left"}, "/height": {Image: "a", Height: 101}, "/opacity": {Image: "a", Opacity: -1},
		"/margin": {Image: "a", Margin: &minus}, "/margin ": {Image: "a", Margin: &wide}, "": {Image: "a", At: Center},
	} {
		var got []string
		o.Check(func(pointer, _ string) { got = append(got, pointer) })
		if strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%+v: %q", o, got)
		}
	}
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPixelsAreMultipliedByAlphaAndOpacity(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	img.Set(0, 0, color.NRGBA{255, 0, 0, 255})
	img.Set(1, 0, color.NRGBA{255, 255, 255, 0})
	got, err := Pixels(encoded(t, img), 50)
	want := []byte{0x80, 0x00, 0, 0, 0, 0, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0, 0}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, %v; want % x", got, err, want)
	}
}

// A file declares its size before anything of it is decoded.
func TestHostileImagesAreRefused(t *testing.T) {
	small := encoded(t, image.NewGray(image.Rect(0, 0, 4, 4)))
	huge := bytes.Clone(small)
	binary.BigEndian.PutUint32(huge[16:], 1<<14)
	binary.BigEndian.PutUint32(huge[20:], 1<<14)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for name, data := range map[string][]byte{
		"huge": huge, "empty": nil, "text": []byte("#EXTM3U\nhttp://127.0.0.1/\n"), "large file": make([]byte, MaxFile+1), "header alone": small[:33], "cut": small[:len(small)-20],
	} {
		if pixels, err := Pixels(data, 100); err == nil || pixels != nil {
			t.Errorf("%s: %d bytes, %v", name, len(pixels), err)
		}
	}
	if _, err := Size(small); err != nil {
		t.Error(err)
	}
}
