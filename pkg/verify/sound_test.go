package verify

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// signals are sounds as functions of the time in seconds.
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

// A window of a second is looked for in two, which are late and have an encoder's noise.
func TestLocateFindsTheShiftOrSaysThatItRepeats(t *testing.T) {
	for name, signal := range signals {
		vague := strings.HasPrefix(name, "tone") && !strings.Contains(name, "beeps")
		for _, late := range []float64{0, 20, -20, 7.3, 0.09, 310} { // ms; 20 and 310 are whole periods of most tones here
			for _, noise := range []float64{0, 0.003, 0.1} {
				r := rand.New(rand.NewPCG(3, 4))
				f := signal(1)
				const rate = ffmpeg.SoundRate
				window, field := make([]float64, rate), make([]float64, 2*rate)
				for i := range window {
					window[i] = 8000 * f(float64(i)/rate)
				}
				for i := range field {
					field[i] = 8000 * (f(float64(i)/rate-0.5-late/1000) + noise*r.NormFloat64())
				}
				got := locate(window, field)
				at := 1000 * (got.at - rate/2) / rate
				label := fmt.Sprintf("%s, %g ms late, noise of %g", name, late, noise)
				if isVague := 1000*got.spread/rate > 5; isVague != vague {
					t.Errorf("%s: places as good lie %.2f ms apart", label, 1000*got.spread/rate)
				}
				if vague && late == 0 && math.Abs(at) > 0.05 || vague && math.Abs(at) > 10.05 {
					t.Errorf("%s: found %.2f ms late", label, at)
				}
				if tolerance := 1.1; !vague && math.Abs(at-late) > tolerance {
					t.Errorf("%s: found %.2f ms late", label, at)
				}
			}
		}
	}
}

