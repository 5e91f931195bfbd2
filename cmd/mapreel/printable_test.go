package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// hostile is a name that sets a terminal's title, changes colours in three ways, forges a row and is read backwards.
const hostile = "a\x1b]0;owned\x07\n0123456789  done\u202e\u2067txt\u009b31m\u2028\x7f\r"

// controls returns the first thing in the output of a program that a terminal could obey.
func controls(output []byte) string {
	for i := 0; i < len(output); {
		r, size := utf8.DecodeRune(output[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' {
			return string(output[max(i-20, 0):min(i+20, len(output))])
		}
		i += size
	}
	return ""
}

// TestNothingThatIsShownControlsATerminal runs every command on hostile names, titles and keys.
var progressLine = regexp.MustCompile(`(?m)^\d+ %, .*\n`)

func TestNothingThatIsShownControlsATerminal(t *testing.T) {
	dir := t.TempDir()
	source, output := hostile+".mkv", filepath.Join(hostile+"out", "film.mp4")
	ffmpeg := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=2",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-metadata", "title="+hostile, "-metadata:s:a:0", "title="+hostile, "file:"+source)
	ffmpeg.Dir = dir
	if out, err := ffmpeg.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, content := range map[string]string{
		hostile + ".yaml": "source: x.mp4\ndestination: out\n\"\\e[31mkey\\N\\L\u202e\": 1\noutputs: [{name: \"\\e[2J\\u202e\"}]\n",
		hostile + ".json": `{"source": "\u001b[2J.mp4", "destination": "/\u202e", "outputs": [{"name": "\u009b", "\u0007key\n": 1}]}`,
		"broken.yaml":     "source: [\x1b[31m\n\u202e: }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "mapreel", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "MAPREEL_SCRATCH="+filepath.Join(dir, hostile+"scratch"))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if found := controls(out); found != "" {
			t.Errorf("mapreel %q shows %q", args, found)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, test := range []struct {
		args  []string
		code  int
		lines int // 0: any number
	}{
		{[]string{"transcode", source, "-o", output, "--progress", "bar"}, 0, 6},
		{[]string{"jobs"}, 0, 2},
		{[]string{"jobs", "--json"}, 0, 0},
		{[]string{"verify", source, output}, 1, 0}, // the titles differ: ffmpeg removes control characters
		{[]string{"verify", "--json", source, output}, 1, 0},
		{[]string{"transcode", source, "-o", output, "--progress", "json", "--crf", "30", "--preset", "ultrafast"}, 0, 0},
		{[]string{"transcode", hostile, "-o", "x.mp4"}, 2, 0},
		{[]string{"transcode", "x\x9b31m\xff.mp4", "-o", "x.mp4"}, 2, 0},
		{[]string{"transcode", source, "-o", hostile}, 2, 0},
		{[]string{"transcode", "--request", hostile + ".yaml"}, 2, 0},
		{[]string{"transcode", "--request", hostile + ".json"}, 2, 0},
		{[]string{"transcode", "--request", "broken.yaml"}, 2, 0},
		{[]string{"transcode", "--request", hostile}, 2, 0},
		{[]string{"transcode", source, "-o", "x.m3u8", "--ladder", hostile}, 2, 0},
		{[]string{"transcode", source, "-o", "x.mp4", "--" + hostile}, 2, 0},
		{[]string{"transcode", source, "-o", "x.mp4", "--crf", hostile}, 2, 0},
		{[]string{"verify", source, hostile}, 3, 0},
		{[]string{"verify", source, output, "--report", hostile}, 3, 0},
		{[]string{"play", hostile}, 1, 0},
		{[]string{"gc"}, 0, 0},
		{[]string{"jobs", "--scratch", hostile + "none"}, 0, 1},
		{[]string{hostile}, 2, 0},
	} {
		out, code := run(test.args...)
		if code != test.code {
			t.Errorf("mapreel %q ended with %d, want %d:\n%q", test.args, code, test.code, out)
		}
		out = progressLine.ReplaceAllString(out, "") // a slow machine shows some
		if lines := strings.Count(out, "\n"); test.lines > 0 && lines != test.lines {
			t.Errorf("mapreel %q shows %d lines, want %d:\n%q", test.args, lines, test.lines, out)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	play := exec.CommandContext(ctx, "mapreel", "play", output)
	play.Dir = dir
	pipe, err := play.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := play.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(pipe).ReadBytes('\n')
	if err != nil || controls(line) != "" || !bytes.HasSuffix(line, []byte("; Ctrl-C stops it\n")) {
		t.Errorf("mapreel play shows %q (%v)", line, err)
	}
	_ = play.Process.Signal(syscall.SIGTERM)
	_ = play.Wait()
}
