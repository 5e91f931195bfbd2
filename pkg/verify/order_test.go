package verify

import (
	"bytes"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/verify/picture"
	"github.com/mapreel/mapreel/pkg/verify/shift"
)

// clip is a short video in memory.
type clip struct {
	name   string
	f      picture.Format
	rate   int
	frames [][]uint8
}

// decodeClip decodes what the given ffmpeg options describe; they stand before the output.
func decodeClip(t *testing.T, name string, width, height, rate int, args ...string) clip {
	t.Helper()
	r := clip{name: name, f: picture.Format{Width: width, Height: height, HalfW: true, HalfH: true}, rate: rate}
	all := slices.Concat([]string{"-v", "error", "-nostdin"}, args, []string{"-s", fmt.Sprintf("%dx%d", width, height), "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"})
	raw := []byte(runTool(t, "ffmpeg", all...))
	for len(raw) >= r.f.Bytes() {
		r.frames, raw = append(r.frames, raw[:r.f.Bytes():r.f.Bytes()]), raw[r.f.Bytes():]
	}
	return r
}

// encoded shows the frames of a clip in the given order, one tick each, and encodes and decodes
// them. Keyframes are the first frame and frame key.
func (r clip) encoded(t *testing.T, order []int, key int, options string) [][]uint8 {
	t.Helper()
	size := fmt.Sprintf("%dx%d", r.f.Width, r.f.Height)
	encode := exec.CommandContext(t.Context(), "ffmpeg", slices.Concat(
		[]string{"-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", fmt.Sprint(r.rate), "-i", "-", "-force_key_frames", fmt.Sprintf("expr:eq(n,%d)", key)},
		strings.Fields(options), []string{"-f", "matroska", "-"})...)
	var in, out, errs bytes.Buffer
	for _, n := range order {
		in.Write(r.frames[n])
	}
	encode.Stdin, encode.Stdout, encode.Stderr = &in, &out, &errs
	if err := encode.Run(); err != nil {
		t.Fatalf("encode: %v\n%s", err, errs.String())
	}
	decode := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", "-", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	decode.Stdin = bytes.NewReader(out.Bytes())
	raw, err := decode.Output()
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	var list [][]uint8
	for len(raw) >= r.f.Bytes() {
		list, raw = append(list, raw[:r.f.Bytes():r.f.Bytes()]), raw[r.f.Bytes():]
	}
	return list
}

