package faults

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

//go:embed replay.sh
var replay string

// replaying stands in for ffmpeg and ffprobe: each call does what the real program did when it was first called so, in
// some milliseconds and without encoding. It sees a job's own arguments, so it knows every kind of job.
func replaying(folder string, tools ffmpeg.Tools) (ffmpeg.Tools, error) {
	store := filepath.Join(folder, "calls")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return tools, err
	}
	body := filepath.Join(folder, "replay.sh")
	if err := os.WriteFile(body, []byte(replay), 0o600); err != nil {
		return tools, err
	}
	for name, program := range map[string]*string{"ffmpeg": &tools.FFmpeg, "ffprobe": &tools.FFprobe} {
		path := filepath.Join(folder, name)
		line := fmt.Sprintf("#!/bin/sh\nexec /bin/sh '%s' '%s' '%s' \"$@\"\n", body, store, *program)
		if err := os.WriteFile(path, []byte(line), 0o755); err != nil { //nolint:gosec // a program
			return tools, err
		}
		*program = path
	}
	return tools, nil
}
