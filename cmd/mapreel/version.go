package main

import (
	"context"
	"runtime/debug"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/printable"
)

// version is the version of a release, set by go build -ldflags "-X main.version=v1.2.3". If it is empty, the build
// information in the program is used.
var version string

// run prints the versions. A missing or too old ffmpeg is part of the output, not a failure.
func (versionCmd) run(ctx context.Context, env environment) error {
	printable.Fprintf(env.Stdout, "%s\n", versionString())
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		printable.Fprintf(env.Stdout, "ffmpeg: %s\n", strings.Join(errorMessages(err), "; "))
		if hint := fault.HintOf(err); hint != "" {
			printable.Fprintf(env.Stdout, "        %s\n", oneLine(hint))
		}
		return nil
	}
	printable.Fprintf(env.Stdout, "ffmpeg %s (%s)\n", tools.Version, tools.FFmpeg)
	return nil
}

// versionString returns a line such as "mapreel v1.2.3 (go1.26.0, commit 0123456)".
func versionString() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionLine(version, info)
}

func versionLine(release string, info *debug.BuildInfo) string {
	name := release
	if name == "" {
		name = info.Main.Version
	}
	if name == "" || name == "(devel)" {
		name = "development build"
	}
	details := []string{}
	if info.GoVersion != "" {
		details = append(details, info.GoVersion)
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", changed"
		}
	}
	if commit != "" {
		details = append(details, "commit "+commit+changed)
	}
	if len(details) == 0 {
		return "mapreel " + name
	}
	return "mapreel " + name + " (" + strings.Join(details, ", ") + ")"
}
