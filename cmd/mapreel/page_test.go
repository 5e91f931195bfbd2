package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player/playertest"
)

// A browser drops a film on the page, whose name would be markup, and watches its job to the end; it plays the result, stops and
// redrives another job, and executes nothing that a name contains.
func TestThePageIsAFrontDoor(t *testing.T) {
	t.Parallel()
	modules, chromium := playertest.Browser(t)
	root := t.TempDir()
	film := filepath.Join(t.TempDir(), "film.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4", "-c:v", "libx264",
		"-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", film).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	presets := t.TempDir()
	if err := os.WriteFile(filepath.Join(presets, "ours.yaml"), []byte("description: Ours, for tests.\noutput: {audio: {codec: aac}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr syncBuffer
	env := environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Find: ffmpeg.Find, Run: local.Run, Jobs: local.Jobs}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- env.main(ctx, []string{
			"serve", "--listen", "127.0.0.1:0", "--root", root, "--scratch", filepath.Join(t.TempDir(), "scratch"), "--jobs", "2", "--token-file", token, "--presets", presets,
		})
	}()
	defer func() {
		cancel()
		if code := <-ended; code != exitDone {
			t.Errorf("the server ended with %d\n%s", code, stderr.String())
		}
	}()
	address := ""
	for deadline := time.Now().Add(time.Minute); address == ""; time.Sleep(20 * time.Millisecond) {
		address = regexp.MustCompile(`http://[0-9.:]+`).FindString(stdout.String())
		if time.Now().After(deadline) {
			t.Fatalf("the server does not begin\n%s", stderr.String())
		}
	}
	arguments, err := json.Marshal(map[string]string{
		"chromium": chromium, "modules": modules, "profile": filepath.Join(t.TempDir(), "profile"), "address": address,
		"token": "0123456789abcdef0123456789abcdef", "film": film,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "page.mjs"), string(arguments))
	cmd.WaitDelay = 10 * time.Second
	var problems bytes.Buffer
	cmd.Stderr = &problems
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("the browser: %v\n%s%s\nthe server:\n%s", err, text, problems.String(), stderr.String())
	}
	if made, err := filepath.Glob(filepath.Join(root, "out", "*.mp4")); err != nil || len(made) != 1 || filepath.Base(made[0]) != "<img src=x onerror=alert(1)>.mp4" {
		t.Errorf("made were %q, %v", made, err)
	}
}
