package job_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
)

// newFilm makes a film of three seconds whose frames do not follow each other at a constant rate.
func newFilm(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film.mp4")
	ffmpegRun(t, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=3", "-f", "lavfi", "-i", "sine=frequency=500:duration=3",
		"-vf", "hue=s=0.6,gblur=2,scale=out_color_matrix=bt709,select='not(eq(mod(n,7),3))'", "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-pix_fmt", "yuv420p",
		"-color_range", "tv", "-colorspace", "bt709", "-c:a", "aac", path)
	return path
}

func ffmpegRun(t *testing.T, args ...string) string {
	t.Helper()
	found, err := find()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), found.FFmpeg, append([]string{"-v", "error", "-y"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return string(out)
}

// frames returns a line for each frame of a film: its time, its duration and a digest of what it shows.
func frames(t *testing.T, path string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(ffmpegRun(t, "-copyts", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// What a tool leaves unchanged, as movies without loss, is the source, frame for frame and with its sound, however it is cut.
func TestMoviesOfPiecesAreTheFilm(t *testing.T) {
	t.Parallel()
	source := newFilm(t)
	want := frames(t, source)
	if len(want) < 60 {
		t.Fatalf("the source has %d frames", len(want))
	}
	for _, seconds := range []int{1, 600} {
		b := newBench(t, source)
		b.seconds = seconds
		report, err := b.run(t, `{"name": "same", "each": "segment", "as": {"format": "mkv"}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR/x.mkv"],
			"outputs": [{"join": "video", "path": "films", "video": {"crf": 0}}]}`)
		if err != nil {
			t.Fatal(err)
		}
		if n := report.Ran["tool"]; (n > 1) != (seconds == 1) {
			t.Errorf("%d pieces of %d s", n, seconds)
		}
		made := filepath.Join(b.out, "films", "same.mp4")
		if diff := cmp.Diff(want, frames(t, made)); diff != "" {
			t.Errorf("%d s: frames (-source +film):\n%s", seconds, diff)
		}
		sound := func(path string) string { return ffmpegRun(t, "-i", path, "-map", "0:a", "-f", "md5", "-") }
		if got, want := sound(made), sound(source); got != want {
			t.Errorf("%d s: sound %s, want %s", seconds, got, want)
		}
	}
}

// Pictures give the same film from one piece and from several, and its colours are those of the source.
func TestPicturesOfPiecesAreTheFilm(t *testing.T) {
	t.Parallel()
	source := newFilm(t)
	for _, format := range []string{"png", "jpg"} {
		var made [][]string
		for _, seconds := range []int{600, 1} {
			b := newBench(t, source)
			b.seconds = seconds
			if _, err := b.run(t, fmt.Sprintf(`{"name": "same", "each": "frames", "as": {"format": %q}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH/* $TMP_OUTPUT_DIR"],
				"outputs": [{"join": "video", "video": {"crf": 0}}]}`, format)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(b.out, "same.mp4")
			made = append(made, frames(t, path))
			text := ffmpegRun(t, "-i", path, "-i", source, "-lavfi", "[0:v][1:v]psnr=stats_file=-", "-f", "null", "-")
			const least = 38 // dB; that of a wrong matrix or range is less
			for line := range strings.Lines(text) {
				var psnr float64
				if _, rest, ok := strings.Cut(line, "psnr_avg:"); ok {
					if _, err := fmt.Sscan(rest, &psnr); err != nil || psnr < least {
						t.Fatalf("%s, %d s: %s", format, seconds, line)
					}
				}
			}
		}
		if diff := cmp.Diff(made[0], made[1]); diff != "" {
			t.Errorf("%s: frames (-one piece +several):\n%s", format, diff)
		}
		times := func(list []string) (times []string) {
			for _, line := range list {
				times = append(times, strings.Join(strings.Fields(line)[2:4], " "))
			}
			return times
		}
		if diff := cmp.Diff(times(frames(t, source)), times(made[0])); diff != "" {
			t.Errorf("%s: times (-source +film):\n%s", format, diff)
		}
	}
}

// A piece whose pictures are not those of its frames is named, and the same command does that piece and the film.
func TestAPieceWithWrongPicturesIsNamed(t *testing.T) {
	t.Parallel()
	source := newFilm(t)
	for name, c := range map[string]struct{ harm, want string }{
		"missing":         {"rm $TMP_OUTPUT_DIR/000000000000.png", "tool/same/00002: same left no picture of frame 000000000000 (1 of "},
		"too many":        {"cp $TMP_OUTPUT_DIR/000000000000.png $TMP_OUTPUT_DIR/more.png", "tool/same/00002: same left the picture more.png, which is of no frame of its input"},
		"unreadable":      {"truncate -s 900 $TMP_OUTPUT_DIR/000000000000.png", "tool/same/00002: same left the picture 000000000000.png, which cannot be read: "},
		"too large":       {"cp $MAPREEL_TOOLS_DIR/large.png $TMP_OUTPUT_DIR/000000000000.png", "000000000000.png, which cannot be read: it has 8000x8000 pixels, more than 16 times"},
		"too tall":        {"cp $MAPREEL_TOOLS_DIR/tall.png $TMP_OUTPUT_DIR/000000000000.png", "000000000000.png, which cannot be read: it has 16x8641 pixels, and 16384x8640 are the most"},
		"of another size": {"cp $MAPREEL_TOOLS_DIR/small.png $TMP_OUTPUT_DIR/000000000000.png", "in another size or format"},
		"all of another":  {"for f in $TMP_OUTPUT_DIR/*; do cp $MAPREEL_TOOLS_DIR/small.png $f; done", "tool/same/00002: its pictures have 32x16 pixels, those of the first piece 160x120"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, source)
			ffmpegRun(t, "-f", "lavfi", "-i", "color=size=32x16", "-frames:v", "1", filepath.Join(b.out, "small.png"))
			writePicture(t, filepath.Join(b.out, "large.png"), 8000, 8000)
			writePicture(t, filepath.Join(b.out, "tall.png"), 16, 8641)
			tools := fmt.Sprintf(`{"name": "same", "each": "frames", "as": {"format": "png"}, "outputs": [{"join": "video"}], "command": ["sh", "-c",
				"cp $INPUT_FILE_PATH/* $TMP_OUTPUT_DIR; [ $MAPREEL_INDEX != 2 ] || [ -e $MAPREEL_TOOLS_DIR/well ] || { %s; }"]}`, c.harm)
			_, err := b.run(t, tools)
			if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %s: %v, want %q", fault.KindOf(err), err, c.want)
			}
			if _, err := os.Stat(filepath.Join(b.out, "same.mp4")); err == nil {
				t.Error("a film was published")
			}
			if name != "missing" {
				return
			}
			if err := os.WriteFile(filepath.Join(b.out, "well"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := b.run(t, tools); err != nil {
				t.Fatal(err)
			}
			ran := slices.DeleteFunc(slices.Clone(b.done), func(unit string) bool { return !strings.HasPrefix(unit, "tool/") })
			if diff := cmp.Diff([]string{"tool/same/00002"}, ran); diff != "" {
				t.Errorf("the same command runs (-want +got):\n%s", diff)
			}
			if got, want := len(frames(t, filepath.Join(b.out, "same.mp4"))), len(frames(t, source)); got != want {
				t.Errorf("%d frames of %d", got, want)
			}
		})
	}
}

// writePicture writes the header of a picture in PNG, and nothing that could be decoded.
func writePicture(t *testing.T, path string, width, height uint32) {
	t.Helper()
	chunk := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), width), height)
	chunk = append(chunk, 8, 0, 0, 0, 0) // grey, of 8 bits
	data := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), uint32(len(chunk)-4))
	data = binary.BigEndian.AppendUint32(append(data, chunk...), crc32.ChecksumIEEE(chunk))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A film has the shape and the colours that its source has when it is shown.
