package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// version is that of a release: go build -ldflags "-X main.version=v1.2.3" sets it. Without it, what the go command
// wrote into the program says it.
var version string

// run prints the versions. That ffmpeg is absent or too old is part of the answer, not a failure.
func (versions) run(ctx context.Context, env environment) error {
	fmt.Fprintln(env.Stdout, ownVersion())
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		fmt.Fprintln(env.Stdout, "ffmpeg: "+strings.Join(sentences(err), "; "))
		if hint := fault.HintOf(err); hint != "" {
			fmt.Fprintln(env.Stdout, "        "+oneLine(hint))
		}
		return nil
	}
	fmt.Fprintf(env.Stdout, "ffmpeg %s (%s)\n", tools.Version, tools.FFmpeg)
	return nil
}

// ownVersion is mapreel's line: "mapreel v1.2.3 (go1.26.0, commit 0123456)".
func ownVersion() string {
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