// compareFrameLists compares two lists of frames, one tick each.
func compareFrameLists(t *testing.T, f picture.Format, source, output [][]uint8, keys []keyframe) *Video {
	t.Helper()
	var times [2][]int64
	reads := func(frames [][]uint8, times *[]int64) *frameWindow[uint8] {
		at := 0
		w := &frameWindow[uint8]{read: func(into *frame[uint8]) error {
			if at < len(frames) {
				*into = frame[uint8]{number: at, ticks: int64(at), data: append(into.data[:0], frames[at]...), ok: true}
				into.small = picture.BlockMeans(f, into.data, into.small[:0])
				*times = append(*times, int64(at))
				at++
			}
			return nil
		}}
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		return w
	}
	c, err := newClock(media.Rational{Num: 1, Den: 25}, media.Rational{Num: 1, Den: 25})
	if err != nil {
		t.Fatal(err)
	}
	a, b := reads(source, &times[0]), reads(output, &times[1])
	search := &shift.Search{}
	c, tm, s, err := walk(f, c, a, b, true, search, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := shift.Sections(search.Shows, len(source))
	if shift.Any(list) {
		if s, err = walkShifted(f, reads(source, new([]int64)), reads(output, new([]int64)), shift.Targets(search.Shows, list)); err != nil {
			t.Fatal(err)
		}
	}
	p := videoReport(c, tm, s, times[0], times[1], "yes", keys)
	at := func(i int) time.Duration { return time.Duration(i) * time.Second / 25 }
	p.Edits = countEdits(tm, search.Shows, list, len(source), at, at)
	return p
}

// disorders describes what may happen to n frames when something goes wrong at frame k, where a
// keyframe is. The count stays right, because a wrong count is found anyway.
var disorders = []struct {
	name  string
	order func(shows []int, k int) // shows[i] = i at the start
}{
	{"frame doubled", func(shows []int, k int) { shows[k] = k - 1 }},
	{"frame doubled after the seam", func(shows []int, k int) { shows[k+5] = k + 4 }},
	{"frames swapped", func(shows []int, k int) { shows[k], shows[k+1] = k+1, k }},
	{"frame dropped and another doubled", func(shows []int, k int) {
		for i := k; i < k+8; i++ {
			shows[i] = i + 1
		}
	}},
	{"seam repeats a frame", func(shows []int, k int) {
		for i := k; i < len(shows); i++ {
			shows[i] = i - 1
		}
	}},
	{"all frames late by one", func(shows []int, _ int) {
		for i := 1; i < len(shows); i++ {
			shows[i] = i - 1
		}
	}},
}

const (
	veryfast = "-c:v libx264 -preset veryfast -crf "
	x265     = "-c:v libx265 -preset ultrafast -x265-params log-level=none -crf "
	vp9      = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf "
	av1      = "-c:v libsvtav1 -preset 12 -crf "
)

// findDisorders encodes a clip with each disorder, and returns the disorders that were missed and
// the report for the clip without one.
func findDisorders(t *testing.T, r clip, options string) (missed []string, clean *Video) {
	t.Helper()
	n := len(r.frames)
	k := n / 2
	compareOrder := func(order func([]int, int)) *Video {
		shows := make([]int, n)
		for i := range shows {
			shows[i] = i
		}
		order(shows, k)
		return compareFrameLists(t, r.f, r.frames, r.encoded(t, shows, k, options), []keyframe{{ticks: 0}, {ticks: int64(k)}})
	}
	for _, d := range disorders {
		if p := compareOrder(d.order); len(p.Edits)+len(p.Wrong)+len(p.Broken) == 0 {
			missed = append(missed, d.name)
		}
	}
	return missed, compareOrder(func([]int, int) {})
}

func (p *Video) blamed() string { return fmt.Sprintf("%v %v %v", p.Edits, p.Wrong, p.Broken) }

// pan is a camera that moves over a texture, with grain.
func pan(t *testing.T, rate int, speed float64, grain int) clip {
	return panOver(t, rate, 3, speed, grain)
}

// panOver is pan over a texture of a given contrast, 1 being that of blurred noise.
func panOver(t *testing.T, rate int, contrast, speed float64, grain int) clip {
	t.Helper()
	return decodeClip(t, fmt.Sprintf("pan at %d, grain of %d", rate, grain), 160, 90, rate, "-f", "lavfi", "-i", fmt.Sprintf(
		"nullsrc=size=160x90:rate=%[1]d:duration=%[4]g,geq=lum='random(1)*255':cb=128:cr=128,loop=loop=47:size=1,setpts=N/%[1]d/TB,"+
			"gblur=sigma=3,eq=contrast=%[5]g,scroll=h=%[2]g:v=%[2]g,noise=alls=%[3]d:allf=t:all_seed=3", rate, speed, grain, 1/float64(rate), contrast))
}

func TestDisorderIsFound(t *testing.T) {
	for _, c := range []struct {
		clip    func(t *testing.T) clip
		options string
	}{
		{func(t *testing.T) clip { return pan(t, 24, 0.01, 0) }, veryfast + "18"},
		{func(t *testing.T) clip { return pan(t, 60, 0.004, 6) }, veryfast + "23"},
		{func(t *testing.T) clip { return pan(t, 30, 0.02, 0) }, x265 + "30"},
		{func(t *testing.T) clip {
			return decodeClip(t, "mandelbrot", 160, 90, 25, "-f", "lavfi", "-i", "mandelbrot=size=160x90:rate=25:start_scale=0.1", "-t", "1.9")
		}, vp9 + "36"},
	} {
		r := c.clip(t)
		t.Run(r.name+" "+c.options, func(t *testing.T) {
			t.Parallel()
			missed, clean := findDisorders(t, r, c.options)
			if len(clean.Edits)+len(clean.Wrong)+len(clean.Broken) > 0 {
				t.Errorf("correct frames are reported: %s", clean.blamed())
			}
			if len(missed) > 0 {
				t.Errorf("not found at %.1f dB: %q", clean.PSNR.Mean, missed)
			}
		})
	}
}

// SVT-AV1 mixes its keyframes with the frames that follow. The next frame in the place of a keyframe is found nevertheless where
// the two can be told apart.
func TestAKeyframeMayBeMixedWithTheNextFrame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		contrast float64
		next     int // of ten parts of the keyframe
		filtered bool
		wrong    bool
	}{
		{"mixed by an encoder that filters", 0.5, 8, true, false},
		{"mixed by another", 0.5, 8, false, true},
		{"the next frame, where the frames differ", 3, 10, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := panOver(t, 24, c.contrast, 0.01, 0)
			n := len(source.frames)
			k := n / 2
			mixed := source
			mixed.frames = slices.Clone(source.frames)
			mixed.frames[k] = slices.Clone(source.frames[k])
			for i, v := range source.frames[k+1] {
				mixed.frames[k][i] = uint8((int(mixed.frames[k][i])*(10-c.next) + int(v)*c.next + 5) / 10) //nolint:gosec // a mean of bytes
			}
			shows := make([]int, n)
			for i := range shows {
				shows[i] = i
			}
			p := compareFrameLists(t, source.f, source.frames, mixed.encoded(t, shows, k, veryfast+"23"), []keyframe{{filtered: c.filtered}, {ticks: int64(k), filtered: c.filtered}})
			if found := len(p.Edits)+len(p.Wrong)+len(p.Broken) > 0; found != c.wrong {
				t.Errorf("reported: %t (%s) at %.1f dB, lowest %.1f", found, p.blamed(), p.PSNR.Mean, p.PSNR.Min.Value)
			}
		})
	}
}

