package local_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// clips holds the sources that were generated, by their format and the arguments that made them.
var clips sync.Map

// clip makes a source for one test. args follow ffmpeg's common arguments. What does not depend on
// files is made once.
func clip(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	inputs := func(text string) int {
		return strings.Count("\x00"+strings.Join(args, "\x00")+"\x00", "\x00"+text+"\x00")
	}
	if generated := inputs("-i") == inputs("lavfi\x00-i"); generated {
		key := filepath.Ext(name) + strings.Join(args, "\x00")
		once, _ := clips.LoadOrStore(key, sync.OnceValues(func() ([]byte, error) {
			if err := makeClip(path, args...); err != nil {
				return nil, err
			}
			return os.ReadFile(path)
		}))
		data, err := once.(func() ([]byte, error))()
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := makeClip(path, args...); err != nil {
		t.Fatal(err)
	}
	return path
}

func makeClip(path string, args ...string) error {
	out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y"}, args...), "file:"+path)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("making %s: %w\n%s", filepath.Base(path), err, out)
	}
	return nil
}

// picture returns the ffmpeg input of some seconds of moving video.
func picture(seconds int) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=192x108:rate=24:duration=%d", seconds)}
}

// tone returns the ffmpeg input of some seconds of stereo audio.
func tone(seconds int) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='0.3*sin(2*PI*(300+40*t)*t)|0.2*sin(2*PI*500*t)':s=48000:d=%d", seconds)}
}

func args(lists ...[]string) []string { return slices.Concat(lists...) }

// makeFilm makes a source of eight seconds with video and audio.
func makeFilm(t *testing.T, name string, extra ...string) string {
	t.Helper()
	return clip(t, name, args(picture(8), tone(8), []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-bf", "3", "-c:a", "aac"}, extra)...)
}

// request asks for one output in segments of two seconds.
func request(source, destination, container string) film.Request {
	return film.Request{
		Source: source, Destination: destination, Segment: film.Segmenting{Seconds: film.Seconds(2 * time.Second)},
		Outputs: []film.Output{{Name: "out", Container: film.Container(container), Video: []film.Video{{Preset: fast(container)}}}},
	}
}

// fast returns the fastest preset of a container's default codec.
func fast(container string) string {
	if container == "webm" {
		return "8"
	}
	return "ultrafast"
}

// pts returns the presentation times of the frames that a player shows, in seconds from the first, and the time of the
// first, as ffprobe reports them.
func pts(t *testing.T, path string) (rel []float64, first float64) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "json", "file:"+path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	var probe struct {
		Packets []struct {
			PTS   string `json:"pts_time"`
			Flags string
		}
	}
	if err := json.Unmarshal(out, &probe); err != nil {
		t.Fatal(err)
	}
	for _, p := range probe.Packets {
		if strings.Contains(p.Flags, "D") {
			continue
		}
		v, err := strconv.ParseFloat(p.PTS, 64)
		if err != nil {
			t.Fatalf("%s has a frame at %q", path, p.PTS)
		}
		rel = append(rel, v)
	}
	slices.Sort(rel)
	if len(rel) == 0 {
		t.Fatalf("%s has no frames", path)
	}
	first = rel[0]
	for i := range rel {
		rel[i] -= first
	}
	return rel, first
}

// assertEmpty checks that a folder holds nothing but folders.
func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s was left behind", path)
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Package exact tests the frames of MP4 outputs.
func TestOtherContainersHoldTheSameFrames(t *testing.T) {
	t.Parallel()
	for _, source := range []string{makeFilm(t, "in.mp4"), clip(t, "in.ts", "-i", makeFilm(t, "again.mp4"), "-c", "copy")} {
		t.Run(filepath.Ext(source), func(t *testing.T) {
			out, scratch := t.TempDir(), t.TempDir()
			req := request(source, out, "mkv")
			req.Outputs = append(req.Outputs, request(source, out, "webm").Outputs...)
			report, err := run(t.Context(), req, scratch, nil)
			if err != nil {
				t.Fatal(err)
			}
			assertEmpty(t, filepath.Join(scratch, "pieces"))
			assertEmpty(t, filepath.Join(scratch, "locks")) // working folders, too
			want, _ := pts(t, source)
			for n, made := range outputs(t, report) {
				container := req.Outputs[n].Container
				got, _ := pts(t, filepath.Join(out, "out."+string(container)))
				if len(got) != len(want) {
					t.Fatalf("%s: %d frames, the source has %d", container, len(got), len(want))
				}
				for i := range want {
					if d := got[i] - want[i]; d > 0.00101 || d < -0.00101 { // a tick is a millisecond there
						t.Fatalf("%s: frame %d at %.4f s, in the source at %.4f s", container, i, got[i], want[i])
					}
				}
				if made.Frames != len(want) {
					t.Errorf("%s: the report declares %d frames, want %d", container, made.Frames, len(want))
				}
			}
			if n := len(outputs(t, report)); n != len(req.Outputs) {
				t.Errorf("%d outputs", n)
			}
		})
	}
}

// beeps returns when beeps begin, in seconds from the first video frame. It finds them by their level in the decoded audio.
func beeps(t *testing.T, path string) (at []float64) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "frame=pts_time", "-read_intervals", "%+#5",
		"-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	start, err := strconv.ParseFloat(strings.Trim(strings.Split(string(out), "\n")[0], ","), 64)
	if err != nil {
		t.Fatalf("first audio frame of %s at %q", path, out)
	}
	_, first := pts(t, path)
	pcm, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	quiet := 4800
	for i := 0; i+1 < len(pcm); i += 2 {
		if v := int16(uint16(pcm[i]) | uint16(pcm[i+1])<<8); v < 3000 && v > -3000 {
			quiet++
			continue
		}
		if quiet >= 4800 { // a tenth of a second
			at = append(at, start-first+float64(i/2)/48000)
		}
		quiet = 0
	}
	return at
}

