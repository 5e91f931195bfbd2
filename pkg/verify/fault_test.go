package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func writeFile(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// talk is sound that is like itself nowhere else: noise in syllables of changing length.
const talk = "anoisesrc=r=48000:d=%[1]s:seed=%[2]d:a=0.5,volume='0.1+abs(sin(5*t*(1+t/7)))':eval=frame,lowpass=3000"

// makeFilm makes a clip of 25 frames a second with sound; args of ffmpeg come after its inputs.
func makeFilm(t *testing.T, dir, name, seconds string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	all := []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=" + seconds,
		"-f", "lavfi", "-i", fmt.Sprintf(talk, seconds, 1), "-f", "lavfi", "-i", fmt.Sprintf(talk, seconds, 2),
		"-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
	}
	sh(t, "ffmpeg", append(append(all, args...), path)...)
	return path
}

// from makes an output of a source; args stand between.
func from(t *testing.T, source, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := []string{"-v", "error", "-nostdin", "-y", "-i", source}
	sh(t, "ffmpeg", append(append(all, args...), path)...)
	return path
}

func verified(t *testing.T, source, output string) Report {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Files(t.Context(), tools, source, output, Options{})
	if err != nil {
		t.Fatalf("Files: %v", err)
	}
	return r
}

// failed are the names of the checks that failed.
func failed(r Report) []string {
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

func tell(r Report) string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%s %s: %s [%s]\n", c.Verdict, c.Name, c.Figure, c.Limit)
	}
	return b.String()
}

// encode are the options of an honest encode.
var encode = []string{"-map", "0", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-fps_mode", "passthrough", "-video_track_timescale", "12800", "-c:a", "aac", "-b:a", "96k"}

func with(args ...string) []string { return append(slices.Clone(encode), args...) }

func TestEachFaultIsFoundAndNothingElse(t *testing.T) {
	source := makeFilm(t, t.TempDir(), "source.mp4", "2", "-map", "0", "-map", "1", "-map", "2", "-crf", "14",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata", "title=Film")
	for _, c := range []struct {
		name string
		args []string
		want []string // the checks that fail
		says string   // in the figure of the first
	}{
		{"nothing", with(), []string{}, ""},
		{"a frame is dropped", with("-vf", "select=not(eq(n\\,40))"), []string{"frames"}, "49: 1 lost, the first is the source's frame 40 (0:01.60)"},
		{"a frame is too many", with("-vf", "tpad=stop=1:stop_mode=clone"), []string{"frames"}, "51: 1 too many, the first is the output's frame 50 (0:02.00)"},
		{"a frame is doubled and the count is right", with("-vf", "select=not(eq(n\\,41)),fps=25"), []string{"PSNR", "order"}, ""},
		{"times are a tick late", with("-vf", "settb=1/12800,setpts=PTS+gte(N\\,40)", "-enc_time_base", "1:12800"), []string{"timestamps"}, "10 off, the first is frame 40 (0:01.60), by 0.078 ms at most"},
		{"a picture is covered", with("-vf", "drawbox=t=fill:c=gray:enable=eq(n\\,40)"), []string{"PSNR"}, "1 frame broken, the first is frame 40 (0:01.60)"},
		{"sound is late", with("-af", "adelay=20:all=1,atrim=end=2"), []string{"sound 1 offset", "sound 2 offset"}, "+20.0 ms at the start, +20.0 at the end"},
		{"one track is late", with("-filter_complex", "[0:2]adelay=20:all=1,atrim=end=2[l]", "-map", "-0:2", "-map", "[l]", "-metadata:s:a:1", "language=deu", "-disposition:a:1", "0"), []string{"sound 2 offset"}, "+20"},
		{"sound drifts", with("-af", "asetrate=48000*0.98,aresample=48000,atrim=end=2"), []string{"sound 1 offset", "sound 2 offset"}, ""},
		{"sound is cut short", with("-af", "atrim=end=1.9"), []string{"sound 1 length", "sound 2 length"}, "-85.3 ms"},
		{"sound is silent for a while", with("-af", "volume=0:enable=lt(t\\,1.6)"), []string{"sound 1 offset", "sound 2 offset"}, "the output is silent at 0:00.00"},
		{"sounds are exchanged", []string{"-map", "0:v", "-map", "0:2", "-map", "0:1", "-c", "copy"}, []string{"sound 1 offset", "sound 2 offset", "audio tracks"}, "not the source's sound"},
		{"a track is missing", with("-map", "-0:2"), []string{"audio tracks"}, "1"},
		{"the picture is gone", with("-map", "-0:v"), []string{"picture"}, "lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := verified(t, source, from(t, source, "output.mp4", c.args...))
			got := failed(r)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("checks that failed (-want +got):\n%s\n%s", diff, tell(r))
			} else if len(got) > 0 && !strings.Contains(figure(r, got[0]), c.says) {
				t.Errorf("%s: %q, want %q in it", got[0], figure(r, got[0]), c.says)
			}
			if want := map[bool]Verdict{true: Good, false: Bad}[len(c.want) == 0]; r.Verdict != want {
				t.Errorf("verdict %s, want %s", r.Verdict, want)
			}
		})
	}
}

