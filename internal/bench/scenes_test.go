package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/render"
)

// frameFolder makes a folder of frames; frame odd has another pixel.
func frameFolder(t *testing.T, frames, odd int) string {
	t.Helper()
	folder := t.TempDir()
	for n := 1; n <= frames; n++ {
		p := image.NewGray(image.Rect(0, 0, 8, 8))
		p.SetGray(1, 1, color.Gray{uint8(n)})
		if n == odd {
			p.SetGray(2, 2, color.Gray{200})
		}
		f, err := os.Create(filepath.Join(folder, render.FileName(n, render.PNG)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, p); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// A comparison of times means nothing where the results differ.
func TestFramesAreComparedByTheirPixels(t *testing.T) {
	t.Parallel()
	whole := frameFolder(t, sceneFrames, 0)
	for name, c := range map[string]struct {
		other string
		want  string
	}{
		"the same":           {frameFolder(t, sceneFrames, 0), ""},
		"one pixel differs":  {frameFolder(t, sceneFrames, 30), "differ"},
		"a frame is missing": {frameFolder(t, sceneFrames-1, 0), "has 47 frames, not 48"},
	} {
		err := sameFrames(t.Context(), [2]string{whole, c.other})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := sameFrames(t.Context(), [2]string{whole, t.TempDir()}); err == nil {
		t.Error("an empty folder has the same frames")
	}
}
