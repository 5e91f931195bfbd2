package encode

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
)

const (
	// GPUSuffix is the end of the names of the encoders that need a GPU.
	GPUSuffix = "_nvenc"
	// TrialSide is the width and the height of the frame of TrialArgs: NVENC refuses frames below 145 x 49.
	TrialSide = 256
)

// TrialArgs returns the arguments of ffmpeg that encode a frame and throw it away, to find out whether this machine can.
func TrialArgs(encoder string) []string {
	return []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats", "-f", "lavfi", "-i", fmt.Sprintf("color=size=%dx%[1]d:rate=25:duration=0.04", TrialSide),
		"-c:v", option.Name(encoder), "-f", "null", "-",
	}
}
