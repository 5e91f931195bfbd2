package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// audioOnly makes an output of a source's audio alone, in parts of about the given length, and returns its path and the
// number of parts.
func audioOnly(t *testing.T, source, container string, codec film.AudioCodec, length time.Duration) (path string, parts int) {
	t.Helper()
	s, out := films(t), t.TempDir()
	s.Kinds.AudioPartLength = length
	req := request(source, out, container)
	req.Outputs[0].Video = nil
	req.Outputs[0].Audio = &film.Audio{Codec: codec, Bitrate: 128_000}
	report, err := s.run(context.Background(), req, local.Options{Scratch: t.TempDir(), Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(out, "out."+container), report.Units["audio"]
}

// samples decodes an audio track to one channel of the given rate.
func samples(t *testing.T, path string, rate int) []float64 {
	t.Helper()
	pcm, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", "0:a:0", "-ac", "1",
		"-ar", fmt.Sprint(rate), "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, len(pcm)/2)
	for i := range out {
		out[i] = float64(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8))
	}
	return out
}

// residual returns the mean energy of the difference in samples [from, to), plus that of rounding to 16 bits.
func residual(a, b []float64, from, to int) float64 {
	sum := 1.0 / 12
	for i := max(from, 0); i < min(to, len(a), len(b)); i++ {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return sum / float64(max(to-from, 1))
}

// alignment returns by how many samples b lags behind a: ffmpeg decodes the priming of AAC in Matroska.
func alignment(t *testing.T, a, b []float64) int {
	t.Helper()
	const at, n = 96000, 24000
	best, power := math.Inf(1), residual(a, make([]float64, len(a)), at, at+n)
	shift := 0
	for s := range 2048 {
		if r := residual(a, b[s:], at, at+n); r < best*0.99 {
			best, shift = r, s
		}
	}
	if best > power/2 {
		t.Fatalf("the audio is not the source's: at best %.0f of %.0f differs", best, power)
	}
	return shift
}

// signals are kinds of audio; each is an ffmpeg source with a rate and a duration in seconds.
var signals = []struct{ name, expr string }{
	// Syllables of a gliding voice with formants and some breath, and pauses between the words.
	{"speech", "aevalsrc='(0.35*pow(max(0,sin(2*PI*3.1*t)*sin(2*PI*0.37*t)),0.5))*(sin(2*PI*(120*t+8*sin(2*PI*0.9*t)))" +
		"+0.6*sin(4*PI*(120*t+8*sin(2*PI*0.9*t)))+0.5*sin(10*PI*(120*t+8*sin(2*PI*0.9*t)))" +
		"+0.3*sin(38*PI*(120*t+8*sin(2*PI*0.9*t)))+0.2*(random(0)-0.5)*(0.5+0.5*sin(2*PI*1.7*t)))':s=%d:d=%d"},
	{"noise", "anoisesrc=c=pink:r=%d:a=0.4:d=%d:seed=7,tremolo=f=2:d=0.6"},
	{"sine", "sine=f=440:r=%d:d=%d"},
}

// joined compares audio made in parts with audio made in one pass, by their residuals to the source.
type joined struct {
	parts, samples, missing int
	at, between             figures // around joins, and around the middles of parts
	high, highElsewhere     float64 // the 99th percentile: around joins, and elsewhere
	most                    float64 // the largest residual at joins over the largest of one pass anywhere
}

// figures are residuals of the parts over those of one pass at the same places, the worst of 68 frames each: the median
// and the worst of all.
type figures struct{ typical, worst float64 }

func compare(t *testing.T, source, container string, codec film.AudioCodec, rate int, length time.Duration) joined {
	t.Helper()
	if codec == film.Opus {
		rate = 48000
	}
	whole, one := audioOnly(t, source, container, codec, 0)
	parts, n := audioOnly(t, source, container, codec, length)
	if one != 1 || n < 2 {
		t.Fatalf("%d parts in one pass, %d in several", one, n)
	}
	src, a, b := samples(t, source, rate), samples(t, whole, rate), samples(t, parts, rate)
	shift := alignment(t, src, a)
	a, b = a[shift:], b[min(shift, len(b)):]
	got := joined{parts: n, samples: len(b), missing: len(a) - len(b)}
	frame := int(codec.Frame())
	var elsewhere []float64
	for at := 0; at+3*frame < len(src); at += frame {
		elsewhere = append(elsewhere, residual(src, a, at, at+3*frame))
	}
	slices.Sort(elsewhere)
	loud := elsewhere[len(elsewhere)-1]
	// The exact place of a join is not known: it is somewhere in the overlap. So all of the overlap is measured, three frames
	// at a time. Two encodes of the same audio differ everywhere, most where it is quiet. For comparison the middles of the
	// parts are measured in the same way, and the 99th percentile of all places.
	const reach = 34
	step := (len(src)/frame + n - 1) / n
	partwise := func(f int) float64 { return residual(src, b, (f-1)*frame, (f+2)*frame) }
	ratio := func(f int) float64 { return partwise(f) / residual(src, a, (f-1)*frame, (f+2)*frame) }
	near := map[int]bool{}
	around := func(first int) figures {
		var all []float64
		for edge := first; edge < len(src)/frame-reach; edge += step {
			highest := 0.0
			for f := edge - reach; f < edge+reach; f++ {
				highest = max(highest, ratio(f))
				if first == step {
					near[f] = true
					got.most = max(got.most, partwise(f)/loud)
				}
			}
			all = append(all, highest)
		}
		slices.Sort(all)
		return figures{typical: all[len(all)/2], worst: all[len(all)-1]}
	}
	got.at, got.between = around(step), around(step+step/2)
	var places [2][]float64 // elsewhere, and near joins
	for f := range len(src)/frame - reach {
		at := 0
		if near[f] {
			at = 1
		}
		places[at] = append(places[at], ratio(f))
	}
	for _, list := range places {
		slices.Sort(list)
	}
	got.highElsewhere, got.high = places[0][len(places[0])*99/100], places[1][len(places[1])*99/100]
	return got
}

// Audio made in parts equals that of one pass: it has as many samples, at the same times, and its error is no larger at the
// joins. MAPREEL_EXACT=1 runs all signals at length and prints the figures.
func TestAudioInPartsIsThatOfOnePass(t *testing.T) {
	t.Parallel()
	seconds, length := 20, 4*time.Second // the last part does not reach back to the beginning
	exact := os.Getenv("MAPREEL_EXACT") != ""
	if exact {
		seconds, length = 120, 8*time.Second
	}
	for i, signal := range signals {
		for k, c := range []struct {
			source, container string
			codec             film.AudioCodec
			rate              int
		}{
			{"in.wav", "mp4", film.AAC, 48000},
			{"in.mov", "mp4", film.Opus, 44100},
			{"in.mkv", "webm", film.Opus, 44100},
			{"in.mkv", "mkv", film.AAC, 44100},
			{"in.mov", "mp4", film.AAC, 44100},
			{"in.wav", "mkv", film.Opus, 48000},
		} {
			if !exact && k != 2*i {
				continue
			}
			t.Run(fmt.Sprintf("%s %s %d to %s %s", signal.name, c.source, c.rate, c.codec, c.container), func(t *testing.T) {
				args := []string{"-f", "lavfi", "-i", fmt.Sprintf(signal.expr, c.rate, seconds)}
				if c.source == "in.mkv" {
					args = append(args, "-c:a", "flac")
				}
				source := clip(t, c.source, args...)
				got := compare(t, source, c.container, c.codec, c.rate, length)
				t.Logf("%d parts, %d samples (one pass: %+d), residual at joins over one pass's: median %.2f, worst %.2f (between joins %.2f, %.2f), 99 of 100 below %.2f (elsewhere %.2f); over the largest of one pass %.2f",
					got.parts, got.samples, got.missing, got.at.typical, got.at.worst, got.between.typical, got.between.worst, got.high, got.highElsewhere, got.most)
				if got.missing != 0 || got.samples == 0 {
					t.Errorf("%d samples are missing of %d", got.missing, got.samples+got.missing)
				}
				if math.IsNaN(got.at.worst) || got.at.typical > max(1.5, 1.5*got.between.typical) || got.at.worst > max(2, 2*got.between.worst) ||
					got.high > 2*max(1, got.highElsewhere) || got.most > 1.2 {
					t.Error("the error at the joins is larger than that of one pass")
				}
			})
		}
	}
}

// Where a container declares more audio than it holds, the parts after the end are empty, and the audio is that of one
// pass. Here it also begins late.
func TestAudioThatEndsBeforeTheVideo(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mkv", "-f", "lavfi", "-i", "testsrc2=size=96x54:rate=4:duration=14", "-itsoffset", "0.777",
		"-f", "lavfi", "-i", "sine=f=330:r=44100:d=5.5", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "flac")
	whole, _ := audioOnly(t, source, "mp4", film.AAC, 0)
	parts, n := audioOnly(t, source, "mp4", film.AAC, 3*time.Second)
	if n < 4 {
		t.Fatalf("%d parts, want at least 4", n)
	}
	a, b := samples(t, whole, 44100), samples(t, parts, 44100)
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d samples, in one pass %d", len(b), len(a))
	}
	if loud, diff := residual(a, make([]float64, len(a)), 0, len(a)), residual(a, b, 0, len(a)); diff > loud/100 {
		t.Errorf("the audio differs from that of one pass by %.1f of %.0f", diff, loud)
	}
	start := func(path string) string {
		out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=start_time,duration", "-of", "csv=p=0", "file:"+path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got, want := start(parts), start(whole); got != want || !strings.HasPrefix(got, "0.77") {
		t.Errorf("the audio starts and lasts %q, in one pass %q", got, want)
	}
}

func TestOnlyAMissingAudioPartIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := films(t)
	s.Kinds.AudioPartLength = 3 * time.Second
	source := clip(t, "in.wav", "-f", "lavfi", "-i", "sine=f=330:r=44100:d=12")
	scratch, out := t.TempDir(), t.TempDir()
	req := request(source, out, "mp4")
	req.Outputs[0].Video = nil
	again := func() (data []byte, made []string) {
		_, err := s.run(t.Context(), req, local.Options{
			Scratch: scratch, Jobs: 2, Keep: true,
			Observe: func(e local.Event) {
				if e.Type == engine.Done {
					made = append(made, e.Unit)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		data, err = os.ReadFile(filepath.Join(out, "out.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(made)
		return data, made
	}
	want, made := again()
	if diff := cmp.Diff([]string{"audio/00000", "audio/00001", "audio/00002", "audio/00003", "output/out"}, made); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	parts, err := filepath.Glob(filepath.Join(scratch, "pieces", "*", "audio", "00002.*"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("artifacts of audio part 2: %q, %v", parts, err)
	}
	if err := errors.Join(os.Remove(parts[0]), os.Remove(filepath.Join(out, "out.mp4"))); err != nil {
		t.Fatal(err)
	}
	got, made := again()
	if diff := cmp.Diff([]string{"audio/00002", "output/out"}, made); diff != "" {
		t.Errorf("units of the second run (-want +got):\n%s", diff)
	}
	if !bytes.Equal(got, want) {
		t.Error("the second run's file differs from the first's")
	}
}
