package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// runTool runs ffmpeg or ffprobe directly, not through the code under test, and returns what it
// prints.
func runTool(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

func writeFile(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// speech is an audio source that resembles itself nowhere else: noise in syllables of changing
// length.
const speech = "anoisesrc=r=48000:d=%[1]s:seed=%[2]d:a=0.5,volume='0.1+abs(sin(5*t*(1+t/7)))':eval=frame,lowpass=3000"

// makeClip makes a clip of 25 frames a second with two tracks of audio; args follow the inputs of
// ffmpeg.
func makeClip(t *testing.T, dir, name, seconds string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	all := []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=" + seconds,
		"-f", "lavfi", "-i", fmt.Sprintf(speech, seconds, 1), "-f", "lavfi", "-i", fmt.Sprintf(speech, seconds, 2),
		"-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
	}
	runTool(t, "ffmpeg", append(append(all, args...), path)...)
	return path
}

// encodeTo makes an output of a source; args stand before the output.
func encodeTo(t *testing.T, source, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := []string{"-v", "error", "-nostdin", "-y", "-i", source}
	runTool(t, "ffmpeg", append(append(all, args...), path)...)
	return path
}

// findTools looks once for all tests: most of what a test of a short clip takes is the start of ffmpeg.
var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) {
	return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{}) //nolint:forbidigo // shared by all tests, so no test owns the context
})

func verifyFiles(t *testing.T, source, output string) Report {
	t.Helper()
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Files(t.Context(), tools, source, output, Options{})
	if err != nil {
		t.Fatalf("Files: %v", err)
	}
	return r
}

// failedChecks returns the names of the checks that failed.
func failedChecks(r Report) []string {
	list := []string{}
	for _, c := range r.Checks {
		if c.Verdict == Bad {
			list = append(list, c.Name)
		}
	}
	return list
}

func figure(r Report, name string) string {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Figure
		}
	}
	return "no such check"
}

func formatReport(r Report) string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%s %s: %s [%s]\n", c.Verdict, c.Name, c.Figure, c.Limit)
	}
	return b.String()
}

// encode holds the options of a correct encode.
var encode = []string{"-map", "0", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-fps_mode", "passthrough", "-video_track_timescale", "12800", "-c:a", "aac", "-b:a", "96k"}

func with(args ...string) []string { return append(slices.Clone(encode), args...) }

func TestEachFaultIsFoundAndNothingElse(t *testing.T) {
	source := makeClip(t, t.TempDir(), "source.mp4", "2", "-map", "0", "-map", "1", "-map", "2", "-crf", "14",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata", "title=Film")
	for _, c := range []struct {
		name     string
		args     []string
		want     []string // the checks that fail
		contains string   // substring of the figure of the first
	}{
		{"nothing", with(), []string{}, ""},
		{"a frame is dropped", with("-vf", "select=not(eq(n\\,40))"), []string{"frames"}, "49: frame 40 (0:01.60) is missing; everything after it matches"},
		{"a frame is dropped and the gap is closed", with("-vf", "select=not(eq(n\\,20)),setpts=N/25/TB"), []string{"frames"}, "49: frame 20 (0:00.80) is missing; everything after it matches"},
		{"three frames are dropped and the gap is closed", with("-vf", "select=not(between(n\\,20\\,22)),setpts=N/25/TB"), []string{"frames"}, "47: frames 20 to 22 (0:00.80–0:00.88) are missing; everything after it matches"},
		{"a frame is doubled and the rest is later", with("-vf", "loop=loop=1:size=1:start=20,setpts=N/25/TB"), []string{"frames"}, "51: frame 20 (0:00.80) is added; everything after it matches"},
		{"a frame is added", with("-vf", "tpad=stop=1:stop_mode=clone"), []string{"frames"}, "51: frame 50 (0:02.00) is added"},
		{"a frame is doubled and the count is right", with("-vf", "select=not(eq(n\\,41)),fps=25"), []string{"PSNR", "order"}, ""},
		{"times are a tick late", with("-vf", "settb=1/12800,setpts=PTS+gte(N\\,40)", "-enc_time_base", "1:12800"), []string{"timestamps"}, "10 off, the first is frame 40 (0:01.60), by 0.078 ms at most"},
		{"a frame is covered", with("-vf", "drawbox=t=fill:c=gray:enable=eq(n\\,40)"), []string{"PSNR"}, "1 frame broken, the first is frame 40 (0:01.60)"},
		{"the colours are lost", with("-vf", "hue=s=0"), []string{"colour"}, "lost or wrong in 50 frames of 50, the first is frame 0 (0:00.00)"},
		{"the colours are exchanged", with("-vf", "shuffleplanes=0:2:1:3"), []string{"PSNR", "colour"}, ""},
		{"audio is late", with("-af", "adelay=20:all=1,atrim=end=2"), []string{"audio 1 offset", "audio 2 offset"}, "+20.0 ms at the start, +20.0 at the end"},
		{"one track is late", with("-filter_complex", "[0:2]adelay=20:all=1,atrim=end=2[l]", "-map", "-0:2", "-map", "[l]", "-metadata:s:a:1", "language=deu", "-disposition:a:1", "0"), []string{"audio 2 offset"}, "+20"},
		{"samples are missing", with("-af", "aselect=not(between(n\\,40\\,41)),asetpts=N/SR/TB"), []string{"audio 1 offset", "audio 1 length", "audio 2 offset", "audio 2 length"}, "2048 samples are missing at 0:00.85"},
		{"samples are doubled", with("-af", "aloop=loop=1:size=2048:start=48000,asetpts=N/SR/TB"), []string{"audio 1 offset", "audio 1 length", "audio 2 offset", "audio 2 length"}, "2048 samples are added at 0:01.04"},
		{"audio drifts", with("-af", "asetrate=48000*0.98,aresample=48000,atrim=end=2"), []string{"audio 1 offset", "audio 2 offset"}, ""},
		{"audio is cut short", with("-af", "atrim=end=1.9"), []string{"audio 1 length", "audio 2 length"}, "-85.3 ms"},
		{"audio is silent for a while", with("-af", "volume=0:enable=lt(t\\,1.6)"), []string{"audio 1 offset", "audio 2 offset"}, "the output is silent at 0:00.00"},
		{"audio tracks are exchanged", []string{"-map", "0:v", "-map", "0:2", "-map", "0:1", "-c", "copy"}, []string{"audio 1 offset", "audio 2 offset", "audio tracks"}, "not the source's audio"},
		{"a track is missing", with("-map", "-0:2"), []string{"audio tracks"}, "1"},
		{"the video is missing", with("-map", "-0:v"), []string{"video"}, "lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := verifyFiles(t, source, encodeTo(t, source, "output.mp4", c.args...))
			got := failedChecks(r)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("checks that failed (-want +got):\n%s\n%s", diff, formatReport(r))
			} else if len(got) > 0 && !strings.Contains(figure(r, got[0]), c.contains) {
				t.Errorf("%s: %q, want %q in it", got[0], figure(r, got[0]), c.contains)
			}
			if want := map[bool]Verdict{true: Good, false: Bad}[len(c.want) == 0]; r.Verdict != want {
				t.Errorf("verdict %s, want %s", r.Verdict, want)
			}
		})
	}
}

