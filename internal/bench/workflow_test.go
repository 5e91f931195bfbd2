package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// In a function of 1 GB, SCAR's recogniser takes 124 s for a minute of sound: 8 minutes are 995 s, of which Lambda allows 900.
func TestHandingOverEarlySavesTheRestOfTheTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minutes int
		after   [2]time.Duration // when a function hands over
	}{
		{6, [2]time.Duration{885 * time.Second, 885 * time.Second}}, // it can do six
		{8, [2]time.Duration{500 * time.Second, 620 * time.Second}},
		{10, [2]time.Duration{250 * time.Second, 350 * time.Second}},
		{20, [2]time.Duration{44 * time.Second, 60 * time.Second}},
	} {
		length := time.Duration(c.minutes) * time.Minute
		after := earliest(length)
		if after < c.after[0] || after > c.after[1] {
			t.Errorf("%d minutes are handed over after %v, want %v to %v", c.minutes, after, c.after[0], c.after[1])
		}
		waits, err := speechOnAWS(t.Context(), length, scarLimit, 1)
		if err != nil {
			t.Fatal(err)
		}
		early, err := speechOnAWS(t.Context(), length, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := scarLimit - after
		if c.minutes == 6 {
			want = 0
		}
		if saved := waits.wall - early.wall; saved != want {
			t.Errorf("%d minutes: handing over after %v saves %v, want %v", c.minutes, after, saved, want)
		}
		if c.minutes > 6 && early.cost >= waits.cost {
			t.Errorf("%d minutes: handing over early costs %v, waiting %v", c.minutes, early.cost, waits.cost)
		}
	}
}

// A script stands for mapreel: what is tested is what is run and printed.
func TestTheWorkflowIsMeasuredBesideTheFiguresOfThePaper(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	program := filepath.Join(work, "mapreel")
	script := "#!/bin/sh\n[ -s \"$3\" ] && echo \"$1 $2 $(basename $3)\" >> " + work + "/calls\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	for _, name := range []string{"speech.flac", "speech-120.flac", "speech-360.flac", "speech-480.flac", "film-2.mp4"} {
		file := filepath.Join(work, "sources", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := (bench{out: &out, work: work, mapreel: program}).workflow(t.Context(), []string{"2m", "6m", "8m"}, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(filepath.Join(work, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	want := "run examples/captions/tools.yaml speech-120.flac\nrun examples/captions/tools.yaml speech-360.flac\n" +
		"run examples/captions/tools.yaml speech-480.flac\nrun examples/detect/tools.yaml film-2.mp4\n"
	if string(calls) != want {
		t.Errorf("it ran\n%s, want\n%s", calls, want)
	}
	for _, line := range []string{"| 2m0s | 2 | ", " s |  |\n| 6m0s | 6 | ", "| 753 s |\n| 8m0s | 8 |", "| timed out after 900 s |", "| 50 frames | ", "| 10 min |"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("it printed\n%s\nwithout %q", out.String(), line)
		}
	}
}
