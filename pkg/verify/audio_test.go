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
				got := locate(window, field)
				at := 1000 * (got.at - rate/2) / rate
				label := fmt.Sprintf("%s, %g ms late, noise of %g", name, late, noise)
				if repeats := 1000*got.spread/rate > 5; repeats != ambiguous {
					t.Errorf("%s: equally good peaks lie %.2f ms apart", label, 1000*got.spread/rate)
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
	writeFile(t, path, string(raw))
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A second of audio, half a second of silence, and a third run that begins 0.1 s before the second ends.
	h := &decodedTrack{file: file, rate: 48000, size: 3 * second, log: decode.AudioLog{Total: 3 * 48000, Runs: []decode.SampleRun{
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
		list, first, err := h.window(time.Duration(from*1e9), 2*second)
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
		h := &decodedTrack{rate: 1000, log: decode.AudioLog{Runs: c.runs, Total: 3000}}
		if got, end := h.audibleLength(), h.end(); got != c.want || end != c.end {
			t.Errorf("%s: audible for %s until %s, want %s until %s", c.name, got, end, c.want, c.end)
		}
	}
}

// A gap in the audio may be kept or filled; nothing else may change its length.
func TestGapsMayBeFilled(t *testing.T) {
	dir := t.TempDir()
	whole, source := makeClip(t, dir, "whole.mkv", "4", "-map", "0", "-map", "1", "-crf", "14", "-c:a", "pcm_s16le"), filepath.Join(dir, "source.mkv")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", whole, "-c", "copy", "-bsf:a", "noise=drop=gt(pts\\,1500)*lt(pts\\,2200)", source)
	for _, c := range []struct {
		name string
		args []string
		want []string // the checks that fail
	}{
		{"kept", []string{"-c", "copy", "-f", "matroska"}, []string{}},
		{"filled", with("-af", "aresample=async=1:min_hard_comp=0.02"), []string{}},
		{"closed", with("-af", "asetpts=N/SR/TB"), []string{"audio offset"}},
		{"filled and cut", with("-af", "aresample=async=1:min_hard_comp=0.02,atrim=end=3.9"), []string{"audio length"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := verifyFiles(t, source, encodeTo(t, source, "output.mp4", c.args...))
			if got := failedChecks(r); !slices.Equal(got, c.want) {
				t.Errorf("checks that failed: %q, want %q\n%s", got, c.want, formatReport(r))
			}
		})
	}
}

// makeTones makes a clip whose audio is the given lavfi graph.
func makeTones(t *testing.T, graph string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tones.mkv")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=5:duration=4", "-f", "lavfi", "-i", graph,
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", path)
	return path
}

func TestPeriodicAudio(t *testing.T) {
	const late = "adelay=20:all=1,atrim=end=4"
	const slack = 1.1 // ms: one period of the tone, which a beep over it or its onset may fail to distinguish
	for _, c := range []struct {
		name, graph string
		codec       []string
		filter      string
		want        Verdict
		offset      float64 // ms
		contains    string
	}{
		{"a tone", "sine=f=440:r=48000:d=4", []string{"-c:a", "aac"}, "anull", Note, 0, "+0.0 ms at its beginning; after that it cannot be measured"},
		{"a tone of low quality", "sine=f=1000:r=48000:d=4", []string{"-c:a", "aac", "-b:a", "24k"}, "anull", Note, 0, "cannot be measured"},
		{"a low tone in Opus", "sine=f=60:r=48000:d=4", []string{"-c:a", "libopus", "-b:a", "16k"}, "anull", Note, 0, "cannot be measured"},
		{"a tone that begins late", "sine=f=1000:r=48000:d=4", []string{"-c:a", "aac"}, late, Bad, 20, "ms at its beginning; after that it cannot be measured"},
		{"beeps over a tone", "sine=f=500:b=4:r=48000:d=4", []string{"-c:a", "aac"}, "anull", Good, 0, "+0.0 ms at the start, +0.0 at the end"},
		{"beeps over a tone, late", "sine=f=500:b=4:r=48000:d=4", []string{"-c:a", "aac"}, late, Bad, 20, "worst"},
		{"beeps", "sine=f=1000:r=48000:d=4,volume=0:enable=gte(mod(t+0.5\\,1)\\,0.1)", []string{"-c:a", "aac"}, "anull", Good, 0, "+0.0 ms at the start, +0.0 at the end"},
		{"beeps, late", "sine=f=1000:r=48000:d=4,volume=0:enable=gte(mod(t+0.5\\,1)\\,0.1)", []string{"-c:a", "aac"}, late, Bad, 20, "+20.0 at the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := makeTones(t, c.graph)
			r := verifyFiles(t, source, encodeTo(t, source, "output.mp4", append([]string{"-c:v", "copy", "-af", c.filter}, c.codec...)...))
			for _, check := range r.Checks {
				if check.Name == "audio offset" && (check.Verdict != c.want || !strings.Contains(check.Figure, c.contains)) {
					t.Errorf("%s: %s, want %s with %q", check.Verdict, check.Figure, c.want, c.contains)
				}
			}
			for _, p := range r.Audio[0].Places {
				if p.Ambiguity <= maxAudioOffset.Seconds() && math.Abs(1000*p.Offset-c.offset) > slack {
					t.Errorf("at %.2f s: offset %.2f ms, want %.1f", p.At, 1000*p.Offset, c.offset)
				}
			}
			t.Log(figure(r, "audio offset"))
		})
	}
}

func TestOffsetsAreJudged(t *testing.T) {
	good, faint, other := Place{Match: 0.9}, Place{Match: 0.2, Offset: 0.001}, Place{Match: 0.2, Offset: 0.3}
	late, tone, lateTone := Place{Match: 0.9, Offset: 0.02}, Place{Match: 1, Ambiguity: 0.9}, Place{Match: 1, Offset: 0.008, Ambiguity: 0.98}
	onset, lateOnset := Place{Match: 1, Onset: true}, Place{Match: 1, Onset: true, Offset: 0.02}
	for _, c := range []struct {
		name     string
		places   []Place
		want     Verdict
		contains string
	}{
		{"all good", []Place{good, good, good}, Good, "worst +0.0"},
		{"an encoder's noise", []Place{good, other, good, good}, Good, "worst +0.0"},
		{"noise at the right place", []Place{faint, faint, faint}, Good, "worst +1.0"},
		{"different audio from a place on", []Place{good, good, good, other, other}, Bad, "not the source's audio at"},
		{"different audio", []Place{good, other, other}, Bad, "not the source's audio: 1 of 3"},
		{"late once", []Place{good, late, good}, Bad, "worst +20.0"},
		{"a tone", []Place{tone, tone}, Note, "cannot be measured"},
		{"a tone at a wrong offset", []Place{tone, lateTone}, Bad, "worst +8.0"},
		{"a tone that begins in time", []Place{onset, tone, tone}, Note, "+0.0 ms at its beginning"},
		{"a tone that begins late", []Place{lateOnset, tone, tone}, Bad, "+20.0 ms at its beginning"},
		{"a tone in other audio", []Place{good, tone, good}, Good, "at 1 place it cannot be measured"},
		{"a tone in late audio", []Place{late, tone, tone}, Bad, "worst +20.0"},
	} {
		got := offsetCheck("audio", Audio{Places: c.places, SourceSamples: 1, OutputSamples: 1}, true)
		if got.Verdict != c.want || !strings.Contains(got.Figure, c.contains) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, got.Verdict, got.Figure, c.want, c.contains)
		}
	}
}
