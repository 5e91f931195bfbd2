package main

import (
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// film returns frames at 24 a second with a dog that moves to the right, which is not found in one of them, and a cat that is found in
// another alone.
func film() []frame {
	list := make([]frame, 48)
	for i := range list {
		x := float64(4 * i)
		list[i].us = int64(i) * 1_000_000 / 24
		score := 0.5
		if i%2 == 1 { // which alone would flicker
			score = 0.25
		}
		if i != 20 {
			list[i].objects = append(list[i].objects, object{"dog", score, box{x, 100, x + 100, 200}})
		}
	}
	list[30].objects = append(list[30].objects, object{"cat", 0.9, box{300, 0, 350, 50}})
	return list
}

func TestBoxesDoNotFlicker(t *testing.T) {
	frames := film()
	for i := range frames {
		got := smooth(frames, i, 0.3)
		if len(got) != 1 || got[0].Label != "dog" {
			t.Fatalf("frame %d: %v", i, got)
		}
		// Within reach of the ends of the film, there are more frames on one side.
		if want := float64(4 * i); i > 6 && i < len(frames)-7 && math.Abs(got[0].Box[0]-want) > 4 {
			t.Errorf("frame %d: the box begins at %.1f, want %.1f", i, got[0].Box[0], want)
		}
	}
}

// Each piece, with the frames around it, gives what the whole film gives.
func TestBoxesDoNotDependOnTheCut(t *testing.T) {
	frames := film()
	for i := range frames {
		first := max(i-7, 0)
		some := slices.Clone(frames[first:min(i+8, len(frames))])
		for k := range some {
			some[k].us += int64(k%3) - 1 - some[0].us // as rounded from another beginning
		}
		want, got := smooth(frames, i, 0.3), smooth(some, i-first, 0.3)
		if !slices.Equal(want, got) {
			t.Errorf("frame %d: %v of the film, %v of a part", i, want, got)
		}
	}
}

func TestChapters(t *testing.T) {
	c := chapters{length: 400_000}
	dog, cat := object{Label: "dog"}, object{Label: "cat"}
	c.add(0, []object{dog})
	c.add(100_000, []object{dog, dog, cat})
	c.add(200_000, []object{cat})
	c.add(300_000, nil)
	const want = "WEBVTT\n\n00:00:00.000 --> 00:00:00.200\ndog\n\n00:00:00.100 --> 00:00:00.300\ncat\n\n"
	if got := c.text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The model finds nothing in a grey picture, and every provider that is to be had loads it.
func TestModel(t *testing.T) {
	const model, runtime = ".setup/centernet.onnx", ".setup/libonnxruntime.so.1"
	if _, err := os.Stat(model); err != nil {
		t.Skip("make setup-detect has not been run: there is no model")
	}
	d, err := newDetector(model, runtime, "auto", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.detect(image.NewGray(image.Rect(0, 0, 320, 240))); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
	picture := os.Getenv("DETECT_PICTURE")
	if picture == "" {
		t.Skip("DETECT_PICTURE names no picture, such as dog.jpg of Debian's package darknet")
	}
	img, err := decode(picture)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.detect(img)
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range strings.Split(os.Getenv("DETECT_LABELS"), ",") {
		if !slices.ContainsFunc(got, func(o object) bool { return o.Label == label && o.Score > 0.3 }) {
			t.Errorf("no %s in %v", label, got)
		}
	}
}

// The frames before a piece come before those of it.
func TestFramesAreOrdered(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"MAPREEL_START": "1000000", "MAPREEL_END": "2000000", "TMP_INPUT_DIR": in, "TMP_OUTPUT_DIR": dir, "MAPREEL_BEFORE_DIR": in, "MAPREEL_AFTER_DIR": in, "MAPREEL_CONTEXT": "300000"} {
		t.Setenv(name, value)
	}
	if err := os.WriteFile(filepath.Join(in, "000000040000.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := readPiece()
	if err != nil {
		t.Fatal(err)
	}
	var times []int64
	for _, pic := range p.pictures {
		times = append(times, pic.us)
	}
	if want := []int64{-260_000, 40_000, 40_000}; !slices.Equal(times, want) {
		t.Errorf("frames at %v, want %v", times, want)
	}
}
