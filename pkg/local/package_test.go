package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/player/playertest"
)

// bilingual makes a film of nine seconds with B-frames, audio in two languages and subtitles. No media segment begins at one
// of its keyframes.
func bilingual(t *testing.T) string {
	t.Helper()
	subtitles := filepath.Join(t.TempDir(), "in.srt")
	text := "1\n00:00:01,000 --> 00:00:02,500\nFirst\n\n2\n00:00:07,250 --> 00:00:08,000\nLast\n"
	if err := os.WriteFile(subtitles, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return clip(t, "in.mkv", args(picture(9), tone(9), []string{
		"-i", subtitles, "-map", "0", "-map", "1", "-map", "1", "-map", "2", "-c:v", "libx264", "-bf", "3", "-g", "35", "-c:a", "aac", "-c:s", "srt",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=eng", "-disposition:a:0", "default",
	})...)
}

func packageRequest(t *testing.T, source, destination, output string) film.Request {
	t.Helper()
	body := fmt.Sprintf(`{"source": %q, "destination": %q, "outputs": [%s], "segment": {"seconds": 4}}`, source, destination, output)
	req, err := film.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// content returns all files below a folder by their paths.
func content(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, path))
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// frameTimes returns the presentation times of a file's or a playlist's frames in seconds from the first, as ffprobe reports
// them.
func frameTimes(t *testing.T, path string) (times []string) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-select_streams", "v:0",
		"-show_entries", "packet=pts_time", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	var all []float64
	for _, line := range strings.Fields(string(out)) {
		at, err := strconv.ParseFloat(strings.Trim(line, ","), 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, at)
	}
	slices.Sort(all)
	for _, at := range all {
		times = append(times, fmt.Sprintf("%.3f", at-all[0]))
	}
	return times
}

// ladderOf is two renditions in a package; %v: whether it has a single file for each.
const ladderOf = `"video": [{"preset": "ultrafast"}, {"height": 46, "preset": "ultrafast", "maxBitrate": "200k"}], "package": {"seconds": 2, "singleFile": %v}`

func TestPackagesHaveTheSourcesFramesAndPlay(t *testing.T) {
	t.Parallel()
	source := bilingual(t)
	want := frameTimes(t, source)
	for _, single := range []bool{false, true} {
		t.Run(fmt.Sprintf("single files: %v", single), func(t *testing.T) {
			out := t.TempDir()
			req := packageRequest(t, source, out, fmt.Sprintf(`{"name": "film", "container": "cmaf", `+ladderOf+`}`, single))
			scratch := t.TempDir()
			report, err := run(context.Background(), req, scratch, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Warnings) > 0 {
				t.Errorf("warnings: %q", report.Warnings)
			}
			if err := manifest.Check(os.DirFS(out), "film.m3u8"); err != nil {
				t.Error(err)
			}
			media, err := filepath.Glob(filepath.Join(out, "film", "*", "*p.m3u8"))
			if err != nil || len(media) != 2 {
				t.Fatalf("media playlists: %q, %v", media, err)
			}
			for _, path := range append(media, filepath.Join(out, "film.m3u8"), filepath.Join(out, "film.mpd")) {
				if diff := cmp.Diff(want, frameTimes(t, path)); diff != "" {
					t.Errorf("%s: frames (-source +package):\n%s", filepath.Base(path), diff)
				}
			}
			before := content(t, out)
			if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, content(t, out)); diff != "" {
				t.Errorf("a second run of the request gave other files")
			}
			// make players plays the other pairs, of whole jobs too.
			playlist, o := "film.m3u8", playertest.Options{Duration: 9, Frames: len(want)}
			if single { // dash.js may load the same frames in two renditions
				playlist, o.Frames = "film.mpd", 0
			}
			r := playertest.Play(t, out, playlist, o)
			if r.AudioTracks != 2 || r.SubtitleTracks != 1 {
				t.Errorf("%s: %d audio tracks and %d subtitle tracks, want 2 and 1", playlist, r.AudioTracks, r.SubtitleTracks)
			}
		})
	}
}