// Sound is placed by its times: what lies apart has silence between, and what is said twice is heard once.
func TestSamplesLieAtTheirTimes(t *testing.T) {
	const second = ffmpeg.SoundRate
	path := filepath.Join(t.TempDir(), "pcm")
	raw := make([]byte, 0, 6*second)
	for i := range 3 * second { // each sample is its number
		raw = binary.LittleEndian.AppendUint16(raw, uint16(i))
	}
	writeFile(t, path, string(raw))
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A second of sound, silence for half of one, and the third run begins 0.1 s before the second ends.
	h := &heard{file: file, rate: 48000, size: 3 * second, log: ffmpeg.SoundLog{Total: 3 * 48000, Runs: []ffmpeg.SoundRun{
		{First: 0, PTS: 48000}, {First: 48000, PTS: 48000 * 5 / 2}, {First: 96000, PTS: 48000 * 17 / 5},
	}}}
	at := func(time float64) float64 { // the sample heard at a time
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
		list, first, err := h.samples(time.Duration(from*1e9), 2*second)
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

func TestHolesAreNoSound(t *testing.T) {
	run := func(first, pts int64) ffmpeg.SoundRun { return ffmpeg.SoundRun{First: first, PTS: pts} }
	for _, c := range []struct {
		name string
		runs []ffmpeg.SoundRun
		want time.Duration // of sound
		end  time.Duration
	}{
		{"one run", []ffmpeg.SoundRun{run(0, 500)}, 3 * time.Second, 3500 * time.Millisecond},
		{"a hole", []ffmpeg.SoundRun{run(0, 0), run(1000, 1700)}, 3 * time.Second, 3700 * time.Millisecond},
		{"twice", []ffmpeg.SoundRun{run(0, 0), run(1000, 900)}, 2900 * time.Millisecond, 2900 * time.Millisecond},
		{"all of it twice", []ffmpeg.SoundRun{run(0, 0), run(2000, 500), run(2500, 2000)}, 2500 * time.Millisecond, 2500 * time.Millisecond},
	} {
		h := &heard{rate: 1000, log: ffmpeg.SoundLog{Runs: c.runs, Total: 3000}}
		if got, end := h.sounds(), h.end(); got != c.want || end != c.end {
			t.Errorf("%s: sounds for %s until %s, want %s until %s", c.name, got, end, c.want, c.end)
		}
	}
}

// A hole in the sound may be kept or filled; nothing else may be longer or shorter than it was.
func TestHolesMayBeFilled(t *testing.T) {
	dir := t.TempDir()
	whole, source := makeFilm(t, dir, "whole.mkv", "4", "-map", "0", "-map", "1", "-crf", "14", "-c:a", "pcm_s16le"), filepath.Join(dir, "source.mkv")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-i", whole, "-c", "copy", "-bsf:a", "noise=drop=gt(pts\\,1500)*lt(pts\\,2200)", source)
	for _, c := range []struct {
		name string
		args []string
		want []string // the checks that fail
	}{
		{"kept", []string{"-c", "copy", "-f", "matroska"}, []string{}},
		{"filled", with("-af", "aresample=async=1:min_hard_comp=0.02"), []string{}},
		{"closed", with("-af", "asetpts=N/SR/TB"), []string{"sound offset"}},
		{"filled and cut", with("-af", "aresample=async=1:min_hard_comp=0.02,atrim=end=3.9"), []string{"sound length"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := verified(t, source, from(t, source, "output.mp4", c.args...))
			if got := failed(r); !slices.Equal(got, c.want) {
				t.Errorf("checks that failed: %q, want %q\n%s", got, c.want, tell(r))
			}
		})
	}
}

// tones makes a clip whose sound is a graph of lavfi, without a picture or with one.
func tones(t *testing.T, graph string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tones.mkv")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=5:duration=4", "-f", "lavfi", "-i", graph,
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", path)
	return path
}

func TestSoundThatRepeatsItself(t *testing.T) {
	const late = "adelay=20:all=1,atrim=end=4"
	const slack = 1.1 // ms: a period of the tone, which a beep over it or its beginning may not tell
	for _, c := range []struct {
		name, graph string
		codec       []string
		filter      string
		want        Verdict
		offset      float64 // ms
		says        string
	}{
		{"a tone", "sine=f=440:r=48000:d=4", []string{"-c:a", "aac"}, "anull", Note, 0, "+0.0 ms where it begins; behind that it cannot be told"},
		{"a tone of low quality", "sine=f=1000:r=48000:d=4", []string{"-c:a", "aac", "-b:a", "24k"}, "anull", Note, 0, "cannot be told"},
		{"a deep tone in Opus", "sine=f=60:r=48000:d=4", []string{"-c:a", "libopus", "-b:a", "16k"}, "anull", Note, 0, "cannot be told"},
		{"a tone that begins late", "sine=f=1000:r=48000:d=4", []string{"-c:a", "aac"}, late, Bad, 20, "ms where it begins; behind that it cannot be told"},
		{"beeps over a tone", "sine=f=500:b=4:r=48000:d=4", []string{"-c:a", "aac"}, "anull", Good, 0, "+0.0 ms at the start, +0.0 at the end"},
		{"beeps over a tone, late", "sine=f=500:b=4:r=48000:d=4", []string{"-c:a", "aac"}, late, Bad, 20, "worst"},
		{"beeps", "sine=f=1000:r=48000:d=4,volume=0:enable=gte(mod(t+0.5\\,1)\\,0.1)", []string{"-c:a", "aac"}, "anull", Good, 0, "+0.0 ms at the start, +0.0 at the end"},
		{"beeps, late", "sine=f=1000:r=48000:d=4,volume=0:enable=gte(mod(t+0.5\\,1)\\,0.1)", []string{"-c:a", "aac"}, late, Bad, 20, "+20.0 at the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := tones(t, c.graph)
			r := verified(t, source, from(t, source, "output.mp4", append([]string{"-c:v", "copy", "-af", c.filter}, c.codec...)...))
			for _, check := range r.Checks {
				if check.Name == "sound offset" && (check.Verdict != c.want || !strings.Contains(check.Figure, c.says)) {
					t.Errorf("%s: %s, want %s with %q", check.Verdict, check.Figure, c.want, c.says)
				}
			}
			for _, p := range r.Sound[0].Places {
				if p.Vague <= soundLimit.Seconds() && math.Abs(1000*p.Offset-c.offset) > slack {
					t.Errorf("at %.2f s: offset %.2f ms, want %.1f", p.At, 1000*p.Offset, c.offset)
				}
			}
			t.Log(figure(r, "sound offset"))
		})
	}
}

func TestOffsetsAreJudged(t *testing.T) {
	good, faint, other := soundAt{Match: 0.9}, soundAt{Match: 0.2, Offset: 0.001}, soundAt{Match: 0.2, Offset: 0.3}
	late, tone, lateTone := soundAt{Match: 0.9, Offset: 0.02}, soundAt{Match: 1, Vague: 0.9}, soundAt{Match: 1, Offset: 0.008, Vague: 0.98}
	onset, lateOnset := soundAt{Match: 1, Onset: true}, soundAt{Match: 1, Onset: true, Offset: 0.02}
	for _, c := range []struct {
		name   string
		places []soundAt
		want   Verdict
		says   string
	}{
		{"all good", []soundAt{good, good, good}, Good, "worst +0.0"},
		{"an encoder's noise", []soundAt{good, other, good, good}, Good, "worst +0.0"},
		{"noise in the right place", []soundAt{faint, faint, faint}, Good, "worst +1.0"},
		{"another sound from a place on", []soundAt{good, good, good, other, other}, Bad, "not the source's sound at"},
		{"another sound", []soundAt{good, other, other}, Bad, "not the source's sound: 1 of 3"},
		{"late once", []soundAt{good, late, good}, Bad, "worst +20.0"},
		{"a tone", []soundAt{tone, tone}, Note, "cannot be told"},
		{"a tone that cannot be right", []soundAt{tone, lateTone}, Bad, "worst +8.0"},
		{"a tone that begins in time", []soundAt{onset, tone, tone}, Note, "+0.0 ms where it begins"},
		{"a tone that begins late", []soundAt{lateOnset, tone, tone}, Bad, "+20.0 ms where it begins"},
		{"a tone in a sound", []soundAt{good, tone, good}, Good, "at 1 place it cannot be told"},
		{"a tone in a late sound", []soundAt{late, tone, tone}, Bad, "worst +20.0"},
	} {
		got := offsetCheck("sound", Sound{Places: c.places, SourceSamples: 1, OutputSamples: 1}, true)
		if got.Verdict != c.want || !strings.Contains(got.Figure, c.says) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, got.Verdict, got.Figure, c.want, c.says)
		}
	}
}
