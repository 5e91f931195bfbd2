package chaos

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

//go:embed replay.sh
var replayScript string

// replayTools stands in for ffmpeg and ffprobe: each call does what the real program did at its
// first call with the same arguments, in milliseconds and without encoding. It works on the
// arguments that a job passes, so it serves every kind of job.
func replayTools(folder string, tools ffmpeg.Tools) (ffmpeg.Tools, error) {
	store := filepath.Join(folder, "calls")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return tools, err
	}
	body := filepath.Join(folder, "replay.sh")
	if err := os.WriteFile(body, []byte(replayScript), 0o600); err != nil {
		return tools, err
	}
	for name, program := range map[string]*string{"ffmpeg": &tools.FFmpeg, "ffprobe": &tools.FFprobe} {
		path := filepath.Join(folder, name)
		line := fmt.Sprintf("#!/bin/sh\nexec /bin/sh '%s' '%s' '%s' \"$@\"\n", body, store, *program)
		if err := os.WriteFile(path, []byte(line), 0o755); err != nil { //nolint:gosec // it is executed
			return tools, err
		}
		*program = path
	}
	return tools, nil
}