func TestALostFileOfAPackageIsMadeAgain(t *testing.T) {
	t.Parallel()
	source, out, scratch := bilingual(t), t.TempDir(), t.TempDir()
	req := packageRequest(t, source, out, fmt.Sprintf(`{"name": "film", "container": "hls", `+ladderOf+`}`, false))
	if _, err := run(context.Background(), req, scratch, nil); err != nil {
		t.Fatal(err)
	}
	whole := content(t, out)

	encoded := func() (segments int) {
		t.Helper()
		_, err := run(context.Background(), req, scratch, func(e local.Event) {
			if e.Type == engine.Done && strings.HasPrefix(e.Unit, "video/") {
				segments++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, content(t, out)); diff != "" {
			t.Errorf("the files of the package differ")
		}
		return segments
	}
	if n := encoded(); n != 0 {
		t.Errorf("a finished package was encoded again: %d segments", n)
	}
	segments, err := filepath.Glob(filepath.Join(out, "film", "*", "*p", "*.m4s"))
	if err != nil || len(segments) != 10 {
		t.Fatalf("%d media segments, want 10: %v", len(segments), err)
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	if n := encoded(); n != 1 {
		t.Errorf("with one media segment gone, %d segments were encoded again, want 1", n)
	}
	if err := os.Remove(filepath.Join(out, "film.m3u8")); err != nil {
		t.Fatal(err)
	}
	encoded()
}

func TestPackagesOfSourcesWithoutIndex(t *testing.T) {
	t.Parallel()
	source := makeFilm(t, "in.ts")
	out := t.TempDir()
	req := packageRequest(t, source, out, `{"name": "film", "container": "hls", "video": [{"preset": "ultrafast"}], "package": {"seconds": 2}}`)
	if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if err := manifest.Check(os.DirFS(out), "film.m3u8"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(frameTimes(t, source), frameTimes(t, filepath.Join(out, "film.m3u8"))); diff != "" {
		t.Errorf("frames (-source +package):\n%s", diff)
	}
}

func TestPackagesInEveryCodec(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mp4", args(picture(4), []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "50"})...)
	for codec, video := range map[string]string{
		"hevc": `{"codec": "h265", "preset": "ultrafast"}`,
		"vp9":  `{"codec": "vp9", "preset": "8", "maxBitrate": "500k"}`,
		"av1":  `{"codec": "av1", "preset": "13"}`,
		"h264": `{"preset": "ultrafast", "frameRate": "30"}`,
	} {
		t.Run(codec, func(t *testing.T) {
			out := t.TempDir()
			req := packageRequest(t, source, out, `{"name": "film", "container": "dash", "video": [`+video+`], "package": {"seconds": 2}}`)
			if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(out, "film.mpd")
			got := frameTimes(t, path)
			if want := frameTimes(t, source); codec != "h264" && !slices.Equal(got, want) || codec == "h264" && len(got) != 120 {
				t.Errorf("%d frames at %v, the source has %d at %v", len(got), got, len(want), want)
			}
			data, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "json", path).Output()
			var probed struct {
				Streams []struct {
					Codec string `json:"codec_name"`
				}
			}
			if err != nil || json.Unmarshal(data, &probed) != nil || len(probed.Streams) != 2 || probed.Streams[0].Codec != codec || probed.Streams[1].Codec != codec { // the second is for trick play
				t.Errorf("ffprobe reports %s, %v", data, err)
			}
		})
	}
}

// HLS declares the highest frame rate, and DASH the average. Of the sources, Matroska declares the highest and MP4 the average.
func TestFrameRatesOfPackages(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"in.mkv", "in.mp4"} {
		source := clip(t, name, args(picture(8), []string{"-vf", "select='gte(t,4)+not(mod(n,5))'", "-fps_mode", "vfr", "-c:v", "libx264", "-g", "25"})...)
		out := t.TempDir()
		req := packageRequest(t, source, out, `{"name": "film", "container": "cmaf", `+fmt.Sprintf(ladderOf, true)+`}`)
		if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{"film.m3u8": "FRAME-RATE=24.000,", "film.mpd": `frameRate="29/2"`} {
			text, err := os.ReadFile(filepath.Join(out, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), want) != 2 {
				t.Errorf("%s of %s does not declare %s for both renditions:\n%s", file, name, want, text)
			}
		}
	}
}

// Audio is often a codec frame longer than the video. hls.js never loads a media segment of a few milliseconds.
func TestTheLastMediaSegmentIsNotTiny(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mkv", args(picture(5), tone(5), []string{"-c:v", "libx264", "-g", "25", "-c:a", "aac", "-t", "4.09"})...)
	out := t.TempDir()
	req := packageRequest(t, source, out, `{"name": "film", "container": "hls", `+fmt.Sprintf(ladderOf, false)+`, "audio": {"codec": "opus"}}`)
	if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if err := manifest.Check(os.DirFS(out), "film.m3u8"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(frameTimes(t, source), frameTimes(t, filepath.Join(out, "film.m3u8"))); diff != "" {
		t.Errorf("frames (-source +package):\n%s", diff)
	}
	for _, rendition := range []string{"audio-1", "108p", "46p"} {
		files, err := filepath.Glob(filepath.Join(out, "film", "*", rendition, "*.m4s"))
		if err != nil || len(files) != 2 {
			t.Errorf("%s has %d media segments, want 2: %q, %v", rendition, len(files), files, err)
		}
	}
}
