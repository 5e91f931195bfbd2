package job_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
)

// transcode makes outputs of a source, and returns their folder.
func transcode(t *testing.T, source, outputs string) string {
	t.Helper()
	found, err := find()
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	request := fmt.Sprintf(`{"source": %q, "destination": %q, "segment": {"seconds": 1}, "outputs": %s}`, source, to, outputs)
	_, err = local.Run(t.Context(), json.RawMessage(request), local.Options{Scratch: t.TempDir(), Jobs: 2, Registry: kinds.All(found, kinds.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// jobFolder matches the part of a path that names the job.
var jobFolder = regexp.MustCompile(`/[0-9a-f]{8}/`)

// bandwidth matches the numbers in manifests that may differ by a few bytes a segment where all frames are the same.
var bandwidth = regexp.MustCompile(`(?i)bandwidth="?[0-9]+`)

// published returns the files below a folder: their paths without the names of jobs, by which they are found.
func published(t *testing.T, folder string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(folder, func(at string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, at)
		list[jobFolder.ReplaceAllString(filepath.ToSlash(rel), "/JOB/")] = at
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// text returns the text of a file without the names of jobs.
func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return jobFolder.ReplaceAllString(string(data), "/JOB/")
}

// What a tool's pictures give as packages, files and previews is what a transcode of these pictures gives: here of the source, which the tool
// leaves unchanged.
func TestPicturesBecomeWhatATranscodeOfThemGives(t *testing.T) {
	t.Parallel()
	source := newFilm(t)
	const outputs = `[
		{"name": "same", "container": "cmaf", "package": {"seconds": 1, "keyframes": 1}, "video": [{"crf": 0, "preset": "ultrafast"}, {"height": 60, "crf": 0, "preset": "ultrafast"}]},
		{"name": "file", "container": "mkv", "video": [{"crf": 0, "preset": "ultrafast"}]},
		{"name": "sized", "targetSize": 100000, "video": [{"preset": "ultrafast"}], "audio": {"loudness": -30}},
		{"name": "same", "container": "poster"}, {"name": "same", "container": "stills", "preview": {"every": 0.5, "format": "png"}}]`
	want := published(t, transcode(t, source, outputs))
	b := newBench(t, source)
	if _, err := b.run(t, `{"name": "same", "each": "segment", "as": {"format": "mkv"}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR/x.mkv"],
		"outputs": [{"join": "video", "films": `+outputs+`}]}`); err != nil {
		t.Fatal(err)
	}
	got := published(t, b.out)
	for name, at := range want {
		if got[name] == "" {
			t.Errorf("there is no %s", name)
			continue
		}
		switch ext := filepath.Ext(name); {
		case name == "same.m3u8" || name == "same.mpd" || ext == ".png" || ext == ".vtt":
			if diff := cmp.Diff(bandwidth.ReplaceAllString(text(t, at), ""), bandwidth.ReplaceAllString(text(t, got[name]), "")); diff != "" {
				t.Errorf("%s (-transcode +tool):\n%s", name, diff)
			}
		case name == "file.mkv", ext == ".m3u8" && !strings.Contains(name, "iframes") && strings.Contains(text(t, at), "#EXT-X-MAP"):
			if diff := cmp.Diff(streams(t, at), streams(t, got[name])); diff != "" {
				t.Errorf("%s (-transcode +tool):\n%s", name, diff)
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, a transcode gives %d", len(got), len(want))
	}
	frame := func(line string) string { fields := strings.Split(line, ","); return fields[len(fields)-1] }
	for _, name := range []string{"same/JOB/120p.m3u8", "file.mkv"} {
		var a, b []string
		for _, line := range frames(t, source) {
			a = append(a, frame(line))
		}
		for _, line := range frames(t, got[name]) {
			b = append(b, frame(line))
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("frames of %s (-source +film):\n%s", name, diff)
		}
	}
	sound := func(path string) string { return ffmpegRun(t, "-i", path, "-map", "0:a", "-f", "md5", "-") }
	if got, want := sound(got["sized.mp4"]), sound(want["sized.mp4"]); got != want || got == sound(source) {
		t.Errorf("sound of another loudness: %s, a transcode gives %s", got, want)
	}
	if info, err := os.Stat(got["sized.mp4"]); err != nil || info.Size() > 100_000 || info.Size() < 50_000 {
		t.Errorf("the file of 100 kB has %d: %v", info.Size(), err)
	}
}

// streams returns a line for each packet of all streams of a file or playlist, decoded.
func streams(t *testing.T, path string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(ffmpegRun(t, "-copyts", "-i", path, "-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough", "-f", "framemd5", "-")) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	slices.Sort(list)
	return list
}

// The cues of other tools become subtitle tracks of packages and files that do not ask for none.
func TestCuesBecomeTracksOfAPackage(t *testing.T) {
	t.Parallel()
	b := newBench(t, newFilm(t))
	report, err := b.run(t, `
		{"name": "boxes", "each": "frames", "as": {"format": "png"}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH/* $TMP_OUTPUT_DIR"],
			"outputs": [{"join": "video", "subtitles": [{"tool": "said", "language": "de", "title": "Speech", "default": true}, {"tool": "mute"}],
				"films": [{"container": "hls", "package": {"thumbnails": "none"}, "video": [{"preset": "ultrafast"}]}, {"name": "bare", "subtitles": "none", "video": [{"preset": "ultrafast"}]},
					{"name": "file", "container": "mkv", "video": [{"preset": "ultrafast"}]}]}]},
		{"name": "mute", "each": "sound", "outputs": [{"join": "cues"}], "command": ["true"]},
		{"name": "said", "each": "sound", "outputs": [{"join": "cues"}], "command": ["sh", "-c",
			"printf '1\n00:00:00,200 --> 00:00:00,700\npiece %d\n\n' $MAPREEL_INDEX > $TMP_OUTPUT_DIR/a.srt"]}`)
	if err != nil {
		t.Fatal(err)
	}
	got := published(t, b.out)
	playlist := text(t, got["boxes.m3u8"])
	for _, want := range []string{`TYPE=SUBTITLES`, `LANGUAGE="de"`, `NAME="Speech"`, `TYPE=AUDIO`} {
		if !strings.Contains(playlist, want) {
			t.Errorf("the playlist has no %s:\n%s", want, playlist)
		}
	}
	var cues string
	for name, at := range got {
		if filepath.Ext(name) == ".vtt" && strings.HasPrefix(name, "boxes/") {
			cues += text(t, at)
		}
	}
	for i := range 3 {
		if want := fmt.Sprintf("00:0%d.200 --> 00:0%d.700\npiece %d\n", i, i, i); !strings.Contains(cues, want) {
			t.Errorf("the subtitles have no %q:\n%s", want, cues)
		}
	}
	if n, want := len(frames(t, got["boxes.m3u8"])), len(frames(t, b.source)); n != want {
		t.Errorf("the package has %d frames, want %d", n, want)
	}
	found, err := find()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"bare.mp4": {"video", "audio"}, "file.mkv": {"video", "audio", "subtitle"}} {
		out, err := exec.CommandContext(t.Context(), found.FFprobe, "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", got[name]).Output()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q: %v", name, got, want, err)
		}
	}
	var said []string
	for _, w := range report.Warnings {
		if strings.Contains(w, "mute left no cues") {
			said = append(said, w)
		}
	}
	if len(said) != 1 {
		t.Errorf("the tool without cues is named by %q, want one warning", said)
	}
}

// A setting that the source does not allow is refused at its place, before any work.
func TestAFilmThatCannotBeMadeIsRefusedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	b := newBench(t, newFilm(t))
	_, err := b.run(t, `{"name": "same", "each": "segment", "command": ["false"], "outputs": [{"join": "video", "films": [{"container": "hls"}, {"audio": {"tracks": "2"}}]}]}`)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "/tools/0/outputs/0/films/1/audio/tracks: ") {
		t.Errorf("got %s: %v", fault.KindOf(err), err)
	}
}

// A film has the size that the tool gave its pictures, and so have its ladder and what is said of it.
func TestAFilmFollowsTheSizeOfThePictures(t *testing.T) {
	t.Parallel()
	b := newBench(t, newFilm(t))
	report, err := b.run(t, `{"name": "twice", "each": "segment", "as": {"format": "mkv"}, "command": ["sh", "-c",
			"ffmpeg -v error -i $INPUT_FILE_PATH -an -vf scale=320:240 -fps_mode passthrough -c:v ffv1 $TMP_OUTPUT_DIR/x.mkv"],
		"outputs": [{"join": "video", "films": [{"video": [{"preset": "ultrafast", "height": 240}]},
			{"name": "more", "container": "hls", "video": [{"preset": "ultrafast", "height": 300}, {"preset": "ultrafast", "height": 200}]}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	got := published(t, b.out)
	for _, name := range []string{"more/JOB/240p.m3u8", "more/JOB/200p.m3u8"} {
		if got[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	if lines := frames(t, got["twice.mp4"]); !strings.Contains(lines[0], fmt.Sprint(320*240*3/2)) {
		t.Errorf("a frame of the film: %s", lines[0])
	}
	if want := []string{"more.m3u8: note: height 300 does nothing: the source has 240 lines, which upscale would enlarge"}; !slices.Equal(report.Warnings, want) {
		t.Errorf("warnings %q, want %q", report.Warnings, want)
	}
}

// Subtitles that tools make are a part of the size that a file is to have.
func TestCuesAreAPartOfTheSizeOfAFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, newFilm(t))
	_, err := b.run(t, `
		{"name": "sized", "each": "segment", "as": {"format": "mkv"}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR/x.mkv"],
			"outputs": [{"join": "video", "subtitles": [{"tool": "said"}], "films": [{"targetSize": 180000, "video": [{"preset": "ultrafast"}]}]}]},
		{"name": "said", "each": "sound", "outputs": [{"join": "cues"}], "command": ["sh", "-c",
			"printf '1\n00:00:00,200 --> 00:00:00,700\n%030000d\n\n' $MAPREEL_INDEX > $TMP_OUTPUT_DIR/a.srt"]}`)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(b.out, "sized.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 180_000 || info.Size() < 150_000 {
		t.Errorf("the file of 180 kB has %d", info.Size())
	}
}
