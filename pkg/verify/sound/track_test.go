package sound

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
)

// signals are audio signals as functions of the time in seconds.
var signals = map[string]func(seed uint64) func(float64) float64{
	"tone of 50 Hz":   func(uint64) func(float64) float64 { return tone(50) },
	"tone of 440 Hz":  func(uint64) func(float64) float64 { return tone(440) },
	"tone of 3100 Hz": func(uint64) func(float64) float64 { return tone(3100) },
	"tone of 1000 Hz with beeps": func(uint64) func(float64) float64 {
		return func(t float64) float64 {
			v := tone(1000)(t)
			if math.Mod(t+9.7, 1) < 0.04 {
				v += 2 * tone(4000.0/3)(t)
			}
			return v
		}
	},
	"beeps of 1000 Hz": func(uint64) func(float64) float64 {
		return func(t float64) float64 {
			if math.Mod(t+9.4, 1) < 0.06 {
				return tone(1000)(t)
			}
			return 0
		}
	},
	"hum under noise": func(seed uint64) func(float64) float64 {
		var phases [200]float64
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range phases {
			phases[i] = 2 * math.Pi * r.Float64()
		}
		return func(t float64) float64 {
			v := tone(100)(t)
			for i, p := range phases {
				v += 0.03 * math.Sin(2*math.Pi*float64(300+17*i)*t+p)
			}
			return v
		}
	},
}

func tone(hertz float64) func(float64) float64 {
	return func(t float64) float64 { return math.Sin(2 * math.Pi * hertz * t) }
}

// A window of one second is searched for in two seconds that are shifted and have an encoder's
// noise.
func TestLocateFindsTheShiftOrReportsAmbiguity(t *testing.T) {
	for name, signal := range signals {
		ambiguous := strings.HasPrefix(name, "tone") && !strings.Contains(name, "beeps")
		for _, late := range []float64{0, 20, -20, 7.3, 0.09, 310} { // ms; 20 and 310 are whole periods of most tones here
			for _, noise := range []float64{0, 0.003, 0.1} {
				r := rand.New(rand.NewPCG(3, 4))
				f := signal(1)
				const rate = decode.AudioRate
				window, field := make([]float64, rate), make([]float64, 2*rate)
				for i := range window {
					window[i] = 8000 * f(float64(i)/rate)
				}
				for i := range field {
					field[i] = 8000 * (f(float64(i)/rate-0.5-late/1000) + noise*r.NormFloat64())
				}
				got := Locate(window, field)
				at := 1000 * (got.At - rate/2) / rate
				label := fmt.Sprintf("%s, %g ms late, noise of %g", name, late, noise)
				if repeats := 1000*got.Spread/rate > 5; repeats != ambiguous {
					t.Errorf("%s: equally good peaks lie %.2f ms apart", label, 1000*got.Spread/rate)
				}
				if ambiguous && late == 0 && math.Abs(at) > 0.05 || ambiguous && math.Abs(at) > 10.05 {
					t.Errorf("%s: found %.2f ms late", label, at)
				}
				if tolerance := 1.1; !ambiguous && math.Abs(at-late) > tolerance {
					t.Errorf("%s: found %.2f ms late", label, at)
				}
			}
		}
	}
}

// Audio is placed by its timestamps: gaps are silent, and samples that overlap in time are played
// once.
func TestWindowPlacesSamplesAtTheirTimes(t *testing.T) {
	const second = decode.AudioRate
	path := filepath.Join(t.TempDir(), "pcm")
	raw := make([]byte, 0, 6*second)
	for i := range 3 * second { // each sample is its number
		raw = binary.LittleEndian.AppendUint16(raw, uint16(i))
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A second of audio, half a second of silence, and a third run that begins 0.1 s before the second ends.
	h := &Track{file: file, Rate: 48000, size: 3 * second, Log: decode.AudioLog{Total: 3 * 48000, Runs: []decode.SampleRun{
		{First: 0, PTS: 48000}, {First: 48000, PTS: 48000 * 5 / 2}, {First: 96000, PTS: 48000 * 17 / 5},
	}}}
	at := func(time float64) float64 { // the sample that is played at a time
		switch i := math.Round(time * second); {
		case i >= 1*second && i < 2*second:
			return i - 1*second
		case i >= 2.5*second && i < 3.5*second:
			return i - 1.5*second
		case i >= 3.5*second && i < 4.4*second:
			return i - 1.4*second
		}
		return 0
	}
	for _, from := range []float64{0, 0.5, 1.25, 1.9, 2.2, 2.5, 3.3, 3.4, 3.6, 4.3, 9} {
		list, first, err := h.Window(time.Duration(from*1e9), 2*second)
		if err != nil || first != from*second {
			t.Fatalf("from %g s: first sample at %g, error %v", from, first, err)
		}
		for i, got := range list {
			if want := at(from + float64(i)/second); got != want {
				t.Errorf("from %g s: sample %d is %g, want %g", from, i, got, want)
				break
			}
		}
	}
}

func TestGapsAreNotAudible(t *testing.T) {
	run := func(first, pts int64) decode.SampleRun { return decode.SampleRun{First: first, PTS: pts} }
	for _, c := range []struct {
		name string
		runs []decode.SampleRun
		want time.Duration // audible
		end  time.Duration
	}{
		{"one run", []decode.SampleRun{run(0, 500)}, 3 * time.Second, 3500 * time.Millisecond},
		{"a gap", []decode.SampleRun{run(0, 0), run(1000, 1700)}, 3 * time.Second, 3700 * time.Millisecond},
		{"an overlap", []decode.SampleRun{run(0, 0), run(1000, 900)}, 2900 * time.Millisecond, 2900 * time.Millisecond},
		{"everything overlaps", []decode.SampleRun{run(0, 0), run(2000, 500), run(2500, 2000)}, 2500 * time.Millisecond, 2500 * time.Millisecond},
	} {
		h := &Track{Rate: 1000, Log: decode.AudioLog{Runs: c.runs, Total: 3000}}
		if got, end := h.AudibleLength(), h.End(); got != c.want || end != c.end {
			t.Errorf("%s: audible for %s until %s, want %s until %s", c.name, got, end, c.want, c.end)
		}
	}
}

// A tone equals itself one period away; it must be found at the smallest offset all the same.
func TestToneIsFoundAtTheSmallestOffset(t *testing.T) {
	const rate = decode.AudioRate
	for _, late := range []float64{0, 0.3, -0.5, 1.2} { // samples
		tone := func(n int, from float64) []float64 {
			out := make([]float64, n)
			for i := range out {
				out[i] = 8000 * math.Sin(2*math.Pi*440*(float64(i)+from)/rate)
			}
			return out
		}
		const middle = rate / 2
		got := Locate(tone(rate, 0), tone(rate+2*middle, -float64(middle)-late))
		if off := got.At - float64(middle); math.Abs(off-late) > 0.1 || got.Match < 0.99 {
			t.Errorf("a tone %.1f samples late is found at %.2f with a correlation of %.4f", late, off, got.Match)
		}
	}
}
