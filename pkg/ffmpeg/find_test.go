package ffmpeg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestFindReportsPathsAndVersion(t *testing.T) {
	tools := find(t)
	if !filepath.IsAbs(tools.FFmpeg) || !filepath.IsAbs(tools.FFprobe) {
		t.Errorf("paths %q and %q, want absolute ones", tools.FFmpeg, tools.FFprobe)
	}
	if tools.Version == "" || !strings.Contains(tools.Build, "ffmpeg version "+tools.Version) || !strings.Contains(tools.Build, "libavcodec") {
		t.Errorf("version %q of build %q", tools.Version, tools.Build)
	}
	// The build is part of the identity of jobs that earlier versions began.
	if answer, err := exec.CommandContext(t.Context(), tools.FFmpeg, "-version").Output(); err != nil || string(answer) != tools.Build {
		t.Errorf("build %q, but -version says %q (%v)", tools.Build, answer, err)
	}
}

// fakeTools makes scripts that print a version, whatever their arguments.
func fakeTools(t *testing.T, version string) FindOptions {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s version %s Copyright (c) 2000'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return FindOptions{FFmpeg: filepath.Join(dir, "ffmpeg")}
}

func TestVersionsBefore51AreRefused(t *testing.T) {
	for version, accepted := range map[string]bool{
		"5.1": true, "5.1.9-0+deb12u1": true, "6.0": true, "n7.1.1": true, "8-full_build-www.gyan.dev": true, "10.0": true,
		"N-12345-gabcdef": true, "git-2024-01-01-0123abc": true, "2024-05-02-git-71669f2ad5-full_build": true,
		"5.0.3": false, "4.4.2-0ubuntu0.22.04.1": false, "n4.4": false, "4": false, "": false,
	} {
		tools, err := Find(t.Context(), fakeTools(t, version))
		switch {
		case accepted && err != nil:
			t.Errorf("%q: %v", version, err)
		case accepted && tools.Version != version:
			t.Errorf("%q is reported as %q", version, tools.Version)
		case !accepted && (fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "install")):
			t.Errorf("%q: error %v of kind %q with hint %q", version, err, fault.KindOf(err), fault.HintOf(err))
		}
	}
}

func TestMissingOrBrokenToolsAreUnsupported(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho boom >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]FindOptions{
		"no ffmpeg":  {FFmpeg: "no-such-ffmpeg"},
		"no ffprobe": {FFprobe: "/nowhere/ffprobe"},
		"broken":     {FFmpeg: broken},
	} {
		_, err := Find(t.Context(), options)
		if fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "install") {
			t.Errorf("%s: error %v of kind %q with hint %q", name, err, fault.KindOf(err), fault.HintOf(err))
		}
	}
}

func TestFFprobeIsCheckedWithoutASource(t *testing.T) {
	if err := find(t).RequireFFprobe(t.Context()); err != nil {
		t.Error(err)
	}
	old, err := Find(t.Context(), FindOptions{FFprobe: fakeTools(t, "4.4").FFmpeg})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.RequireFFprobe(t.Context()); fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "install") {
		t.Errorf("error %v with hint %q", err, fault.HintOf(err))
	}
}

// Tools may fail to answer in time because the machine is busy. Installing ffmpeg would not help.
func TestToolsThatDoNotAnswerAreTransient(t *testing.T) {
	before := toolTimeout
	toolTimeout = 200 * time.Millisecond
	defer func() { toolTimeout = before }()
	dir := t.TempDir()
	silent := filepath.Join(dir, "ffmpeg")
	if err := os.WriteFile(silent, []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Find(t.Context(), FindOptions{FFmpeg: silent, FFprobe: silent})
	if fault.KindOf(err) != fault.Transient || strings.Contains(fault.HintOf(err), "install") {
		t.Errorf("a silent ffmpeg: %v of kind %s, hint %q", err, fault.KindOf(err), fault.HintOf(err))
	}
	if err := (Tools{FFmpeg: silent}).Require(t.Context(), []string{"libx264"}); fault.KindOf(err) != fault.Transient {
		t.Errorf("its encoders: %v of kind %s", err, fault.KindOf(err))
	}
}
