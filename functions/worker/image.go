package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// What functions/tool.Dockerfile adds to the image of a tool.
const (
	environmentFile = "/opt/mapreel/environment.json"
	ffmpegFolder    = "/opt/mapreel/ffmpeg"
)

// programs says where ffmpeg is. The image of a tool has one of its own beside this program, whatever the tool brings along.
func programs() ffmpeg.FindOptions {
	path := filepath.Join(ffmpegFolder, "ffmpeg")
	if _, err := os.Stat(path); err != nil {
		return ffmpeg.FindOptions{}
	}
	return ffmpeg.FindOptions{FFmpeg: path}
}

// recordEnvironment writes the variables of an image to a file, while the image is built. A worker's own environment has credentials
// too, so it cannot be given to a tool.
func recordEnvironment(path string) int {
	data, err := json.Marshal(slices.DeleteFunc(os.Environ(), ofBuild))
	if err == nil {
		err = os.WriteFile(path, data, 0o644) //nolint:gosec // every user of the image has these variables
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker: record the environment of the image:", err)
		return 1
	}
	return 0
}

// ofBuild reports whether a variable belongs to the machine that builds the image. Docker passes its proxies to a build, and their
// addresses may hold passwords.
func ofBuild(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch strings.ToUpper(name) {
	case "HOSTNAME", "HOME", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY":
		return true
	}
	return false
}

// readEnvironment reads what recordEnvironment wrote; nothing where the image is not that of a tool.
func readEnvironment(path string) (env []string, err error) {
	data, err := os.ReadFile(path) //nolint:gosec // it is a constant
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &env)
	}
	return env, fault.Wrap(fault.Internal, err, "environment of the image")
}
