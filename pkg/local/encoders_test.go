package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// Audio parts wait for the machine's slots as segments do, also where two jobs share the machine.
func TestNoMoreEncodersRunThanThereAreSlots(t *testing.T) {
	t.Parallel()
	s := films(t)
	s.Kinds.AudioPartLength = 3 * time.Second
	dir := t.TempDir()
	log, real := filepath.Join(dir, "log"), s.Tools.FFmpeg
	s.Tools.FFmpeg = filepath.Join(dir, "ffmpeg")
	script := fmt.Sprintf(`#!/bin/sh
case "$*" in *filter_complex*) what=video;; *-c:a*) what=audio;; *) exec '%[1]s' "$@";; esac
echo "+ $what" >>'%[2]s'
sleep 0.3
'%[1]s' "$@"
code=$?
echo "- $what" >>'%[2]s'
exit $code
`, real, log)
	if err := os.WriteFile(s.Tools.FFmpeg, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	source := clip(t, "in.mkv", args(picture(12), tone(12), tone(12), []string{
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "veryfast", "-g", "24", "-c:a", "flac",
	})...)
	const slots = 2
	scratch := t.TempDir()
	var group errgroup.Group
	for range 2 {
		req := request(source, t.TempDir(), "mp4")
		req.Outputs[0].Audio = &film.Audio{Codec: film.AAC}
		group.Go(func() error {
			_, err := s.run(t.Context(), req, local.Options{Scratch: scratch, Jobs: slots})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	running, most, began, audioBesideAudio := map[string]int{}, 0, map[string]int{}, false
	for line := range strings.Lines(string(text)) {
		sign, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if sign == "+" {
			running[what]++
			began[what]++
		} else {
			running[what]--
		}
		most = max(most, running["video"]+running["audio"])
		audioBesideAudio = audioBesideAudio || running["audio"] > 1
	}
	if most > slots {
		t.Errorf("%d encoders ran at once, want at most %d", most, slots)
	}
	if began["audio"] < 2*2*3 || began["video"] < 2*3 || !audioBesideAudio {
		t.Errorf("the encoders that ran, %v, do not show it", began)
	}
}