var filmFlag = flag.String("film", "", "a real film of 30 s or more, for the long form of TestDisorderInAFilm")

// In a real film no correct encode may be reported, however coarse. Nearly all disorders must be
// found where the encode has finePSNR or better; of all, most.
func TestDisorderInAFilm(t *testing.T) {
	if *filmFlag == "" {
		t.Skip("needs -film")
	}
	cut := func(at, seconds string, more ...string) clip {
		return decodeClip(t, strings.Join(append([]string{"from " + at + " s"}, more...), " "), 428, 240, 24,
			append([]string{"-ss", at, "-t", seconds, "-i", *filmFlag}, more...)...)
	}
	all := cut("0", "30")
	for _, options := range []string{veryfast + "18", veryfast + "28", veryfast + "35", "-c:v libx264 -crf 38", x265 + "32", vp9 + "40", av1 + "50"} {
		t.Run("whole "+options, func(t *testing.T) {
			shows := make([]int, len(all.frames))
			for i := range shows {
				shows[i] = i
			}
			p := compareFrameLists(t, all.f, all.frames, all.encoded(t, shows, 0, options+" -g 250 -sc_threshold 0"), keyframesEvery(250, len(shows)))
			if len(p.Edits)+len(p.Wrong)+len(p.Broken) > 0 {
				t.Errorf("correct frames are reported: %s", p.blamed())
			}
		})
	}
	const finePSNR = 36
	var total, missing, fine, fineMissing int
	for _, r := range []clip{
		cut("2", "3"), cut("12.5", "3"), cut("24", "3"),
		cut("12.5", "3", "-vf", "noise=alls=9:allf=t:all_seed=1"), cut("24", "3", "-vf", "fps=30"),
	} {
		for _, options := range []string{veryfast + "18", veryfast + "28", veryfast + "35", x265 + "32", vp9 + "40", av1 + "50"} {
			t.Run(r.name+" "+options, func(t *testing.T) {
				missed, clean := findDisorders(t, r, options)
				if len(clean.Edits)+len(clean.Wrong)+len(clean.Broken) > 0 {
					t.Errorf("correct frames are reported: %s", clean.blamed())
				}
				total, missing = total+len(disorders), missing+len(missed)
				if clean.PSNR.Mean >= finePSNR {
					fine, fineMissing = fine+len(disorders), fineMissing+len(missed)
				}
				t.Logf("%.1f dB, not found: %q", clean.PSNR.Mean, missed)
			})
		}
	}
	t.Logf("not found: %d of %d, and %d of %d at %d dB or more", missing, total, fineMissing, fine, finePSNR)
	if 20*fineMissing > fine || 5*missing > total {
		t.Error("too many disorders were not found")
	}
}

func keyframesEvery(n, frames int) (list []keyframe) {
	for i := 0; i < frames; i += n {
		list = append(list, keyframe{ticks: int64(i)})
	}
	return list
}
