package player

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFactsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"film.mp4", "film.mkv"} {
		out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration=3", "-c:v", "libx264", "-preset", "ultrafast",
			"-force_key_frames", "1,2.4", "-output_ts_offset", "3", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	_, server := serve(t, dir)
	for name, frame := range map[string]time.Duration{"film.mp4": 40 * time.Millisecond, "film.mkv": 0} {
		_, body := get(t, server.URL+"/facts.json?name="+name, nil)
		var got Facts
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v in %q", name, err, body)
		}
		want := []Seconds{0, Seconds(time.Second), Seconds(2400 * time.Millisecond)}
		if !slices.Equal(got.Keyframes, want) || time.Duration(got.Frame) != frame || got.Size < 1000 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, body := get(t, server.URL+"/facts.json?name=another.mp4", nil); body != "{}\n" {
		t.Errorf("of a file that is not there: %s", body)
	}
}
