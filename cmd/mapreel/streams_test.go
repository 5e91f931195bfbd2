package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
)

// These tests run whole jobs of sources whose streams are late, empty, damaged or of several programmes.

// ran is what a run of the program left behind.
type ran struct {
	code           int
	stdout, stderr string
}

// runMapreel runs the program in this process.
func runMapreel(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Find: ffmpeg.Find, Run: local.Run, Jobs: local.Jobs}
	code := env.main(t.Context(), args)
	return ran{code, stdout.String(), stderr.String()}
}

// transcode runs a job without a display, and returns the path of its output.
func transcode(t *testing.T, source, extension string, flags ...string) (string, ran) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out"+extension)
	args := []string{"transcode", source, "-o", output, "--scratch", t.TempDir(), "--preset", "ultrafast", "--progress", "none"}
	return output, runMapreel(t, append(args, flags...)...)
}

// stream is what ffprobe says of a stream of an output.
type stream struct {
	Codec   string `json:"codec_name"`
	Width   int    `json:"width"`
	Start   string `json:"start_time"`
	Packets string `json:"nb_read_packets"`
}

func streamsOf(t *testing.T, path string) []stream {
	t.Helper()
	out := mediatest.Run(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,width,start_time,nb_read_packets", "-of", "json", path)
	var answer struct {
		Streams []stream `json:"streams"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Streams
}

// expectWarning checks that a run made its output and said why that is not all of the source, in one line.
func expectWarning(t *testing.T, r ran, text string) {
	t.Helper()
	if r.code != exitDone || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "mapreel: warning: ") || !strings.Contains(r.stderr, text) {
		t.Errorf("exit %d, standard error %q; want 0 and one line with %q", r.code, r.stderr, text)
	}
}

func TestEncryptedSourcesAreRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const encrypt = " -encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8"
	cenc := filepath.Join(dir, "film.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -preset ultrafast"+encrypt, cenc)
	// A clear video track beside encrypted audio, in fragments.
	beside := filepath.Join(dir, "beside.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" -c:v libx264 -preset ultrafast -c:a aac -movflags empty_moov+default_base_moof", beside)
	data := mediatest.ReadFile(t, beside)
	writeFile(t, beside, bytes.ReplaceAll(data, []byte("mp4a"), []byte("enca")))
	// Conditional access scrambles the payload of one of two audio streams.
	ts := filepath.Join(dir, "film.ts")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" "+mediatest.Tone("1")+" -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a mp2", ts)
	data = mediatest.ReadFile(t, ts)
	for packet := data; len(packet) >= 188; packet = packet[188:] {
		if pid := int(packet[1]&0x1f)<<8 | int(packet[2]); pid == 0x102 && packet[3]&0x10 != 0 {
			packet[3] |= 0x80
		}
	}
	writeFile(t, ts, data)
	for source, want := range map[string]string{
		cenc: "track 1 (video) is encrypted (cenc)", beside: "track 2 (audio) is encrypted (enca)", ts: "audio stream 2 is encrypted (conditional access)",
	} {
		output, r := transcode(t, source, ".mp4")
		if r.code != exitFailed || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "mapreel has no keys") {
			t.Errorf("%s: exit %d, standard error %q; want %d, %q and the hint", filepath.Base(source), r.code, r.stderr, exitFailed, want)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("%s: an output was made", filepath.Base(source))
		}
	}
}

func TestLossesAreToldWithoutADisplayAndCountWithStrict(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "two.mkv")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Picture("1")+" -map 0 -map 1 -c:v libx264 -preset ultrafast", source)
	const loss = "left out: video stream 1 (h264), as an output holds one video track"
	output, r := transcode(t, source, ".mp4", "--strict")
	if want := "mapreel: warning: " + loss + "\n"; r.code != exitFailed || !strings.HasPrefix(r.stderr, want) || strings.Count(r.stderr, "\n") != 2 {
		t.Errorf("exit %d, standard error %q; want %d, %q and the reason", r.code, r.stderr, exitFailed, want)
	}
	if len(streamsOf(t, output)) != 1 {
		t.Error("with --strict there is no output")
	}
	_, r = transcode(t, source, ".mp4", "--strict", "--progress", "json")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var report reportLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &report); err != nil {
		t.Fatal(err)
	}
	if report.Exit != exitFailed || !slices.Equal(report.Warnings, []string{loss}) || !strings.Contains(r.stderr, loss) {
		t.Errorf("report %+v, standard error %q; want exit %d and the loss in both", report, r.stderr, exitFailed)
	}
	_, r = transcode(t, source, ".mp4", "--progress", "bar")
	if r.code != exitDone || strings.Count(r.stderr, loss) != 1 || !strings.Contains(r.stdout, "warning   "+loss+"\n") {
		t.Errorf("exit %d, standard error %q, report %q; want the loss once in each", r.code, r.stderr, r.stdout)
	}
}

func TestDamageThatTheDecoderMeetsIsTold(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "damaged.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -preset ultrafast -g 25 -x264-params cabac=1:slices=1", source)
	data := mediatest.ReadFile(t, source)
	media := bytes.Index(data, []byte("mdat"))
	for at := media + 3000; at < media+3040; at++ { // in the first picture
		data[at] ^= 0x5a
	}
	if err := os.WriteFile(source, data, 0o600); err != nil {
		t.Fatal(err)
	}
	output, r := transcode(t, source, ".mp4", "--segment", "1s")
	expectWarning(t, r, "the video is damaged: ")
	if strings.Count(r.stderr, "the video is damaged") != 1 {
		t.Errorf("standard error %q, want the damage once", r.stderr)
	}
	if list := streamsOf(t, output); list[0].Packets != "50" {
		t.Errorf("got %+v, want 50 frames", list)
	}
	if _, r := transcode(t, source, ".mp4", "--segment", "1s", "--strict"); r.code != exitFailed {
		t.Errorf("with --strict: exit %d, want %d", r.code, exitFailed)
	}
}

func TestAnUndamagedOpenGOPIsNoDamage(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]string{
		"h264.mkv": "-c:v libx264 -preset veryfast -x264-params open-gop=1:keyint=20:min-keyint=20:bframes=3:b-pyramid=normal",
		"hevc.ts":  "-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=3",
		"mpeg2.ts": "-c:v mpeg2video -bf 2 -g 20 -q:v 3",
	} {
		source := filepath.Join(t.TempDir(), name)
		mediatest.FFmpeg(t, mediatest.Picture("2.4")+" "+codec, source)
		if _, r := transcode(t, source, ".mp4", "--segment", "1s", "--strict"); r.code != exitDone || r.stderr != "" {
			t.Errorf("%s: exit %d, standard error %q; want none", name, r.code, r.stderr)
		}
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
