package verify

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spliced makes one transport stream of two recordings whose clocks start at the given seconds.
func spliced(t *testing.T, first, second string) string {
	t.Helper()
	dir := t.TempDir()
	clip := makeClip(t, dir, "clip.mp4", "2", "-map", "0", "-map", "1", "-crf", "14")
	var joined []byte
	for i, offset := range []string{first, second} {
		part := filepath.Join(dir, string(rune('a'+i))+".ts")
		runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", clip, "-c", "copy", "-output_ts_offset", offset, part)
		data, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, data...)
	}
	path := filepath.Join(dir, "in.ts")
	writeFile(t, path, string(joined))
	return path
}

// onePass encodes a broadcast in one ffmpeg pass, with the threads of a job. args stand before the
// output.
func onePass(t *testing.T, source string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "output.mp4")
	all := []string{
		"-v", "error", "-nostdin", "-y", "-threads", "2", "-f", "mpegts", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "26",
		"-fps_mode", "passthrough", "-enc_time_base", "-1", "-video_track_timescale", "90000", "-c:a", "aac",
	}
	runTool(t, "ffmpeg", append(append(all, args...), path)...)
	return path
}

func TestClocksAreInterpretedAsByOnePass(t *testing.T) {
	for _, clock := range []struct{ name, first, second string }{
		{"jumps ahead", "10", "45"},
		{"jumps back", "45", "10"},
		{"wraps", "95441.5", "95443.5"}, // 2^33 ticks are 95443.7 s
	} {
		t.Run(clock.name, func(t *testing.T) {
			t.Parallel()
			source := spliced(t, clock.first, clock.second)
			for _, c := range []struct {
				name string
				args []string
				want []string // the checks that fail
			}{
				{"nothing", nil, []string{}},
				{"a frame is dropped after the jump", []string{"-vf", "select=not(eq(n\\,80))"}, []string{"frames"}},
				{"audio is late", []string{"-af", "adelay=20:all=1,atrim=end=4.05"}, []string{"audio offset"}},
			} {
				r := verifyFiles(t, source, onePass(t, source, c.args...))
				if diff := cmp.Diff(c.want, failedChecks(r)); diff != "" {
					t.Errorf("%s: checks that failed (-want +got):\n%s\n%s", c.name, diff, formatReport(r))
				}
			}
		})
	}
}

// Where recordings were joined, times may step back and then go on before the latest of them: what
// follows is expected after that, and not before what has been shown.
func TestFramesWhoseTimesStepBackAreExpectedInOrder(t *testing.T) {
	t.Parallel()
	c := clock{source: 1, output: 90, sourceFirst: 1000, perSecond: 90_000} // an output that counts in milliseconds
	var got []int64
	at := int64(0)
	for _, ticks := range []int64{4600, 8200, 4600, 8200, 8200, 8245, 11_800} {
		at = c.after(at, ticks)
		got = append(got, at)
	}
	if want := []int64{3600, 7200, 7290, 7380, 7470, 7560, 10_800}; !slices.Equal(got, want) {
		t.Errorf("frames are expected at %v, want %v", got, want)
	}
}

// An output that is a transport stream with a clock jump is interpreted as ffmpeg does, too.
func TestOutputsClockMayJump(t *testing.T) {
	t.Parallel()
	source := spliced(t, "10", "45")
	if r := verifyFiles(t, onePass(t, source), source); !slices.Equal(failedChecks(r), []string{}) {
		t.Errorf("checks that failed:\n%s", formatReport(r))
	}
}

// The reference for a damaged source is what ffmpeg decodes with as many threads as a job uses, and
// two frames with one timestamp cannot be shown at once.
func TestDamagedSourceIsComparedAsOnePassDecodesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clip := makeClip(t, dir, "clip.mp4", "4", "-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-bf", "2", "-crf", "14")
	source := filepath.Join(dir, "in.ts")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", clip, "-c", "copy", source)
	data, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	at := len(data) / 2 / 188 * 188
	for i := at + 8; i < at+2*188; i++ {
		if i%188 > 4 {
			data[i] ^= byte(i * 7)
		}
	}
	writeFile(t, source, string(data))
	if r := verifyFiles(t, source, onePass(t, source)); !slices.Equal(failedChecks(r), []string{}) {
		t.Errorf("checks that failed:\n%s", formatReport(r))
	}
}
