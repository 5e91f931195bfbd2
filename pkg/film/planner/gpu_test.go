package planner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// A machine without a GPU is told so before any work, with what ffmpeg missed.
func TestAMissingGPUIsNamed(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \"$*\" in *hevc_nvenc*) echo '[hevc_nvenc @ 0x1] Cannot load libcuda.so.1' >&2; exit 1;; esac\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	p := Planner{Tools: ffmpeg.Tools{FFmpeg: program}}
	if err := p.requireGPU(t.Context(), []string{"libx265", "aac", "h264_nvenc"}); err != nil {
		t.Error(err)
	}
	err := p.requireGPU(t.Context(), []string{"h264_nvenc", "hevc_nvenc"})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "/compute/gpu: this machine cannot encode with hevc_nvenc: Cannot load libcuda.so.1") || !strings.Contains(err.Error(), "needs a GPU") {
		t.Error(err)
	}
}
