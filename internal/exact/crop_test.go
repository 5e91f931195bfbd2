package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
)

// The bars of the source change, so that a crop of each segment's own would be another one.
func TestAutoCropIsTheSameInOneSegmentAndInTwenty(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const bars = "drawbox=y=0:h=20:t=fill:color=black:enable='lt(t,9)',drawbox=y=76:h=20:t=fill:color=black:enable='lt(t,9)'," +
		"drawbox=y=0:h=12:t=fill:color=black,drawbox=y=84:h=12:t=fill:color=black,drawbox=t=fill:color=black:enable='between(t,13,15)'"
	runTool(t, "-f", "lavfi", "-i", "testsrc2=s=160x96:r=12:d=20", "-vf", bars, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-g", "12", in("in.mp4"))
	want := film.Region{Width: 160, Height: 72, Y: 12}
	frames := map[string][]byte{}
	for name, c := range map[string]struct {
		length time.Duration
		seams  int
	}{"many": {time.Second, 19}, "one": {time.Minute, 0}} {
		facts := transcoded(t, found, kinds.Options{}, film.Request{
			Source: in("in.mp4"), Destination: dir, Segment: film.Segmenting{Seconds: film.Seconds(c.length)},
			Outputs: []film.Output{{Name: name, Container: film.Matroska, Video: []film.Video{{CRF: new(0), Preset: "ultrafast", Crop: film.AutoCrop}}}},
		})
		if len(facts.Seams) != c.seams {
			t.Errorf("%s: %d seams, want %d", name, len(facts.Seams), c.seams)
		}
		if facts.Video[0].Crop != want {
			t.Errorf("%s: cropped to %v, want %v", name, facts.Video[0].Crop, want)
		}
		frames[name] = runTool(t, "-i", in(name+".mkv"), "-pix_fmt", "gray", "-f", "rawvideo", "-")
	}
	if got, want := len(frames["many"]), 240*want.Width*want.Height; got != want {
		t.Fatalf("%d bytes of frames, want %d", got, want)
	}
	if !bytes.Equal(frames["many"], frames["one"]) {
		t.Error("the frames differ")
	}
}
