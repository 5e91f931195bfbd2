package main

import (
	"bytes"
	"os"
	"path/filepath"
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

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
