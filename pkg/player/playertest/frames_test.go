package playertest_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player/playertest"
)

// A player shows the frame of the time to which it seeks, also just after the start of a media segment:
// no hole between segments moves frames, and each sample lasts as long as its frame. Times of Matroska
// are milliseconds.
func TestSeeksShowTheFrameOfTheirTime(t *testing.T) {
	const (
		frames, bits = 286, 10
		seconds      = 4 // of a media segment
	)
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	source, folder := filepath.Join(t.TempDir(), "numbered.mkv"), t.TempDir()
	numbered := fmt.Sprintf("nullsrc=size=320x180:rate=24000/1001,format=gray,geq=lum='16+219*mod(floor(N/pow(2,floor(X/%d))),2)',format=yuv420p", 320/bits)
	args := append(strings.Fields("-v error -nostdin -f lavfi -i"), numbered, "-f", "lavfi", "-i", "sine=440:sample_rate=48000", "-frames:v", fmt.Sprint(frames),
		"-t", "11.9", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", source)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	req := fmt.Appendf(nil, `{"source": %q, "destination": %q, "segment": {"seconds": %d}, "outputs": [{"name": "film", "container": "cmaf",
		"video": [{"preset": "veryfast"}, {"preset": "veryfast", "height": 90}], "package": {"seconds": %[3]d}}]}`, source, folder, seconds)
	if _, err := local.Run(t.Context(), req, local.Options{Scratch: t.TempDir(), Registry: kinds.All(tools, kinds.Options{})}); err != nil {
		t.Fatal(err)
	}
	at := func(frame int) float64 { return math.Round(float64(frame)*1001/24) / 1000 }
	random := rand.New(rand.NewPCG(1, 2))
	var times []float64
	var want []int
	for i := range 20 {
		n := random.IntN(frames - 1)
		if i%2 == 0 { // within the first half second of a media segment
			n = int(math.Ceil(float64(seconds*random.IntN(3))*24/1.001)) + random.IntN(12)
		}
		want = append(want, n)
		times = append(times, at(n)+(0.1+0.8*random.Float64())*(at(n+1)-at(n)))
	}
	// Each second of trick play shows the first frame of that second. What is loaded at normal speed, the
	// first media segment, is shown as it is.
	fast := []float64{5.3, 9.7, 6.6, 8.2, 10.4}
	for _, c := range []struct {
		player, playlist string
		positions        int
		early            int // by how many seconds the player may show a frame before its time
	}{
		{"shaka", "film.mpd", 5, 0},
		{"hls", "film.m3u8", 2, 1}, // of any I-frame playlist, which may have one in two seconds
	} {
		t.Run("fast, "+c.player+", "+c.playlist, func(t *testing.T) {
			t.Parallel()
			numbers, files := playertest.TrickPlay(t, folder, c.playlist, c.player, fast[:c.positions], bits)
			if c.player == "shaka" && !slices.ContainsFunc(files, func(f string) bool { return strings.Contains(f, "/trickplay/") }) {
				t.Errorf("the rendition for trick play was not loaded, only %q", files)
			}
			for i, n := range numbers {
				second := math.Floor(fast[i])
				ok := false
				for s := second - float64(c.early); s <= second+float64(c.early); s++ {
					ok = ok || n == int(math.Ceil(s*24/1.001))
				}
				if !ok {
					t.Errorf("at %.1f s frame %d is shown, want the first of that second", fast[i], n)
				}
			}
		})
	}
	for player, playlist := range map[string]string{"hls": "film.m3u8", "dash": "film.mpd", "shaka": "film.mpd"} {
		t.Run(player, func(t *testing.T) {
			t.Parallel()
			numbers := playertest.Frames(t, folder, playlist, player, times, bits)
			if len(numbers) != 2 {
				t.Fatalf("%d rungs, want 2", len(numbers))
			}
			for rung, got := range numbers {
				for i, n := range got {
					if n != want[i] {
						t.Errorf("rung %d: at %.4f s frame %d is shown, want %d", rung, times[i], n, want[i])
					}
				}
			}
		})
	}
}
