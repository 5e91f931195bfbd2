package remux

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// ExcerptArgs returns the arguments with which ffmpeg copies a part of a video stream into a Matroska file: from a keyframe on. from, counted
// from the source's beginning, and length are in microseconds. Where a container has no index, ffmpeg finds the part by its bytes, so it may be
// seconds away.
func ExcerptArgs(in ffmpeg.Input, stream int, from, length media.Ticks, file string) []string {
	args := append(append([]string{"-nostdin", "-v", "error"}, ffmpeg.AllocationLimits()...), "-ss", option.Seconds(int64(from)))
	if lacksPTS(in.Demuxer) {
		args = append(args, "-fflags", "+genpts")
	}
	return append(append(args, in.Options()...), "-i", in.URL(), "-map", fmt.Sprintf("0:%d", stream), "-map_metadata", "-1", "-map_chapters", "-1",
		"-c", "copy", "-t", option.Seconds(int64(length)), "-f", "matroska", option.FileURL(file))
}
