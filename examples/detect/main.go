// Command detect finds objects in the frames of a piece of a film, as a tool of mapreel with each: frames. It leaves
//
//	boxes.jsonl    a line for each object of each frame: time, label, score and box
//	chapters.vtt   a cue for as long as a label is seen
//	000000040000.jpg …  the frames, with boxes
//
// detect convert FROM TO makes a model of a graph of TensorFlow.js.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	_ "image/png" // frames
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "detect:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 3 && args[0] == "convert" {
		return convert(args[1], args[2])
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	beside := func(name string) string { return filepath.Join(filepath.Dir(program), name) }
	flags := flag.NewFlagSet("detect", flag.ContinueOnError)
	model := flags.String("model", beside("centernet.onnx"), "the model")
	runtime := flags.String("runtime", beside("libonnxruntime.so.1"), "the library of ONNX Runtime")
	provider := flags.String("provider", "cpu", "cpu; cuda; or auto: cuda if it is to be had")
	threads := flags.Int("threads", 1, "threads of the CPU")
	threshold := flags.Float64("score", 0.3, "the least score of an object")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !slices.Contains([]string{"cpu", "cuda", "auto"}, *provider) {
		return fmt.Errorf("the provider %q is unknown: use cpu, cuda or auto", *provider)
	}
	p, err := readPiece()
	if err != nil {
		return err
	}
	d, err := newDetector(*model, *runtime, *provider, *threads)
	if err != nil {
		return err
	}
	return p.process(d, *threshold)
}

// picture is a frame's file.
type picture struct {
	path string
	us   int64 // from the beginning of the piece
	own  bool  // it is of the piece, not before or after it
}

// piece is the frames of a piece, with those around it.
type piece struct {
	pictures []picture
	length   int64 // microseconds
	output   string
}

func readPiece() (p piece, err error) {
	var bounds [2]int64
	for i, name := range []string{"MAPREEL_START", "MAPREEL_END"} {
		if bounds[i], err = strconv.ParseInt(os.Getenv(name), 10, 64); err != nil {
			return p, fmt.Errorf("%s: %w; detect is a tool of mapreel run", name, err)
		}
	}
	var context int64
	if text := os.Getenv("MAPREEL_CONTEXT"); text != "" {
		if context, err = strconv.ParseInt(text, 10, 64); err != nil {
			return p, fmt.Errorf("MAPREEL_CONTEXT: %w", err)
		}
	}
	p.length, p.output = bounds[1]-bounds[0], os.Getenv("TMP_OUTPUT_DIR")
	for _, name := range []string{"MAPREEL_BEFORE_DIR", "TMP_INPUT_DIR", "MAPREEL_AFTER_DIR"} {
		dir := os.Getenv(name)
		if dir == "" {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return p, err
		}
		for _, e := range entries {
			us, err := strconv.ParseInt(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), 10, 64)
			if err != nil {
				return p, fmt.Errorf("%s is no frame of a piece", e.Name())
			}
			if name == "MAPREEL_BEFORE_DIR" {
				us -= context
			}
			p.pictures = append(p.pictures, picture{filepath.Join(dir, e.Name()), us, name == "TMP_INPUT_DIR"})
		}
	}
	slices.SortFunc(p.pictures, func(a, b picture) int { return int(a.us - b.us) })
	return p, nil
}

// process looks at all frames, and writes what is found in those of the piece.
func (p piece) process(d *detector, threshold float64) error {
	frames := make([]frame, len(p.pictures))
	for i, pic := range p.pictures {
		img, err := decode(pic.path)
		if err != nil {
			return err
		}
		frames[i].us = pic.us
		if frames[i].objects, err = d.detect(img); err != nil {
			return fmt.Errorf("%s: %w", pic.path, err)
		}
		if err := report(detecting * share(i, len(frames))); err != nil {
			return err
		}
	}
	lines, err := os.Create(filepath.Join(p.output, "boxes.jsonl"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(lines)
	chapters := chapters{length: p.length}
	for i, pic := range p.pictures {
		if !pic.own {
			continue
		}
		objects := smooth(frames, i, threshold)
		if err := writeLines(w, pic.us, objects); err != nil {
			return err
		}
		chapters.add(pic.us, objects)
		if err := p.redraw(pic, objects); err != nil {
			return err
		}
		if err := report(detecting + (1-detecting)*share(i, len(frames))); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Flush(), lines.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.output, "chapters.vtt"), []byte(chapters.text()), 0o600)
}

// detecting is the part of the work that is done when all frames have been looked at. The rest is drawing.
const detecting = 0.9

// share returns how much of n frames is done with the i-th.
func share(i, n int) float64 { return float64(i+1) / float64(n) }

// report tells mapreel how much of the work is done, from 0 to 1.
func report(fraction float64) error {
	name := os.Getenv("MAPREEL_PROGRESS_FILE")
	if name == "" {
		return nil
	}
	return os.WriteFile(name, []byte(strconv.FormatFloat(fraction, 'f', 4, 64)), 0o600)
}

func decode(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

func (p piece) redraw(pic picture, objects []object) (err error) {
	img, err := decode(pic.path)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(pic.path), filepath.Ext(pic.path)) + ".jpg"
	f, err := os.Create(filepath.Join(p.output, name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return jpeg.Encode(f, drawn(img, objects), &jpeg.Options{Quality: 95})
}

func writeLines(w *bufio.Writer, us int64, objects []object) error {
	for _, o := range objects {
		line := struct {
			Time  float64    `json:"time"`
			Label string     `json:"label"`
			Score float64    `json:"score"`
			Box   [4]float64 `json:"box"` // left, top, right, bottom
		}{float64(us) / 1e6, o.Label, math.Round(o.Score*1000) / 1000, o.Box}
		for i := range line.Box {
			line.Box[i] = math.Round(line.Box[i]*10) / 10
		}
		data, err := json.Marshal(line)
		if err == nil {
			_, err = w.Write(append(data, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// chapters are the times for which labels are seen.
type chapters struct {
	length int64
	open   map[string]int64
	cues   []cue
}

type cue struct {
	start, end int64
	label      string
}

// add adds a frame. What is seen in it is seen until the next.
func (c *chapters) add(us int64, objects []object) {
	if c.open == nil {
		c.open, us = map[string]int64{}, 0 // a piece begins with its first frame
	}
	var now []string
	for _, o := range objects {
		if !slices.Contains(now, o.Label) {
			now = append(now, o.Label)
		}
		if _, ok := c.open[o.Label]; !ok {
			c.open[o.Label] = us
		}
	}
	c.close(us, func(label string) bool { return !slices.Contains(now, label) })
}

func (c *chapters) close(us int64, which func(string) bool) {
	for label, start := range c.open {
		if which(label) {
			c.cues = append(c.cues, cue{start, us, label})
			delete(c.open, label)
		}
	}
}

// text returns the cues as WebVTT.
func (c *chapters) text() string {
	c.close(c.length, func(string) bool { return true })
	slices.SortFunc(c.cues, func(a, b cue) int {
		if a.start != b.start {
			return int(a.start - b.start)
		}
		return strings.Compare(a.label, b.label)
	})
	var b strings.Builder
	b.WriteString("WEBVTT\n\n")
	for _, c := range c.cues {
		fmt.Fprintf(&b, "%s --> %s\n%s\n\n", stamp(c.start), stamp(c.end), c.label)
	}
	return b.String()
}

func stamp(us int64) string {
	ms := (us + 500) / 1000
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}