func TestAudioStaysInSyncWithTheVideo(t *testing.T) {
	t.Parallel()
	source, out := clip(t, "in.mp4", args(picture(6), []string{
		"-f", "lavfi", "-i", "aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.05)':s=48000:d=6",
		"-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-c:a", "aac",
	})...), t.TempDir()
	req := request(source, out, "mp4")
	req.Outputs = nil
	for _, c := range []struct {
		container string
		codec     film.AudioCodec
	}{{"mp4", film.AudioCopy}, {"mp4", film.AAC}, {"mp4", film.Opus}, {"mkv", film.AudioCopy}, {"mkv", film.AAC}, {"mkv", film.Opus}, {"webm", film.AudioAuto}} {
		one := request(source, out, c.container).Outputs[0]
		one.Name, one.Audio = string(c.codec), &film.Audio{Codec: c.codec}
		req.Outputs = append(req.Outputs, one)
	}
	report, err := run(t.Context(), req, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(outputs(t, report)); n != len(req.Outputs) {
		t.Fatalf("%d outputs", n)
	}
	for _, made := range outputs(t, report) {
		name := filepath.Base(made.URL)
		got := beeps(t, filepath.Join(out, name))
		if len(got) != 6 {
			t.Fatalf("%s: beeps at %.4f", name, got)
		}
		for i, at := range got {
			if d := at - float64(i); d > 0.003 || d < -0.003 {
				t.Errorf("%s: beep %d begins at %.4f s, want %d", name, i, at, i)
			}
		}
	}
}

func TestVideoThatCannotBeSplitIsOneSegment(t *testing.T) {
	t.Parallel()
	source, out := clip(t, "in.wmv", args(picture(4), []string{"-c:v", "wmv2"})...), t.TempDir()
	report, err := run(t.Context(), request(source, out, "mp4"), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := pts(t, filepath.Join(out, "out.mp4")); len(got) != 96 || report.Units["video"] != 1 {
		t.Errorf("%d frames in %d segments, want 96 in 1", len(got), report.Units["video"])
	}
}

func TestCopiedAudioIsUnchanged(t *testing.T) {
	t.Parallel()
	source, out := makeFilm(t, "in.mp4"), t.TempDir()
	if _, err := run(t.Context(), request(source, out, "mp4"), t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	samples := func(path string) string {
		data, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", "0:a", "-f", "md5", "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got, want := samples(filepath.Join(out, "out.mp4")), samples(source); got != want {
		t.Errorf("decoded audio has %s, the source's %s", got, want)
	}
}

func TestEveryRouteGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	source := makeFilm(t, "in.mp4")
	var want []byte
	for _, mode := range []film.ComputeMode{film.Lambda, film.LambdaBatch, film.Batch} {
		out := t.TempDir()
		req := request(source, out, "mp4")
		req.Compute.Mode = mode
		if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		got, err := os.ReadFile(filepath.Join(out, "out.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("on the route %s it has other bytes", mode)
		}
	}
}

func TestOutputsOfOneJobAreMadeFromTheSameArtifacts(t *testing.T) {
	t.Parallel()
	source, out := makeFilm(t, "in.mp4"), t.TempDir()
	req := request(source, out, "mp4")
	small := req.Outputs[0]
	small.Name, small.Video = "small", []film.Video{{Preset: "ultrafast", Height: 54}}
	same := req.Outputs[0]
	same.Name, same.Container = "same", film.Matroska
	none := req.Outputs[0]
	none.Name, none.Audio = "none", &film.Audio{Codec: film.AudioNone}
	req.Outputs = append(req.Outputs, small, same, none)
	report, err := run(t.Context(), req, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := pts(t, source)
	var tracks []int
	for _, o := range outputs(t, report) {
		tracks = append(tracks, o.Tracks)
		if got, _ := pts(t, o.URL); len(got) != len(want) {
			t.Errorf("%s has %d frames, the source %d", o.URL, len(got), len(want))
		}
	}
	if diff := cmp.Diff([]int{2, 2, 2, 1}, tracks); diff != "" {
		t.Errorf("tracks (-want +got):\n%s", diff)
	}
}

func TestAllTracksKeepTheirNames(t *testing.T) {
	t.Parallel()
	source := clip(t, "two.mkv", args(picture(4), tone(4), tone(4), []string{
		"-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac",
		"-metadata:s:a:0", "language=ger", "-metadata:s:a:0", "title=Deutsch", "-metadata:s:a:1", "language=fre",
		"-disposition:a:0", "0", "-disposition:a:1", "default",
	})...)
	for _, container := range []string{"mp4", "mkv"} {
		out := t.TempDir()
		if _, err := run(t.Context(), request(source, out, container), t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		data, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries",
			"stream_tags=language,title,handler_name:stream_disposition=default", "-of", "compact=p=0:nk=1", filepath.Join(out, "out."+container)).Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "0|ger") || !strings.Contains(lines[0], "Deutsch") || !strings.HasPrefix(lines[1], "1|fre") {
			t.Errorf("%s: tracks are %q", container, lines)
		}
	}
}

func TestASourceWithAudioOnly(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.m4a", args(tone(5), []string{"-c:a", "aac"})...)
	out := t.TempDir()
	req := request(source, out, "mp4")
	req.Outputs[0].Video = nil
	if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	data, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_type,duration", "-of", "csv=p=0", filepath.Join(out, "out.mp4")).Output()
	if err != nil || !strings.HasPrefix(string(data), "audio,5.0") {
		t.Errorf("ffprobe: %q, %v", data, err)
	}
	req.Outputs[0].Video = []film.Video{{Height: 90}}
	_, err = run(t.Context(), req, t.TempDir(), nil)
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a height for a source without video gives %v", err)
	}
}

func TestARefusedJobLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, err := os.ReadFile(makeFilm(t, "in.mp4", "-movflags", "+faststart"))
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, c := range []struct {
		name, source, destination string
		kinds                     []fault.Kind
	}{
		{"missing", filepath.Join(dir, "nothing.mp4"), "", []fault.Kind{fault.Invalid}},
		{"empty", write("empty.mp4", nil), "", []fault.Kind{fault.Invalid}},
		{"text", write("text.mp4", []byte(strings.Repeat("once upon a time ", 500))), "", []fault.Kind{fault.Invalid}},
		{"noise", write("noise.mp4", noise), "", []fault.Kind{fault.Invalid}},
		{"truncated within its index", write("cut.mp4", good[:2000]), "", []fault.Kind{fault.Corrupt, fault.Invalid}},
		{"folder that is a file", write("good.mp4", good), write("file", nil) + "/out", []fault.Kind{fault.Invalid}},
		{"playlist", write("list.mp4", []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")), "", []fault.Kind{fault.Invalid}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, scratch := c.destination, t.TempDir()
			if out == "" {
				out = t.TempDir()
			}
			_, err := run(t.Context(), request(c.source, out, "mp4"), scratch, nil)
			if !slices.Contains(c.kinds, fault.KindOf(err)) {
				t.Errorf("kind %q: %v", fault.KindOf(err), err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the message is not one line: %q", err)
			}
			if c.destination == "" {
				assertEmpty(t, out)
			}
			assertEmpty(t, filepath.Join(scratch, "pieces"))
		})
	}
}

func TestAnOutputNeverReplacesItsSource(t *testing.T) {
	t.Parallel()
	source := makeFilm(t, "out.mp4")
	before, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.mp4")
	if err := os.Symlink(source, link); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{source, link} {
		_, err = run(t.Context(), request(from, filepath.Dir(source), "mp4"), t.TempDir(), nil)
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("from %s: %v", from, err)
		}
	}
	if after, err := os.ReadFile(source); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the source was changed (%v)", err)
	}
}
