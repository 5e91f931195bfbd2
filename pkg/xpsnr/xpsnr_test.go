package xpsnr

import (
	"encoding/binary"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

// dump writes the clips as raw video, for ffmpeg 7.1 or newer:
//
//	go test ./pkg/xpsnr -run Agrees -dump /tmp/clips
//	ffmpeg -f rawvideo -s 320x180 -r 25 -pix_fmt yuv420p -i small-a.yuv -f rawvideo -s 320x180 -r 25 -pix_fmt yuv420p -i small-b.yuv \
//	    -lavfi xpsnr=stats_file=- -f null -
var dump = flag.String("dump", "", "write the clips of the tests into this folder")

// clip makes a frame of a moving texture, and what a bad encoder would make of it: steps instead of gradients, and noise.
func clip(f Format, n int) (original, encoded []uint16) {
	scale := 1 << (f.Depth - 8)
	peak := 256*scale - 1
	for i, p := range f.Planes() {
		seed := uint32(1 + n + 100*i)
		for y := range p.Height {
			for x := range p.Width {
				seed = seed*1664525 + 1013904223
				noise := int(seed>>24) % 9
				cell := ((x+3*n)/11*37 + y/7*(53+i) + (x+2*n)*y/97) % 200
				v := 20 + cell + noise*((x/40+y/30)%4)
				if x > p.Width*2/3 { // a flat, still part
					v = 90 + y/16
				}
				v = min(max(v*scale, 0), peak)
				e := v/(6*scale)*(6*scale) + int(seed>>20)%(3*scale+n%3)
				original, encoded = append(original, uint16(v)), append(encoded, uint16(min(e, peak)))
			}
		}
	}
	return original, encoded
}

func TestXPSNRAgreesWithFFmpeg(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format Format
		rate   int64
		frames int
		want   Values   // of the whole clip, as ffmpeg 7.1.5 prints them
		each   []Values // of the first frames
	}{
		"small":    {Format{Width: 320, Height: 180, HalfW: true, HalfH: true, Depth: 8}, 25, 6, Values{31.3086, 31.3660, 31.3262}, []Values{{43.6165, 43.6621, 43.6151}, {30.2279, 30.2840, 30.3057}}},
		"odd":      {Format{Width: 323, Height: 183, HalfW: true, HalfH: true, Depth: 8}, 25, 4, Values{32.1145, 32.0628, 32.0288}, []Values{{43.5868, 43.5309, 43.5811}}},
		"ten bits": {Format{Width: 320, Height: 180, HalfW: true, HalfH: true, Depth: 10}, 25, 4, Values{32.5453, 32.5643, 32.5911}, []Values{{44.3604, 44.3541, 44.4163}, {30.6625, 30.6641, 30.6956}}},
		"full":     {Format{Width: 320, Height: 180, Depth: 8}, 50, 5, Values{33.3952, 33.3982, 33.3963}, []Values{{43.6165, 43.5957, 43.5820}, {44.0504, 44.0974, 44.0557}, {30.1045, 30.1528, 30.1180}}},
		"large":    {Format{Width: 720, Height: 480, HalfW: true, HalfH: true, Depth: 8}, 25, 3, Values{34.6762, 35.0950, 35.0524}, []Values{{45.5254, 45.8574, 45.8300}, {32.0300, 32.6039, 32.5488}}},
		"huge":     {Format{Width: 2064, Height: 1160, HalfW: true, HalfH: true, Depth: 8}, 60, 3, Values{40.8217, 40.8329, 40.8411}, []Values{{48.2341, 48.2634, 48.2530}, {48.7645, 48.7722, 48.7838}, {34.0794, 34.0876, 34.0989}}},
	} {
		t.Run(name, func(t *testing.T) {
			rate := media.Rational{Num: c.rate, Den: 1}
			var each []Values
			var mean Values
			if c.format.Depth == 8 {
				each, mean = measure(t, name, New[uint8](c.format, rate), c.frames, func(v uint16) uint8 { return uint8(v) })
			} else {
				each, mean = measure(t, name, New[uint16](c.format, rate), c.frames, func(v uint16) uint16 { return v })
			}
			for i, want := range append(c.each, c.want) {
				got := mean
				if i < len(c.each) {
					got = each[i]
				}
				for p := range want {
					if math.Abs(got[p]-want[p]) > 0.00006 {
						t.Errorf("frame %d of %d, plane %d: %.4f dB, want %.4f", i, len(c.each), p, got[p], want[p])
					}
				}
			}
		})
	}
}

func measure[S Sample](t *testing.T, name string, m *Meter[S], frames int, as func(uint16) S) (each []Values, mean Values) {
	var files [2]*os.File
	if *dump != "" {
		for i, end := range []string{"-a.yuv", "-b.yuv"} {
			f, err := os.Create(filepath.Join(*dump, name+end))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			files[i] = f
		}
	}
	for n := range frames {
		original, encoded := clip(m.format, n)
		var lists [2][]S
		for i, from := range [][]uint16{original, encoded} {
			for _, v := range from {
				lists[i] = append(lists[i], as(v))
			}
			if files[i] != nil {
				if err := binary.Write(files[i], binary.LittleEndian, lists[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		each = append(each, m.Add(lists[0], lists[1]))
	}
	return each, m.Mean()
}

// An identical plane has no error, and does not make the mean of the others infinite.
func TestPerfectFramesDoNotHideBadOnes(t *testing.T) {
	t.Parallel()
	f := Format{Width: 64, Height: 48, HalfW: true, HalfH: true, Depth: 8}
	m := New[uint8](f, media.Rational{Num: 25, Den: 1})
	frame, bad := make([]uint8, f.Samples()), make([]uint8, f.Samples())
	for i := range frame {
		frame[i] = uint8(i * 7)
		bad[i] = frame[i] ^ 16
	}
	if v := m.Add(frame, frame); !math.IsInf(v.Min(), 1) {
		t.Errorf("an identical frame has %v dB, want +Inf", v)
	}
	second := m.Add(frame, bad)
	if mean := m.Mean().Min(); mean < second.Min()+6 || mean > second.Min()+6.1 { // half the root error: 6.02 dB
		t.Errorf("mean %.2f dB of an identical frame and one of %.2f dB, want 6.02 dB more than that", mean, second.Min())
	}
}
