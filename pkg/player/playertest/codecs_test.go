package playertest_test

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player/playertest"
)

// Tests what Chromium decodes besides H.264 and AAC, in packages made by whole jobs. Chromium has no
// HEVC decoder.
func TestPlayersPlayEveryCodec(t *testing.T) {
	if flag.Lookup("all").Value.String() != "true" {
		t.Skip("only with -all: make players")
	}
	const length = 6 // seconds
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	clip := func(name string, args ...string) string {
		path := filepath.Join(dir, name)
		all := append(strings.Fields(fmt.Sprintf("-v error -nostdin -y -f lavfi -i testsrc2=size=320x180:rate=25:duration=%d -f lavfi -i sine=440:duration=%[1]d:sample_rate=48000", length)), args...)
		if out, err := exec.CommandContext(t.Context(), "ffmpeg", append(all, path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return path
	}
	plain := clip("plain.mkv", strings.Fields("-map 0 -map 1 -map 1 -c:v libx264 -preset ultrafast -c:a aac -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu")...)
	hdr := clip("hdr.mkv", "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc",
		"-x265-params", "log-level=error:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400", "-c:a", "aac")
	dolby := clip("dolby.mkv", strings.Fields("-map 0 -map 1 -map 1 -c:v libx264 -preset ultrafast -ac 6 -c:a:0 ac3 -c:a:1 eac3 -metadata:s:a:0 language=eng -metadata:s:a:1 language=eng")...)
	for _, c := range []struct {
		name, source string
		output       string
		playlists    []string
		audioTracks  int
	}{
		{"AV1 with Opus", plain, `"container": "cmaf", "video": [{"codec": "av1", "preset": "12"}, {"codec": "av1", "preset": "12", "height": 90}], "audio": {"codec": "opus"}`, []string{"film.m3u8", "film.mpd"}, 2},
		{"H.264 with Opus, single files", plain, `"container": "cmaf", "video": [{"preset": "ultrafast"}, {"preset": "ultrafast", "height": 90}], "audio": {"codec": "opus"}, "package": {"seconds": 2, "singleFile": true}`, []string{"film.m3u8", "film.mpd"}, 2},
		{"VP9", plain, `"container": "dash", "video": [{"codec": "vp9", "preset": "8"}, {"codec": "vp9", "preset": "8", "height": 90}]`, []string{"film.mpd"}, 2},
		{"HDR10 in AV1", hdr, `"container": "cmaf", "video": [{"codec": "av1", "preset": "12"}, {"codec": "av1", "preset": "12", "height": 90}]`, []string{"film.m3u8", "film.mpd"}, 1},
		{"HDR10 in VP9", hdr, `"container": "dash", "video": [{"codec": "vp9", "preset": "8"}, {"codec": "vp9", "preset": "8", "height": 90}]`, []string{"film.mpd"}, 1},
		// Chromium decodes no AC-3: the players take the mixes of both tracks.
		{"AC-3 and E-AC-3 beside AAC", dolby, `"container": "cmaf", "video": [{"preset": "ultrafast"}, {"preset": "ultrafast", "height": 90}], "audio": {"codec": "copy", "second": "stereo"}`, []string{"film.m3u8", "film.mpd"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(c.output, `"package"`) {
				c.output += `, "package": {"seconds": 2}`
			}
			folder := t.TempDir()
			request := fmt.Appendf(nil, `{"source": %q, "destination": %q, "outputs": [{"name": "film", %s}], "segment": {"seconds": 4}}`, c.source, folder, c.output)
			options := local.Options{Scratch: t.TempDir(), Registry: kinds.All(tools, kinds.Options{})}
			if _, err := local.Run(t.Context(), request, options); err != nil {
				t.Fatal(err)
			}
			for _, playlist := range c.playlists {
				t.Run(playlist, func(t *testing.T) {
					o := playertest.Options{Duration: length}
					if playlist == "film.m3u8" { // dash.js may load a segment in two rungs
						o.Frames = 25 * length
					}
					r := playertest.Play(t, folder, playlist, o)
					if len(r.Rungs) != 2 || r.AudioTracks != c.audioTracks || len(r.Seeks) != 5 || len(r.Switches) != 3 {
						t.Errorf("the player reports %+v", r)
					}
				})
			}
		})
	}
}