func TestDoubledFrameIsNamed(t *testing.T) {
	source := makeClip(t, t.TempDir(), "source.mp4", "2", "-map", "0", "-map", "1", "-crf", "14")
	r := verifyFiles(t, source, encodeTo(t, source, "output.mp4", with("-vf", "select=not(eq(n\\,41)),fps=25")...))
	if got := r.Video.Wrong; len(got) != 1 || got[0].Frame != 41 || got[0].Shows != 40 || got[0].Expected != 41 {
		t.Errorf("wrong frames %+v, want 41 to show 40\n%s", got, formatReport(r))
	}
}

func TestDamagedBytesAreFound(t *testing.T) {
	source := makeClip(t, t.TempDir(), "source.mp4", "2", "-map", "0", "-map", "1", "-crf", "14")
	output := encodeTo(t, source, "output.mp4", encode...)
	data, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	packets := strings.Fields(runTool(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pos,size", "-of", "csv=p=0", output))
	fields := strings.Split(packets[20], ",")
	size, _ := strconv.Atoi(fields[0])
	at, _ := strconv.Atoi(fields[1])
	for i := at + size/4; i < at+size; i++ {
		data[i] ^= 0x5a
	}
	writeFile(t, output, string(data))
	r := verifyFiles(t, source, output)
	if !slices.Contains(failedChecks(r), "decoding") {
		t.Errorf("failed: %v, want decoding among them\n%s", failedChecks(r), formatReport(r))
	}
}

func TestConcatenatedSegmentsWithAudioFail(t *testing.T) {
	source := makeClip(t, t.TempDir(), "source.mp4", "4", "-map", "0", "-map", "1", "-c:v", "libx264", "-g", "30", "-bf", "2", "-crf", "14")
	dir := t.TempDir()
	list := ""
	for i, start := range []string{"0", "1.33", "2.66"} {
		name := fmt.Sprintf("part%d.mp4", i)
		runTool(t, "ffmpeg", "-v", "error", "-y", "-ss", start, "-t", "1.33", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", filepath.Join(dir, name))
		list += "file " + name + "\n"
	}
	writeFile(t, filepath.Join(dir, "list.txt"), list)
	output := filepath.Join(dir, "output.mp4")
	runTool(t, "ffmpeg", "-v", "error", "-y", "-f", "concat", "-i", filepath.Join(dir, "list.txt"), "-c", "copy", output)
	r := verifyFiles(t, source, output)
	t.Log("\n" + formatReport(r))
	if r.Verdict != Bad {
		t.Errorf("verdict %s, want bad", r.Verdict)
	}
}

func TestSeamsAreWhereEncodersBegan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeClip(t, dir, "clip.mp4", "1", "-map", "0:v", "-g", "25")
	list, joined := filepath.Join(dir, "list"), filepath.Join(dir, "joined.mp4")
	writeFile(t, list, "file clip.mp4\nfile clip.mp4\n")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "concat", "-i", list, "-c", "copy", joined)
	single := makeClip(t, dir, "single.mp4", "2", "-map", "0:v", "-g", "25")
	for path, want := range map[string]string{
		joined: "2 keyframes, 1 encoder start between them",
		single: "2 keyframes; the stream does not reveal at which encoders began",
	} {
		checks := verifyFiles(t, path, path).Checks
		i := slices.IndexFunc(checks, func(c Check) bool { return c.Name == "seams" })
		if i < 0 {
			t.Fatalf("%s: no check of seams", path)
		}
		if got := checks[i].Figure; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