func TestAFilmIsShownAsItsSource(t *testing.T) {
	t.Parallel()
	flat, source := filepath.Join(t.TempDir(), "flat.mp4"), filepath.Join(t.TempDir(), "turned.mp4")
	ffmpegRun(t, "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2", "-vf", "scale=out_color_matrix=bt709:out_range=pc,setsar=4/3", "-c:v", "libx264", "-preset", "ultrafast",
		"-g", "20", "-pix_fmt", "yuv420p", "-color_range", "pc", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", flat)
	ffmpegRun(t, "-i", flat, "-c", "copy", "-metadata:s:v", "rotate=90", source)
	for each, as := range map[string]string{"frames": "png", "segment": "mkv"} {
		b := newBench(t, source)
		b.scratch = filepath.Join(b.scratch, "100%d") // which is no pattern
		if _, err := b.run(t, fmt.Sprintf(`{"name": "same", "each": %q, "as": {"format": %q}, "command": ["sh", "-c", "cp -r $TMP_INPUT_DIR/* $TMP_OUTPUT_DIR"],
			"outputs": [{"join": "video", "video": {"crf": 0}}]}`, each, as)); err != nil {
			t.Fatal(err)
		}
		found, err := find()
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), found.FFprobe, "-v", "error", "-select_streams", "v", "-show_entries",
			"stream=width,height,sample_aspect_ratio,color_range,color_space,color_transfer,color_primaries:stream_side_data=rotation", "-of", "csv=p=0", filepath.Join(b.out, "same.mp4")).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.TrimRight(string(out), ",\n"), "90,160,3:4,pc,bt709,bt709,bt709"; got != want {
			t.Errorf("%s: the film is %s, want %s", each, got, want)
		}
	}
}

