package local_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sequenceNumbers returns the numbers of the fragments (mfhd) in media segments or in a single file.
func sequenceNumbers(t *testing.T, files []string) (numbers []uint32) {
	t.Helper()
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); {
			size := int(binary.BigEndian.Uint32(data[at:]))
			if string(data[at+4:at+8]) == "moof" {
				if kind := string(data[at+12 : at+16]); kind != "mfhd" {
					t.Fatalf("%s: a moof starts with %q", name, kind)
				}
				numbers = append(numbers, binary.BigEndian.Uint32(data[at+20:]))
			}
			at += size
		}
	}
	return numbers
}

// A player that scrubs shows the keyframes of the I-frame playlist, and VLC takes a fragment whose number is not the next
// one for a discontinuity.
func TestPackagesHaveEvenKeyframesAndCountFragments(t *testing.T) {
	t.Parallel()
	indexed := clip(t, "in.mkv", args(picture(9), tone(9), []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "35", "-c:a", "aac"})...)
	stream := makeFilm(t, "in.ts")
	for name, c := range map[string]struct{ source, video, single string }{
		"h264":            {indexed, `{"preset": "ultrafast"}`, "false"},
		"h264 in a file":  {indexed, `{"preset": "ultrafast"}`, "true"},
		"h265":            {indexed, `{"codec": "h265", "preset": "ultrafast"}`, "false"},
		"av1":             {indexed, `{"codec": "av1", "preset": "13"}`, "false"},
		"constant rate":   {indexed, `{"preset": "ultrafast", "frameRate": 30}`, "false"},
		"without index":   {stream, `{"preset": "ultrafast"}`, "false"},
		"AV1, no index":   {stream, `{"codec": "av1", "preset": "13"}`, "false"},
		"two, one chosen": {indexed, `{"preset": "ultrafast"}, {"codec": "av1", "preset": "13"}`, "false"},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			req := packageRequest(t, c.source, out, `{"name": "film", "container": "hls", "video": [`+c.video+`], "package": {"seconds": 3, "keyframes": 1, "singleFile": `+c.single+`}}`)
			if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
			folders, err := filepath.Glob(filepath.Join(out, "film", "*", "*"))
			if err != nil {
				t.Fatal(err)
			}
			tracks := 0
			for _, path := range folders {
				files := []string{path}
				if info, err := os.Stat(path); err == nil && info.IsDir() {
					if files, err = filepath.Glob(filepath.Join(path, "*.m4s")); err != nil {
						t.Fatal(err)
					}
				} else if filepath.Ext(path) != ".mp4" {
					continue
				}
				if len(files) == 0 {
					continue
				}
				tracks++
				slices.SortFunc(files, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) // by their time
				for i, n := range sequenceNumbers(t, files) {
					if n != uint32(i+1) {
						t.Errorf("%s: fragment %d has the number %d", filepath.Base(path), i+1, n)
						break
					}
				}
			}
			if want := 4 + 2*strings.Count(c.video, "}, {"); tracks != want { // audio, and thumbnails; each codec has a rendition for trick play
				t.Errorf("%d tracks in %q, want %d", tracks, folders, want)
			}
			playlists, _ := filepath.Glob(filepath.Join(out, "film", "*", "*-iframes.m3u8"))
			for _, path := range playlists {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				frames, longest, least := 0, 1.6, 8
				if strings.Contains(filepath.Base(path), "trickplay") && strings.Contains(c.video, "av1") { // every second frame is a keyframe
					longest, least = 2.6, 4
				}
				for line := range strings.Lines(string(text)) {
					value, ok := strings.CutPrefix(strings.TrimSpace(line), "#EXTINF:")
					if !ok {
						continue
					}
					frames++
					if d, err := strconv.ParseFloat(strings.TrimSuffix(value, ","), 64); err != nil || d > longest {
						t.Errorf("%s: keyframe %d is shown for %s s", filepath.Base(path), frames, value)
					}
				}
				if frames < least {
					t.Errorf("%s has %d keyframes", filepath.Base(path), frames)
				}
			}
			if want := 3 + 2*strings.Count(c.video, "}, {"); len(playlists) != want { // that of thumbnails, too
				t.Errorf("there are %d I-frame playlists, want %d", len(playlists), want)
			}
		})
	}
}
