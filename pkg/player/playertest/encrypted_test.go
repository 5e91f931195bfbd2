package playertest_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player/playertest"
)

// Players decrypt packages with the keys that they are given, and show the right frames: Shaka Player by ClearKey of the browser, hls.js
// whole segments by the key that the playlist names.
func TestPlayersDecryptPackages(t *testing.T) {
	const (
		kid, key    = "00112233445566778899aabbccddeeff", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
		frames, bit = 96, 8
	)
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, keys := filepath.Join(dir, "numbered.mkv"), filepath.Join(dir, "film.keys")
	numbered := fmt.Sprintf("nullsrc=size=320x180:rate=24,format=gray,geq=lum='16+219*mod(floor(N/pow(2,floor(X/%d))),2)',format=yuv420p", 320/bit)
	args := append(strings.Fields("-v error -nostdin -f lavfi -i"), numbered, "-f", "lavfi", "-i", "sine=440:sample_rate=48000:duration=4", "-frames:v", fmt.Sprint(frames),
		"-c:v", "libx264", "-preset", "ultrafast", "-ac", "6", "-c:a", "ac3", source)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(keys, []byte("# of a test\n"+kid+":"+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if data, err := hex.DecodeString(key); err == nil && r.URL.Path == "/"+kid {
			_, _ = w.Write(data)
		}
	}))
	t.Cleanup(server.Close)
	all := flag.Lookup("all").Value.String() == "true"
	for _, c := range []struct {
		name, container, settings string
		players                   map[string]string
		always                    bool
	}{
		{"cbcs, AC-3 beside AAC", "cmaf", `"audio": {"codec": "copy", "second": "stereo"}, "package": {"seconds": 2, "encryption": {"keys": %q, "keyUrl": %q}}`, map[string]string{"film.mpd": "shaka", "film.m3u8": "shaka"}, true},
		{"cenc, single files", "cmaf", `"package": {"seconds": 2, "singleFile": true, "encryption": {"scheme": "cenc", "keys": %q, "keyUrl": %q}}`, map[string]string{"film.mpd": "shaka", "film.m3u8": "shaka"}, false},
		{"aes-128", "hls", `"package": {"seconds": 2, "encryption": {"scheme": "aes-128", "keys": %q, "keyUrl": %q}}`, map[string]string{"film.m3u8": "hls"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !all && !c.always {
				t.Skip("only with -all: make players")
			}
			folder := t.TempDir()
			request := fmt.Appendf(nil, `{"source": %q, "destination": %q, "outputs": [{"name": "film", "container": %q, "video": [{"preset": "ultrafast"}], `+c.settings+`}], "segment": {"seconds": 2}}`,
				source, folder, c.container, keys, server.URL+"/{kid}")
			if _, err := local.Run(t.Context(), request, local.Options{Scratch: t.TempDir(), Registry: kinds.All(tools, kinds.Options{})}); err != nil {
				t.Fatal(err)
			}
			times, want := []float64{0.5 / 24, 50.5 / 24, 20.5 / 24, 94.5 / 24}, []int{0, 50, 20, 94}
			for playlist, player := range c.players {
				if !all && player == "shaka" && playlist != "film.mpd" {
					continue
				}
				clear := map[string]string{kid: key}
				if playlist == "film.m3u8" { // which says itself where the key is
					clear = nil
				}
				var got [][]int
				if player == "shaka" {
					got = playertest.DecryptedFrames(t, clear, folder, playlist, times, bit)
				} else {
					got = playertest.Frames(t, folder, playlist, player, times, bit)
				}
				if fmt.Sprint(got) != fmt.Sprint([][]int{want}) {
					t.Errorf("%s in %s: the frames are %v, want %v", playlist, player, got, want)
				}
			}
		})
	}
}
