package playertest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/manifest"
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
	checkThumbnails(t, folder)
	checkThumbnailFrames(t, folder, bits)
	for _, c := range []struct{ player, playlist string }{
		{"shaka", "film.mpd"}, {"shaka", "film.m3u8"}, {"dash", "film.mpd"}, {"mapreel", "film.m3u8"}, {"hls", "film.m3u8"},
	} {
		t.Run("thumbnails, "+c.player+", "+c.playlist, func(t *testing.T) {
			var positions []float64
			for range 5 {
				positions = append(positions, 11.8*random.Float64())
			}
			t.Parallel()
			for i, n := range playertest.Thumbnails(t, folder, c.playlist, c.player, positions, bits) {
				if want := int(math.Floor(math.Floor(positions[i]) * 24 / 1.001)); n != want {
					t.Errorf("at %.3f s the thumbnail is of frame %d, want %d, which is on screen at that second", positions[i], n, want)
				}
			}
		})
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

// The cues of thumbnails cover the film without gap or overlap, and sheets, storyboard, cues and playlist
// agree.
func checkThumbnails(t *testing.T, folder string) {
	t.Helper()
	read := func(pattern string) string {
		paths, err := filepath.Glob(filepath.Join(folder, "film", "*", pattern))
		if err != nil || len(paths) != 1 {
			t.Fatalf("%s: %q, %v", pattern, paths, err)
		}
		text, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var board struct {
		Duration      float64
		TileWidth     int `json:"tile_width"`
		TileHeight    int `json:"tile_height"`
		Columns, Rows int
		Tiles         []struct {
			Sheet      string
			X, Y       int
			Start, End float64
		}
	}
	if err := json.Unmarshal([]byte(read("thumbnails.json")), &board); err != nil {
		t.Fatal(err)
	}
	cues := regexp.MustCompile(`(?m)^00:00:(\S+) --> 00:00:(\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$`).FindAllStringSubmatch(read("thumbnails.vtt"), -1)
	if len(cues) != 12 || len(board.Tiles) != 12 {
		t.Fatalf("%d cues and %d tiles, want 12", len(cues), len(board.Tiles))
	}
	end := "00.000"
	for i, c := range cues {
		tile := board.Tiles[i]
		if want := []string{end, c[2], tile.Sheet, fmt.Sprint(tile.X), fmt.Sprint(tile.Y), fmt.Sprint(board.TileWidth), fmt.Sprint(board.TileHeight)}; !slices.Equal(c[1:], want) {
			t.Errorf("cue %d is %q, want %q", i, c[1:], want)
		}
		if want := fmt.Sprintf("%06.3f", tile.Start); c[1] != want {
			t.Errorf("cue %d begins at %s, the storyboard has %s", i, c[1], want)
		}
		end = c[2]
	}
	if want := fmt.Sprintf("%06.3f", board.Duration); end != want {
		t.Errorf("the cues end at %s, the film at %s", end, want)
	}
	read("film-sprites-0000.jpg")
	playlist := read("thumbnails.m3u8")
	for _, want := range []string{
		fmt.Sprintf("#EXTINF:%.6f,", board.Duration), "\nfilm-sprites-0000.jpg\n",
		fmt.Sprintf("#EXT-X-TILES:RESOLUTION=%dx%d,LAYOUT=%dx%d,DURATION=1.000000", board.TileWidth, board.TileHeight, board.Columns, board.Rows),
	} {
		if !strings.Contains(playlist, want) {
			t.Errorf("the image playlist lacks %q:\n%s", want, playlist)
		}
	}
}

// Each range of the I-frame playlist of images is a fragment at its time whose only sample is a JPEG of the frame that is on screen then.
func checkThumbnailFrames(t *testing.T, folder string, bits int) {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join(folder, "film", "*", "thumbnails-iframes.m3u8"))
	if err != nil || len(lists) != 1 {
		t.Fatalf("%q, %v", lists, err)
	}
	text, err := os.ReadFile(lists[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := manifest.Check(os.DirFS(folder), "film.m3u8"); err != nil {
		t.Errorf("Check reports:\n%v", err)
	}
	init, err := os.ReadFile(filepath.Join(filepath.Dir(lists[0]), "thumbnails", "init.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	entries := regexp.MustCompile(`(?m)^#EXTINF:(\S+),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)$`).FindAllStringSubmatch(string(text), -1)
	if len(entries) != 12 {
		t.Fatalf("%d ranges, want 12:\n%s", len(entries), text)
	}
	for k, e := range entries {
		file, err := os.ReadFile(filepath.Join(filepath.Dir(lists[0]), e[4]))
		if err != nil {
			t.Fatal(err)
		}
		size, _ := strconv.Atoi(e[2])
		offset, _ := strconv.Atoi(e[3])
		if k == 11 && offset+size != len(file) {
			t.Errorf("the last range ends at %d of %d bytes", offset+size, len(file))
		}
		whole := append(slices.Clone(init), file[offset:offset+size]...)
		chunk, extents, err := isobmff.ReadFragments(bytes.NewReader(whole), int64(len(whole)))
		if err != nil || len(chunk.Samples) != 1 || len(extents) != 1 {
			t.Fatalf("range %d has %d samples: %v", k, len(chunk.Samples), err)
		}
		if codecs, err := chunk.Track.Codecs(); err != nil || codecs != "mjpg" {
			t.Errorf("the codec is %q: %v", codecs, err)
		}
		const lead = 10 // seconds by which media time is later
		if want := int64(lead+k) * int64(chunk.Track.Timescale); chunk.Start != want || !chunk.Samples[0].Sync {
			t.Errorf("range %d is shown at %d, want %d", k, chunk.Start, want)
		}
		img, err := jpeg.Decode(isobmff.Payload(bytes.NewReader(whole), extents))
		if err != nil {
			t.Fatalf("range %d: %v", k, err)
		}
		n := 0
		for i := range bits {
			if r, _, _, _ := img.At((2*i+1)*img.Bounds().Dx()/bits/2, img.Bounds().Dy()/2).RGBA(); r > 0x7fff {
				n |= 1 << i
			}
		}
		if want := int(math.Floor(float64(k) * 24 / 1.001)); n != want {
			t.Errorf("range %d shows frame %d, want %d", k, n, want)
		}
	}
}
