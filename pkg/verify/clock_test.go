package verify

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spliced are two recordings in one transport stream, each with a clock of its own, which begins at these seconds.
func spliced(t *testing.T, first, second string) string {
	t.Helper()
	dir := t.TempDir()
	clip := makeFilm(t, dir, "clip.mp4", "2", "-map", "0", "-map", "1", "-crf", "14")
	var joined []byte
	for i, offset := range []string{first, second} {
		part := filepath.Join(dir, string(rune('a'+i))+".ts")
		sh(t, "ffmpeg", "-v", "error", "-nostdin", "-i", clip, "-c", "copy", "-output_ts_offset", offset, part)
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

// pass makes of a broadcast what ffmpeg makes of it in one pass, with the threads of a job; args stand between.
func pass(t *testing.T, source string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "output.mp4")
	all := []string{
		"-v", "error", "-nostdin", "-y", "-threads", "2", "-f", "mpegts", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "26",
		"-fps_mode", "passthrough", "-enc_time_base", "-1", "-video_track_timescale", "90000", "-c:a", "aac",
	}
	sh(t, "ffmpeg", append(append(all, args...), path)...)
	return path
}

func TestClocksAreReadAsOnePassReadsThem(t *testing.T) {
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
				{"a frame is dropped behind the jump", []string{"-vf", "select=not(eq(n\\,80))"}, []string{"frames"}},
				{"sound is late", []string{"-af", "adelay=20:all=1,atrim=end=4.05"}, []string{"sound offset"}},
			} {
				r := verified(t, source, pass(t, source, c.args...))
				if diff := cmp.Diff(c.want, failed(r)); diff != "" {
					t.Errorf("%s: checks that failed (-want +got):\n%s\n%s", c.name, diff, tell(r))
				}
			}
		})
	}
}

// An output that is a transport stream with a jump is what ffmpeg shows of it, too.
func TestOutputsClockMayJump(t *testing.T) {
	t.Parallel()
	source := spliced(t, "10", "45")
	if r := verified(t, pass(t, source), source); !slices.Equal(failed(r), []string{}) {
		t.Errorf("checks that failed:\n%s", tell(r))
	}
}

// Damage decodes to what it does with a job's number of threads, and two frames of one time cannot be shown at once.
func TestDamagedSourceIsWhatOnePassDecodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clip := makeFilm(t, dir, "clip.mp4", "4", "-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-bf", "2", "-crf", "14")
	source := filepath.Join(dir, "in.ts")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-i", clip, "-c", "copy", source)
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
	if r := verified(t, source, pass(t, source)); !slices.Equal(failed(r), []string{}) {
		t.Errorf("checks that failed:\n%s", tell(r))
	}
}