func TestDoubledFrameIsNamed(t *testing.T) {
	source := makeFilm(t, t.TempDir(), "source.mp4", "2", "-map", "0", "-map", "1", "-crf", "14")
	r := verified(t, source, from(t, source, "output.mp4", with("-vf", "select=not(eq(n\\,41)),fps=25")...))
	if got := r.Picture.Wrong; len(got) != 1 || got[0].Frame != 41 || got[0].Shows != 40 || got[0].Not != 41 {
		t.Errorf("wrong frames %+v, want 41 to show 40\n%s", got, tell(r))
	}
}

func TestDamagedBytesAreFound(t *testing.T) {
	source := makeFilm(t, t.TempDir(), "source.mp4", "2", "-map", "0", "-map", "1", "-crf", "14")
	output := from(t, source, "output.mp4", encode...)
	data, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	packets := strings.Fields(sh(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pos,size", "-of", "csv=p=0", output))
	fields := strings.Split(packets[20], ",")
	size, _ := strconv.Atoi(fields[0])
	at, _ := strconv.Atoi(fields[1])
	for i := at + size/4; i < at+size; i++ {
		data[i] ^= 0x5a
	}
	writeFile(t, output, string(data))
	r := verified(t, source, output)
	if !slices.Contains(failed(r), "decoding") {
		t.Errorf("failed: %v, want decoding among them\n%s", failed(r), tell(r))
	}
}

func TestUsualRecipeFails(t *testing.T) {
	source := makeFilm(t, t.TempDir(), "source.mp4", "4", "-map", "0", "-map", "1", "-c:v", "libx264", "-g", "30", "-bf", "2", "-crf", "14")
	dir := t.TempDir()
	list := ""
	for i, start := range []string{"0", "1.33", "2.66"} {
		name := fmt.Sprintf("part%d.mp4", i)
		sh(t, "ffmpeg", "-v", "error", "-y", "-ss", start, "-t", "1.33", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", filepath.Join(dir, name))
		list += "file " + name + "\n"
	}
	writeFile(t, filepath.Join(dir, "list.txt"), list)
	output := filepath.Join(dir, "output.mp4")
	sh(t, "ffmpeg", "-v", "error", "-y", "-f", "concat", "-i", filepath.Join(dir, "list.txt"), "-c", "copy", output)
	r := verified(t, source, output)
	t.Log("\n" + tell(r))
	if r.Verdict != Bad {
		t.Errorf("verdict %s, want bad", r.Verdict)
	}
}

func TestSeamsAreWhereEncodersBegan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeFilm(t, dir, "clip.mp4", "1", "-map", "0:v", "-g", "25")
	list, joined := filepath.Join(dir, "list"), filepath.Join(dir, "joined.mp4")
	writeFile(t, list, "file clip.mp4\nfile clip.mp4\n")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "concat", "-i", list, "-c", "copy", joined)
	single := makeFilm(t, dir, "single.mp4", "2", "-map", "0:v", "-g", "25")
	for path, want := range map[string]string{
		joined: "2 keyframes, 1 encoder start between them",
		single: "2 keyframes; the stream does not say at which encoders began",
	} {
		checks := verified(t, path, path).Checks
		i := slices.IndexFunc(checks, func(c Check) bool { return c.Name == "seams" })
		if i < 0 {
			t.Fatalf("%s: nothing is said of seams", path)
		}
		if got := checks[i].Figure; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
