package gif_test

import (
	"bytes"
	stdgif "image/gif"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/mapreel/mapreel/pkg/gif"
)

const width, height = 120, 68

// frames returns what a filter of ffmpeg gives, as samples.
func frames(t *testing.T, args ...string) (list [][]byte) {
	t.Helper()
	args = append(append([]string{"-v", "error", "-nostdin"}, args...), "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	const size = 3 * width * height
	for ; len(out) >= size; out = out[size:] {
		list = append(list, out[:size])
	}
	return list
}

// encode returns a GIF of frames.
func encode(t *testing.T, frames [][]byte) []byte {
	t.Helper()
	var c gif.Colours
	for _, f := range frames {
		c.Count(f)
	}
	var out bytes.Buffer
	w, err := gif.NewWriter(&out, width, height, c.Palette())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // frames of every film repeat
		for _, f := range frames {
			if err := w.Frame(f, 7); err != nil {
				t.Fatal(err)
			}
		}
		frames = frames[len(frames)-1:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// ssim returns how alike a GIF and a film are, as ffmpeg sees it.
func ssim(t *testing.T, path string, source ...string) float64 {
	t.Helper()
	args := append([]string{"-v", "info", "-nostdin", "-i", path}, source...)
	args = append(args, "-filter_complex", "[0:v]format=gbrp,settb=1/10,setpts=N[a];[1:v]format=gbrp,settb=1/10,setpts=N[b];[a][b]ssim=shortest=1", "-f", "null", "-")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := regexp.MustCompile(`SSIM .*All:([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no figure in\n%s", out)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAGIFIsCloserToTheFilmThanThatOfFFmpegInFewerBytes(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"moving":   "mandelbrot=size=120x68:rate=10:start_scale=0.5:end_scale=0.05,trim=end_frame=20",
		"gradient": "color=size=120x68:rate=10:duration=2,format=rgb24,geq=r='60+X+N':g='90+X/3+Y/2':b='200-Y'",
		"test":     "testsrc2=size=120x68:rate=10:duration=2,noise=alls=6:allf=t:all_seed=1",
		"scenes":   "testsrc2=size=120x68:rate=10:duration=2,hue=h='90*floor(t)'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := []string{"-f", "lavfi", "-i", source}
			list := frames(t, from...)
			if len(list) != 20 {
				t.Fatalf("%d frames", len(list))
			}
			dir := t.TempDir()
			ours, theirs := filepath.Join(dir, "ours.gif"), filepath.Join(dir, "theirs.gif")
			data := encode(t, list)
			if err := os.WriteFile(ours, data, 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"-v", "error", "-nostdin"}, from...)
			args = append(args, "-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", theirs)
			if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			info, err := os.Stat(theirs)
			if err != nil {
				t.Fatal(err)
			}
			ourSSIM, theirSSIM := ssim(t, ours, from...), ssim(t, theirs, from...)
			t.Logf("ours: SSIM %.4f, %d bytes; ffmpeg's: SSIM %.4f, %d bytes", ourSSIM, len(data), theirSSIM, info.Size())
			if ourSSIM < theirSSIM || int64(len(data)) > info.Size() {
				t.Errorf("SSIM %.4f and %d bytes instead of %.4f and %d", ourSSIM, len(data), theirSSIM, info.Size())
			}
		})
	}
}

func TestAGIFHasEveryFrameForItsTime(t *testing.T) {
	t.Parallel()
	list := frames(t, "-f", "lavfi", "-i", "testsrc2=size=120x68:rate=10:duration=1")
	data := encode(t, list)
	g, err := stdgif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Image) != len(list)+1 || g.LoopCount != 0 || g.Config.Width != width || g.Config.Height != height {
		t.Fatalf("%d frames of %d x %d, %d loops", len(g.Image), g.Config.Width, g.Config.Height, g.LoopCount)
	}
	for i, d := range g.Delay {
		if d != 7 {
			t.Errorf("frame %d is shown for %d hundredths", i, d)
		}
	}
	if b := g.Image[len(list)].Bounds(); b.Dx()*b.Dy() != 1 {
		t.Errorf("a frame like the one before has %v pixels", b)
	}
	if again := encode(t, list); !bytes.Equal(again, data) {
		t.Error("the same frames gave other bytes")
	}
}

func TestFewColoursAreExact(t *testing.T) {
	t.Parallel()
	frame := make([]byte, 3*width*height)
	for i := range width * height {
		copy(frame[3*i:], [][]byte{{0, 0, 0}, {255, 255, 255}, {200, 30, 40}, {0, 0, 250}}[i/width/17])
	}
	g, err := stdgif.DecodeAll(bytes.NewReader(encode(t, [][]byte{frame})))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 20, 40, 60} {
		r, gr, b, _ := g.Image[0].At(5, at).RGBA()
		i := 3 * (at*width + 5)
		if [3]byte{byte(r >> 8), byte(gr >> 8), byte(b >> 8)} != [3]byte(frame[i:i+3]) {
			t.Errorf("row %d has the colour %d %d %d instead of %v", at, r>>8, gr>>8, b>>8, frame[i:i+3])
		}
	}
}

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	var c gif.Colours
	if _, err := gif.NewWriter(io.Discard, 1<<16, 1, c.Palette()); err == nil {
		t.Error("65,536 columns were accepted")
	}
	w, err := gif.NewWriter(io.Discard, 2, 2, c.Palette())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Frame(make([]byte, 11), 1); err == nil {
		t.Error("a frame of another size was accepted")
	}
	if err := w.Close(); err == nil {
		t.Error("an animation without frames was accepted")
	}
}
