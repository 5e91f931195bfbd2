package encode

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ffmpegencode "github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// What is measured does not depend on whether originals are kept, or on who decodes.
func TestOriginalsThatAreKeptChangeNoQuality(t *testing.T) {
	t.Parallel()
	const frames, lead = 3, 2
	r := film.Rendition{Width: 48, Height: 34, PixelFormat: "yuv420p10le"}
	size := frameBytes(rawFormat(r))
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same frames each time
	var stacked, original, encoded []byte
	for i := range lead + frames {
		for _, p := range rawFormat(r).Planes() {
			plane := make([]byte, 2*2*p.Width*p.Height)
			for i := range plane {
				if plane[i] = byte(random.UintN(256)); i%2 == 1 {
					plane[i] %= 4
				}
			}
			original, encoded = append(original, plane[:len(plane)/2]...), append(encoded, plane[len(plane)/2:]...)
			if i >= lead {
				stacked = append(stacked, plane...)
			}
		}
	}
	measure := func(kept *originals, data []byte) quality {
		g, err := newXPSNRGauge(r, media.Rational{Num: 25, Den: 1}, kept)
		if err != nil {
			t.Fatal(err)
		}
		for part := range slices.Chunk(data, 1000) {
			if _, err := g.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		q, err := g.quality()
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	want := measure(nil, stacked)
	if want.frames != frames {
		t.Fatalf("%+v, want %d frames", want, frames)
	}
	a := &attempt{Env: &work.Env{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, job: film.Job{Renditions: []film.Rendition{r}}}
	kept := &originals{file: ffmpegencode.Originals{Path: a.originalsFile(0)}, size: size, lead: lead, decode: true}
	a.kept = map[int]*originals{0: kept}
	writeOriginals(t, kept.file.Path, original, "48x34", "yuv420p10le")
	for name, data := range map[string][]byte{
		"once":  encoded[lead*size:],
		"again": encoded[lead*size:],
		"more":  append(slices.Clone(encoded[lead*size:]), encoded[:size]...), // vstack leaves out what has no original
	} {
		if err := kept.rewind(frames); err != nil {
			t.Fatal(err)
		}
		if q := measure(kept, data); q != want {
			t.Errorf("%s: %+v, want %+v", name, q, want)
		}
	}
	times := frameTimes{times: make([]int64, frames), to: new(int64)}
	beside := func() (bool, quality) {
		if err := kept.rewind(frames); err != nil {
			t.Fatal(err)
		}
		g, err := newXPSNRGauge(r, media.Rational{Num: 25, Den: 1}, kept)
		if err != nil {
			t.Fatal(err)
		}
		done, err := a.measureDecoded(g, 0, times)
		if err != nil {
			t.Fatal(err)
		}
		return done, g.q
	}
	path := filepath.Join(a.Dir, decodedFile(0))
	for name, c := range map[string]struct {
		data []byte
		done bool
	}{"whole": {encoded, true}, "with frames after it": {append(slices.Clone(encoded), encoded[:size]...), true}, "short": {encoded[:len(encoded)-1], false}} {
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if done, q := beside(); done != c.done || done && q != want {
			t.Errorf("what the encoder wrote, %s: %v, %+v; want %v, %+v", name, done, q, c.done, want)
		}
	}
	const hole = 1 << 20 // as where a disk was full for a moment
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, hole); err != nil {
		t.Fatal(err)
	}
	if done, _ := beside(); done {
		t.Error("a file with a hole is measured")
	}
	a.dropOriginals()
	if left, err := os.ReadDir(a.Dir); len(left) > 0 || err != nil {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// writeOriginals writes raw frames as an encode keeps them.
func writeOriginals(t *testing.T, path string, frames []byte, size, format string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "rawvideo", "-s", size, "-pix_fmt", format, "-i", "-", "-c:v", "rawvideo", "-f", "nut", path)
	cmd.Stdin = bytes.NewReader(frames)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// Frames are used only if all of them are kept: not where the disk was full at the end, or where there are more than expected.
func TestOriginalsAreWhole(t *testing.T) {
	t.Parallel()
	const frames, size = 3, 128 * 72 * 3 / 2
	path := filepath.Join(t.TempDir(), "0.nut")
	writeOriginals(t, path, make([]byte, frames*size), "128x72", "yuv420p")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		length, most int
		want         bool
	}{"whole": {len(data), frames + 1, true}, "cut off": {len(data) - 20, frames + 1, false}, "as many as may be": {len(data), frames, false}} {
		if err := os.WriteFile(path, data[:c.length], 0o600); err != nil {
			t.Fatal(err)
		}
		o := &originals{file: ffmpegencode.Originals{Path: path, MaxFrames: c.most}, size: size}
		if whole, err := o.whole(); whole != c.want || err != nil {
			t.Errorf("%s: %v, %v, want %v", name, whole, err, c.want)
		}
	}
}

// The limit is for all renditions of a unit together. 172 frames of 1920 × 1080 have 512 MiB.
func TestOriginalsAreLimited(t *testing.T) {
	t.Parallel()
	full := film.Rendition{Codec: film.H265, Preset: "medium", Width: 1920, Height: 1080, PixelFormat: "yuv420p", Quality: target.Quality{Metric: target.XPSNR, Target: 40, Min: 8, Max: 44}}
	x264, tiny := full, full
	x264.Codec = film.H264
	tiny.Width, tiny.Height = 52, 52
	for name, c := range map[string]struct {
		frames     int
		renditions []film.Rendition
		kept       int
		decode     bool
	}{
		"room for one":              {171, []film.Rendition{full}, 1, false},
		"too many":                  {173, []film.Rendition{full}, 0, false},
		"room for two":              {85, []film.Rendition{full, full}, 2, false},
		"room for one of two":       {87, []film.Rendition{full, full}, 1, false},
		"room for both of x264":     {85, []film.Rendition{x264}, 1, true},
		"room for its frames alone": {87, []film.Rendition{x264}, 1, false},
		"frames too small for NUT":  {10, []film.Rendition{tiny}, 0, false},
		"unknown number":            {0, []film.Rendition{full}, 0, false},
		"without a target":          {10, []film.Rendition{{Codec: film.H264, Preset: "medium", Width: 64, Height: 64, PixelFormat: "yuv420p"}}, 0, false},
	} {
		a := &attempt{Env: &work.Env{Dir: t.TempDir()}, job: film.Job{Renditions: c.renditions}, segment: film.Segment{Frames: c.frames}}
		a.job.Source.Video = &film.VideoTrack{}
		var v ffmpegencode.Video
		var list []encoding
		for i, r := range c.renditions {
			v.Renditions = append(v.Renditions, ffmpegencode.Rendition{Codec: string(r.Codec), Preset: r.Preset})
			list = append(list, encoding{rendition: i})
		}
		a.keepOriginals(&v, list)
		if len(a.kept) != c.kept || c.kept > 0 && a.kept[0].decode != c.decode || (v.Renditions[0].Decoded != "") != c.decode {
			t.Errorf("%s: %d are kept, want %d; what x264 decodes: %q, want it: %v", name, len(a.kept), c.kept, v.Renditions[0].Decoded, c.decode)
		}
	}
}

func TestQualityIsReadFromTheFilters(t *testing.T) {
	t.Parallel()
	text := "frame:0    pts:0       pts_time:0\nlavfi.ssim.All=0.991000\nframe:1    pts:1       pts_time:0.04\nlavfi.ssim.All=0.971000\n"
	g := &ssimGauge{}
	for part := range slices.Chunk([]byte(text), 7) {
		if _, err := g.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if q, err := g.quality(); err != nil || math.Abs(q.mean-0.981) > 1e-9 || q.worst != 0.971 || q.frames != 2 {
		t.Errorf("ssim: %+v, %v", q, err)
	}
	for _, bad := range []string{"lavfi.ssim.All=x\n", "lavfi.ssim.All=nan\n", strings.Repeat("x", 2000)} {
		if _, err := (&ssimGauge{}).Write([]byte(bad)); err == nil {
			t.Errorf("%.30q is accepted", bad)
		}
	}
	q, err := readVMAF([]byte(`{"version": "2.3.1", "frames": [{"frameNum": 0, "metrics": {"integer_motion": 0, "vmaf": 97.4}}, {"frameNum": 1, "metrics": {"vmaf": 91.4}}]}`))
	if err != nil || math.Abs(q.mean-94.4) > 1e-9 || q.worst != 91.4 || q.frames != 2 {
		t.Errorf("vmaf: %+v, %v", q, err)
	}
	for _, bad := range []string{`{"frames": [{"metrics": {"psnr": 40}}]}`, "<VMAF/>", ""} {
		if _, err := readVMAF([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// A message may lie across two of the blocks that are read at once.
func TestSideDataIsFound(t *testing.T) {
	t.Parallel()
	findMessage(t, "\xb5\x00\x31GA94")
	findMessage(t, "\x00\x00\x00\x0b\x06\x2d")
}

func findMessage(t *testing.T, message string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "0.mp4")
	for at, want := range map[int]bool{0: true, 1<<20 - 3: true, 1 << 20: true, 2<<20 - 1: true, 3 << 20: false} {
		data := make([]byte, 3<<20)
		if n := copy(data[at:], message); n < len(message) {
			copy(data, message[1:])
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := hasMessages(path); got != want || err != nil {
			t.Errorf("%q at %d: %v, %v, want %v", message, at, got, err, want)
		}
	}
}
