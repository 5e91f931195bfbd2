package encode

import (
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// What is measured does not depend on whether originals are kept. A disk without space for them is no error.
func TestOriginalsThatAreKeptChangeNoQuality(t *testing.T) {
	t.Parallel()
	const frames = 3
	r := film.Rendition{Width: 48, Height: 34, PixelFormat: "yuv420p10le"}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same frames each time
	var stacked, encoded []byte
	for range frames {
		for _, p := range rawFormat(r).Planes() {
			plane := make([]byte, 2*2*p.Width*p.Height)
			for i := range plane {
				if plane[i] = byte(random.UintN(256)); i%2 == 1 {
					plane[i] %= 4
				}
			}
			stacked, encoded = append(stacked, plane...), append(encoded, plane[len(plane)/2:]...)
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
	for name, c := range map[string]struct{ full, kept bool }{"kept": {false, true}, "full disk": {true, false}} {
		a := &attempt{Env: &work.Env{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, job: film.Job{Renditions: []film.Rendition{r}}}
		kept, err := a.originals(0, frames)
		if err != nil || kept == nil {
			t.Fatalf("%s: %v, %v", name, kept, err)
		}
		path := filepath.Join(a.Dir, "0-originals.yuv")
		if c.full {
			if kept.file, err = os.Open(path); err != nil { // which cannot be written
				t.Fatal(err)
			}
		}
		if q := measure(kept, stacked); q != want {
			t.Errorf("%s: %+v at first, want %+v", name, q, want)
		}
		a.endOriginals(t.Context(), 0)
		if kept, err = a.originals(0, frames); err != nil || kept.whole() != c.kept {
			t.Errorf("%s: originals are kept: %v, %v; want %v", name, kept.whole(), err, c.kept)
		}
		if kept.whole() {
			more := append(slices.Clone(encoded), encoded[:len(encoded)/frames]...) // vstack leaves out what has no original
			if q := measure(kept, more); q != want {
				t.Errorf("%s: %+v then, want %+v", name, q, want)
			}
		}
		a.dropOriginals()
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: the file of the originals is left: %v", name, err)
		}
	}
}

// The limit is for all renditions of a unit together. 172 frames of 1920 × 1080 have 512 MiB.
func TestOriginalsAreLimited(t *testing.T) {
	t.Parallel()
	r := film.Rendition{Width: 1920, Height: 1080, PixelFormat: "yuv420p"}
	for beside, frames := range map[int]int{0: 173, 100: 73, 172: 1} {
		a := &attempt{Env: &work.Env{Dir: t.TempDir()}, job: film.Job{Renditions: []film.Rendition{r, r}}}
		a.kept = map[int]*originals{0: {frames: beside, frame: make([]byte, frameBytes(rawFormat(r)))}}
		if kept, err := a.originals(1, frames); kept != nil || err != nil {
			t.Errorf("%d frames are kept beside %d: %v", frames, beside, err)
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
