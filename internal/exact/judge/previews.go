package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png" // the format of the previews
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
)

// pictureScaler are the options with which ffmpeg's scaler gives the same bytes on every machine.
const pictureScaler = "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:in_color_matrix=bt601"

// Previews makes previews of a source in segments, and returns how they differ from what one pass of ffmpeg's filter fps gives: stills
// of each second and sheets of thumbnails, to the bit, and an animation, by its number of frames. The source has the colours of SD video.
func Previews(ctx context.Context, tools ffmpeg.Tools, t Task) (problems []string, err error) {
	req, err := json.Marshal(film.Request{
		Source: t.Path, Destination: t.Dir, Sequence: t.Sequence, Segment: film.Segmenting{Seconds: film.Seconds(t.segment())},
		Outputs: []film.Output{
			{Name: "out", Container: film.Stills, Preview: &film.Preview{Format: film.PNG}},
			{Name: "out", Container: film.Sprites, Preview: &film.Preview{Format: film.PNG, Every: film.Seconds(time.Second), Columns: 2, Rows: 2, Width: 64}},
			{Name: "out", Container: film.GIF},
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := local.Run(ctx, req, local.Options{Scratch: filepath.Join(t.Dir, "scratch"), Registry: kinds.All(tools, kinds.Options{})}); err != nil {
		return nil, err
	}
	files := func(pattern string) []string {
		list, _ := filepath.Glob(filepath.Join(t.Dir, "out.preview", "*", pattern)) //nolint:errcheck // the patterns are valid
		return list
	}
	stills, err := decodeAll(files("out-0*.png"), 0)
	if err != nil {
		return nil, err
	}
	sheets, err := decodeAll(files("out-sprites-*.png"), 64)
	if err != nil {
		return nil, err
	}
	shown := "fps=1:round=up:eof_action=pass,"
	for _, c := range []struct {
		what, filter string
		got          [][]byte
	}{{"stills", shown + "scale=" + pictureScaler, stills}, {"thumbnails", shown + "scale=64:-1:" + pictureScaler, sheets}} {
		size := 0
		if len(c.got) > 0 {
			size = len(c.got[0])
		}
		want, err := rawFrames(ctx, t.Path, c.filter, size)
		if err != nil {
			return nil, err
		}
		problems = append(problems, compareSamples(c.what, c.got, want)...)
	}
	want, err := rawFrames(ctx, t.Path, "fps=10,scale=1:1", 3)
	if err != nil {
		return nil, err
	}
	animated := 0
	for _, path := range files("*.gif") {
		frames, err := rawFrames(ctx, path, "scale=1:1", 3)
		if err != nil {
			return nil, err
		}
		animated += len(frames)
	}
	if animated != len(want) {
		problems = append(problems, fmt.Sprintf("the animation has %d frames, one pass %d", animated, len(want)))
	}
	return problems, nil
}

// compareSamples names the first picture that is not the wanted one.
func compareSamples(what string, got, want [][]byte) []string {
	// A sheet may have tiles without a picture, at its end.
	for len(got) > len(want) && what == "thumbnails" && len(bytes.Trim(got[len(got)-1], "\x00")) == 0 {
		got = got[:len(got)-1]
	}
	if len(got) != len(want) {
		return []string{fmt.Sprintf("%d %s instead of %d", len(got), what, len(want))}
	}
	for k := range got {
		if !bytes.Equal(got[k], want[k]) {
			return []string{fmt.Sprintf("number %d of the %s is not that of one pass", k, what)}
		}
	}
	return nil
}

// rawFrames returns the frames of a film after a filter: three bytes a pixel. Times count from its first frame, and the last frame stays
// on screen.
func rawFrames(ctx context.Context, path, filter string, size int) (list [][]byte, err error) {
	out, err := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", "0:v:0", "-vf",
		"setpts=PTS-STARTPTS,"+filter, "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-").Output()
	if err != nil || size <= 0 || len(out)%size != 0 {
		return nil, fmt.Errorf("frames of %s: %d bytes in frames of %d: %w", path, len(out), size, err)
	}
	for ; len(out) > 0; out = out[size:] {
		list = append(list, out[:size])
	}
	return list, nil
}

// decodeAll returns the samples of pictures, or of their tiles, which are so many pixels wide and have the shape of the film, 16:9.
func decodeAll(paths []string, width int) (list [][]byte, err error) {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		img, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		tile := img.Bounds().Size()
		if width > 0 {
			tile = image.Pt(width, width*9/16)
		}
		for y := 0; y+tile.Y <= img.Bounds().Dy(); y += tile.Y {
			for x := 0; x+tile.X <= img.Bounds().Dx(); x += tile.X {
				var samples []byte
				for i := range tile.X * tile.Y {
					r, g, b, _ := img.At(x+i%tile.X, y+i/tile.X).RGBA()
					samples = append(samples, byte(r>>8), byte(g>>8), byte(b>>8))
				}
				list = append(list, samples)
			}
		}
	}
	return list, nil
}
