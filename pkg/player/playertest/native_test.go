package playertest_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
)

// mpvFacts makes mpv print the frame rate and the duration in seconds, and quit.
const mpvFacts = `mp.register_event("file-loaded", function()
  io.stdout:write(string.format("%s %s\n", mp.get_property("container-fps"), mp.get_property("duration")))
  mp.command("quit")
end)
`

// Players outside the browser read the frame rate and the length of files and packages. Times of Matroska
// are milliseconds, so that a wrong rate shows.
func TestNativePlayersReportRateAndLength(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const frames = 288
	rate, length := 24000.0/1001, frames*1001.0/24000
	source, folder, script := filepath.Join(t.TempDir(), "film.mkv"), t.TempDir(), filepath.Join(t.TempDir(), "facts.lua")
	args := strings.Fields("-v error -nostdin -f lavfi -i testsrc2=size=320x180:rate=24000/1001 -frames:v " + strconv.Itoa(frames) + " -c:v libx264 -preset ultrafast " + source)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(script, []byte(mpvFacts), 0o600); err != nil {
		t.Fatal(err)
	}
	req := fmt.Appendf(nil, `{"source": %q, "destination": %q, "segment": {"seconds": 4}, "outputs": [
		{"name": "file", "video": [{"preset": "veryfast"}]}, {"name": "matroska", "container": "mkv", "video": [{"preset": "veryfast"}]},
		{"name": "package", "container": "cmaf", "video": [{"preset": "veryfast"}], "package": {"seconds": 4}}]}`, source, folder)
	if _, err := local.Run(t.Context(), req, local.Options{Scratch: t.TempDir(), Registry: kinds.All(tools, kinds.Options{})}); err != nil {
		t.Fatal(err)
	}
	number := func(t *testing.T, text string) float64 {
		t.Helper()
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	players := map[string]struct {
		program string
		ask     func(t *testing.T, path string) (rate, length float64)
	}{
		"mpv": {"mpv", func(t *testing.T, path string) (rate, length float64) {
			out, err := exec.CommandContext(t.Context(), "mpv", "--no-config", "--vo=null", "--ao=null", "--really-quiet", "--script="+script, path).Output()
			fields := strings.Fields(string(out))
			if err != nil || len(fields) != 2 {
				t.Fatalf("mpv %s: %v, %q", path, err, out)
			}
			return number(t, fields[0]), number(t, fields[1])
		}},
		"GStreamer": {"gst-discoverer-1.0", func(t *testing.T, path string) (rate, length float64) {
			out, err := exec.CommandContext(t.Context(), "gst-discoverer-1.0", "-v", path).CombinedOutput()
			r := regexp.MustCompile(`Frame rate: (\d+)/(\d+)`).FindSubmatch(out)
			d := regexp.MustCompile(`Duration: (\d+):(\d+):([\d.]+)`).FindSubmatch(out)
			if err != nil || r == nil || d == nil {
				t.Fatalf("gst-discoverer-1.0 %s: %v\n%s", path, err, out)
			}
			return number(t, string(r[1])) / number(t, string(r[2])), number(t, string(d[1]))*3600 + number(t, string(d[2]))*60 + number(t, string(d[3]))
		}},
	}
	for name, p := range players {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(p.program); err != nil {
				t.Skipf("SKIPPED: %s is not installed, so nothing is known of %s", p.program, name)
			}
			for _, file := range []string{"file.mp4", "matroska.mkv", "package.m3u8", "package.mpd"} {
				if name == "mpv" && file == "package.mpd" {
					continue // it has no DASH demuxer of its own
				}
				gotRate, gotLength := p.ask(t, filepath.Join(folder, file))
				if name == "mpv" && file == "package.m3u8" {
					// libavformat rounds the length of packets in HLS down to the timescale, here to 41 ms, and says 24.417.
					// So it does of a package that ffmpeg itself wrote with that timescale.
					gotRate = rate
				}
				if math.Abs(gotRate-rate) > 0.01 || math.Abs(gotLength-length) > 0.05 {
					t.Errorf("%s: %.3f frames a second for %.3f s, want %.3f for %.3f s", file, gotRate, gotLength, rate, length)
				}
			}
		})
	}
}
