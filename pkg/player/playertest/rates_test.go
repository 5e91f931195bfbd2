package playertest_test

import (
	"flag"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player/playertest"
)

// Players change from the lowest to the highest rate of the audio and play on, without a gap.
func TestPlayersSwitchRatesOfAudio(t *testing.T) {
	t.Parallel()
	const length = 12 // seconds
	playertest.Browser(t)
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "in.mkv")
	input := fmt.Sprintf("-v error -nostdin -y -f lavfi -i testsrc2=size=320x180:rate=25:duration=%d -f lavfi -i anoisesrc=duration=%[1]d:sample_rate=48000:amplitude=0.1 "+
		"-ac 2 -c:v libx264 -preset ultrafast -c:a flac", length)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", append(strings.Fields(input), source)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder := t.TempDir()
	request := fmt.Appendf(nil, `{"source": %q, "destination": %q, "outputs": [{"name": "film", "container": "cmaf",
		"video": [{"preset": "ultrafast"}, {"preset": "ultrafast", "height": 90}, {"preset": "ultrafast", "height": 48}],
		"audio": {"bitrates": ["64k", "128k", "192k"]}, "package": {"seconds": 2}}], "segment": {"seconds": 4}}`, source, folder)
	if _, err := local.Run(t.Context(), request, local.Options{Scratch: t.TempDir(), Registry: kinds.All(tools, kinds.Options{})}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		playlist, player string
		rates            int
	}{{"film.m3u8", "hls", 3}, {"film.mpd", "dash", 3}, {"film.m3u8", "shaka", 3}, {"film.mpd", "shaka", 9}} {
		t.Run(c.playlist+" in "+c.player, func(t *testing.T) {
			if c.player == "shaka" && flag.Lookup("all").Value.String() != "true" {
				t.Skip("only with -all: make players")
			}
			r := playertest.SwitchRates(t, folder, c.playlist, c.player)
			if len(r.Problems) > 0 || r.Rates != c.rates || math.Abs(r.End-length) > 0.2 || math.Abs(r.Duration-length) > 0.2 {
				t.Errorf("the player reports %d rates, an end at %.3f of %.3f s, %q", r.Rates, r.End, r.Duration, r.Problems)
			}
			var low, high int // media segments
			for _, file := range r.Files {
				switch {
				case strings.Contains(file, "/audio-1/") && strings.HasSuffix(file, ".m4s"):
					low++
				case strings.Contains(file, "/audio-3/") && strings.HasSuffix(file, ".m4s"):
					high++
				}
			}
			if low < 1 || high < 2 || low > 4 {
				t.Errorf("the player loaded %d segments of the lowest rate and %d of the highest, of 6: %s", low, high, strings.Join(r.Files, "\n"))
			}
		})
	}
}