// Frames at a constant rate repeat or leave out frames of the tool, also across a seam.
func TestAFilmAtAConstantRateDoesNotDependOnTheCut(t *testing.T) {
	t.Parallel()
	source := newFilm(t)
	var made [][]string
	for _, seconds := range []int{600, 1} {
		b := newBench(t, source)
		b.seconds = seconds
		if _, err := b.run(t, `{"name": "same", "each": "segment", "as": {"format": "mkv"}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR/x.mkv"],
			"outputs": [{"join": "video", "video": {"crf": 0, "frameRate": 60}}]}`); err != nil {
			t.Fatal(err)
		}
		made = append(made, frames(t, filepath.Join(b.out, "same.mp4")))
	}
	if n := len(made[0]); n < 170 {
		t.Errorf("%d frames", n)
	}
	if diff := cmp.Diff(made[0], made[1]); diff != "" {
		t.Errorf("frames (-one piece +several):\n%s", diff)
	}
}

// The cues of pieces become a subtitle track of the film, with the times of the film.
func TestCuesBecomeATrackOfTheFilm(t *testing.T) {
	t.Parallel()
	b := newBench(t, newFilm(t))
	report, err := b.run(t, `
		{"name": "boxes", "each": "segment", "as": {"format": "mkv"}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR/x.mkv"],
			"outputs": [{"join": "video", "subtitles": [{"tool": "said", "language": "de", "title": "Speech", "default": true}, {"tool": "mute"}]}]},
		{"name": "said", "each": "sound", "outputs": [{"join": "cues"}], "command": ["sh", "-c",
			"printf '1\n00:00:00,200 --> 00:00:00,700\npiece %d\n\n' $MAPREEL_INDEX > $TMP_OUTPUT_DIR/a.srt"]},
		{"name": "mute", "each": "sound", "outputs": [{"join": "cues"}], "command": ["true"]}`)
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(b.out, "boxes.mp4")
	want := ""
	for i := range 3 {
		want += fmt.Sprintf("%d\n00:00:0%d,200 --> 00:00:0%d,700\npiece %d\n\n", i+1, i, i, i)
	}
	if diff := cmp.Diff(want, ffmpegRun(t, "-i", made, "-map", "0:s", "-f", "srt", "-")); diff != "" {
		t.Errorf("cues (-want +film):\n%s", diff)
	}
	found, err := find()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), found.FFprobe, "-v", "error", "-select_streams", "s", "-show_entries",
		"stream=codec_name:stream_tags=language:stream_disposition=default", "-of", "csv=p=0", made).Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "mov_text,1,ger" && got != "mov_text,1,deu" {
		t.Errorf("subtitle tracks %q, want one in German that is shown by default: %v", got, err)
	}
	if !slices.ContainsFunc(report.Warnings, func(w string) bool { return strings.Contains(w, "mute left no cues") }) {
		t.Errorf("warnings %q name no tool without cues", report.Warnings)
	}
}
