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

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/stage"
)

// heardAs makes an output of a source's sound alone, in pieces of about the given length, and returns its path and how
// many pieces there were.
func heardAs(t *testing.T, source, container string, codec film.AudioCodec, length time.Duration) (path string, pieces int) {
	t.Helper()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	req := request(source, out, container)
	req.Outputs[0].Video = nil
	req.Outputs[0].Audio = &film.Audio{Codec: codec, Bitrate: 128_000}
	_, err = local.Run(context.Background(), req, local.Options{
		Scratch: t.TempDir(), Tools: found, Jobs: 2, AudioPartLength: length,
		Observe: func(e local.Event) { pieces = max(pieces, e.Pieces) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(out, "out."+container), pieces
}

// samples decodes a sound to one channel of 48 kHz.
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

// residual is the energy of what differs in samples from until to, and a little for the rounding to 16 bits.
func residual(a, b []float64, from, to int) float64 {
	sum := 1.0 / 12
	for i := max(from, 0); i < min(to, len(a), len(b)); i++ {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return sum / float64(max(to-from, 1))
}

// alignment is by how many samples b is late: ffmpeg shows the priming of AAC in Matroska.
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
		t.Fatalf("the sound is not the source's: at best %.0f differs of %.0f", best, power)
	}
	return shift
}

// signals are what sound may be like; each is an ffmpeg source of a rate, for so many seconds.
var signals = []struct{ name, expr string }{
	// Syllables of a gliding voice with formants and some breath, and pauses between the words.
	{"speech", "aevalsrc='(0.35*pow(max(0,sin(2*PI*3.1*t)*sin(2*PI*0.37*t)),0.5))*(sin(2*PI*(120*t+8*sin(2*PI*0.9*t)))" +
		"+0.6*sin(4*PI*(120*t+8*sin(2*PI*0.9*t)))+0.5*sin(10*PI*(120*t+8*sin(2*PI*0.9*t)))" +
		"+0.3*sin(38*PI*(120*t+8*sin(2*PI*0.9*t)))+0.2*(random(0)-0.5)*(0.5+0.5*sin(2*PI*1.7*t)))':s=%d:d=%d"},
	{"noise", "anoisesrc=c=pink:r=%d:a=0.4:d=%d:seed=7,tremolo=f=2:d=0.6"},
	{"sine", "sine=f=440:r=%d:d=%d"},
}

// joined are the figures of a sound made of pieces against one made in one pass: residuals to the source.
type joined struct {
	pieces, samples, missing int
	at, between              figures // around joins, and around the middles of pieces
	high, highElsewhere      float64 // 99 of 100 places are below: around joins, and of all others
	most                     float64 // the loudest at joins over the loudest of one pass anywhere
}

// figures are residuals of the pieces over those of one pass at the same places, the worst of 68 frames each: the median
// and the worst of all.
type figures struct{ typical, worst float64 }

func compare(t *testing.T, source, container string, codec film.AudioCodec, rate int, length time.Duration) joined {
	t.Helper()
	if codec == film.Opus {
		rate = 48000
	}
	whole, one := heardAs(t, source, container, codec, 0)
	parts, n := heardAs(t, source, container, codec, length)
	if one != 1 || n < 2 {
		t.Fatalf("%d pieces of the whole, %d of the parts", one, n)
	}
	src, a, b := samples(t, source, rate), samples(t, whole, rate), samples(t, parts, rate)
	shift := alignment(t, src, a)
	a, b = a[shift:], b[min(shift, len(b)):]
	got := joined{pieces: n, samples: len(b), missing: len(a) - len(b)}
	frame := int(codec.Frame())
	var elsewhere []float64
	for at := 0; at+3*frame < len(src); at += frame {
		elsewhere = append(elsewhere, residual(src, a, at, at+3*frame))
	}
	slices.Sort(elsewhere)
	loud := elsewhere[len(elsewhere)-1]
	// Where a join is nobody tells: it is somewhere in the overlap, so all of that is looked at, three frames at a time.
	// Two encodes of one sound differ everywhere, most where it is quiet; as much is looked at in the middle of the pieces,
	// and of all places what nearly all are below.
	const reach = 34
	step := (len(src)/frame + n - 1) / n
	piecewise := func(f int) float64 { return residual(src, b, (f-1)*frame, (f+2)*frame) }
	ratio := func(f int) float64 { return piecewise(f) / residual(src, a, (f-1)*frame, (f+2)*frame) }
	near := map[int]bool{}
	around := func(first int) figures {
		var all []float64
		for edge := first; edge < len(src)/frame-reach; edge += step {
			highest := 0.0
			for f := edge - reach; f < edge+reach; f++ {
				highest = max(highest, ratio(f))
				if first == step {
					near[f] = true
					got.most = max(got.most, piecewise(f)/loud)
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

// Long sound made in pieces is what one pass makes: as many samples, at the same times, and no louder an error at the
// joins. MAPREEL_EXACT=1 runs all signals at length and prints the figures.
func TestSoundInPiecesIsThatOfOnePass(t *testing.T) {
	t.Parallel()
	seconds, length := 20, 4*time.Second // the last piece does not reach back to the beginning
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
				t.Logf("%d pieces, %d samples (one pass: %+d), residual at joins over one pass's: median %.2f, worst %.2f (between joins %.2f, %.2f), 99 of 100 below %.2f (elsewhere %.2f); over the loudest of one pass %.2f",
					got.pieces, got.samples, got.missing, got.at.typical, got.at.worst, got.between.typical, got.between.worst, got.high, got.highElsewhere, got.most)
				if got.missing != 0 || got.samples == 0 {
					t.Errorf("%d samples are missing of %d", got.missing, got.samples+got.missing)
				}
				if math.IsNaN(got.at.worst) || got.at.typical > max(1.5, 1.5*got.between.typical) || got.at.worst > max(2, 2*got.between.worst) ||
					got.high > 2*max(1, got.highElsewhere) || got.most > 1.2 {
					t.Error("the joins are louder than one pass")
				}
			})
		}
	}
}

// Where a container promises more sound than there is, the pieces after its end are empty and the sound is that of one
// pass. It begins late here, too.
func TestSoundThatEndsBeforeThePicture(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mkv", "-f", "lavfi", "-i", "testsrc2=size=96x54:rate=4:duration=14", "-itsoffset", "0.777",
		"-f", "lavfi", "-i", "sine=f=330:r=44100:d=5.5", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "flac")
	whole, _ := heardAs(t, source, "mp4", film.AAC, 0)
	parts, n := heardAs(t, source, "mp4", film.AAC, 3*time.Second)
	if n < 4 {
		t.Fatalf("%d pieces", n)
	}
	a, b := samples(t, whole, 44100), samples(t, parts, 44100)
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d samples, in one pass %d", len(b), len(a))
	}
	if loud, diff := residual(a, make([]float64, len(a)), 0, len(a)), residual(a, b, 0, len(a)); diff > loud/100 {
		t.Errorf("the sound differs from that of one pass by %.1f of %.0f", diff, loud)
	}
	start := func(path string) string {
		out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=start_time,duration", "-of", "csv=p=0", "file:"+path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got, want := start(parts), start(whole); got != want || !strings.HasPrefix(got, "0.77") {
		t.Errorf("the sound starts and lasts %q, in one pass %q", got, want)
	}
}

func TestOnlyAMissingPieceOfSoundIsMadeAgain(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	source := clip(t, "in.wav", "-f", "lavfi", "-i", "sine=f=330:r=44100:d=12")
	scratch, out := t.TempDir(), t.TempDir()
	req := request(source, out, "mp4")
	req.Outputs[0].Video = nil
	again := func() (data []byte, made []string) {
		_, err := local.Run(t.Context(), req, local.Options{
			Scratch: scratch, Tools: found, Jobs: 2, AudioPartLength: 3 * time.Second, Keep: true,
			Observe: func(e local.Event) {
				if e.Type == stage.Finished {
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
	if diff := cmp.Diff([]string{"audio/00000", "audio/00001", "audio/00002", "audio/00003"}, made); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	pieces, err := filepath.Glob(filepath.Join(scratch, "*", "*", "audio", "00002.*"))
	if more, _ := filepath.Glob(filepath.Join(scratch, "*", "audio", "00002.*")); len(pieces) == 0 {
		pieces = more
	}
	if err != nil || len(pieces) != 1 {
		t.Fatalf("pieces %q, %v", pieces, err)
	}
	if err := errors.Join(os.Remove(pieces[0]), os.Remove(filepath.Join(out, "out.mp4"))); err != nil {
		t.Fatal(err)
	}
	got, made := again()
	if diff := cmp.Diff([]string{"audio/00002"}, made); diff != "" {
		t.Errorf("units of the second run (-want +got):\n%s", diff)
	}
	if !bytes.Equal(got, want) {
		t.Error("the second run's file differs from the first's")
	}
}
