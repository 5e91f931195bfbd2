package local_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/manifest"
)

// decodedLength returns how many bytes of samples a playlist or a file has.
func decodedLength(t *testing.T, path string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	return len(out)
}

// Each rate of a track, whose parts meet in the middle, has the same samples in the same media segments, so that players can switch.
func TestRatesOfAudioAreAligned(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mka", args(tone(8), strings.Fields("-map 0 -map 0 -ac 2 -c:a flac -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu"))...)
	for _, single := range []bool{false, true} {
		t.Run(fmt.Sprintf("single file %t", single), func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			req := packageRequest(t, source, out, fmt.Sprintf(
				`{"name": "film", "container": "cmaf", "audio": {"bitrates": ["192k", "64k", "128k"]}, "package": {"seconds": 2, "singleFile": %t}}`, single))
			s := films(t)
			s.Kinds.AudioPartLength = 3 * time.Second
			report, err := s.run(t.Context(), req, local.Options{Scratch: t.TempDir(), Jobs: 2})
			if err != nil {
				t.Fatal(err)
			}
			if report.Units["audio"] < 12 {
				t.Errorf("six renditions are made in %d parts", report.Units["audio"])
			}
			if err := manifest.Check(os.DirFS(out), "film.m3u8"); err != nil {
				t.Error(err)
			}
			times, want, previous := "", 0, int64(0)
			for i := range 6 {
				list := glob(t, filepath.Join(out, "film", "*", fmt.Sprintf("audio-%d.m3u8", i+1)))
				text, err := os.ReadFile(list)
				if err != nil {
					t.Fatal(err)
				}
				var lengths []string
				for line := range strings.Lines(string(text)) {
					if strings.HasPrefix(line, "#EXTINF") {
						lengths = append(lengths, strings.TrimSpace(line))
					}
				}
				samples := decodedLength(t, list)
				if i == 0 {
					times, want = strings.Join(lengths, " "), samples
				}
				if diff := cmp.Diff(times, strings.Join(lengths, " ")); diff != "" || len(lengths) < 4 {
					t.Errorf("audio-%d has other media segments (-first +this):\n%s", i+1, diff)
				}
				if samples != want || samples < 8*48_000*2*2 {
					t.Errorf("audio-%d decodes to %d bytes of samples, the first to %d", i+1, samples, want)
				}
				if size := mediaSize(t, strings.TrimSuffix(list, ".m3u8")); i%3 > 0 && size < previous*5/4 {
					t.Errorf("audio-%d has %d bytes, the rate below it %d", i+1, size, previous)
				} else {
					previous = size
				}
			}
			text, err := os.ReadFile(filepath.Join(out, "film.mpd"))
			if err != nil {
				t.Fatal(err)
			}
			if sets, all := strings.Count(string(text), "<AdaptationSet"), strings.Count(string(text), "<Representation"); sets != 2 || all != 6 {
				t.Errorf("the MPD has %d sets with %d representations:\n%s", sets, all, text)
			}
		})
	}
}

// glob returns the only file of a pattern.
func glob(t *testing.T, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %q, %v", pattern, list, err)
	}
	return list[0]
}

// mediaSize returns the bytes of a rendition's media: of a folder, or of a single file.
func mediaSize(t *testing.T, name string) (size int64) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(name, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		list = []string{name + ".mp4"}
	}
	for _, file := range list {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}
