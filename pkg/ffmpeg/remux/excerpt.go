package remux

import (
	"fmt"
	"strconv"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Excerpt is a part of a video stream to copy into a Matroska file. The copy begins with a keyframe. Where the source's container has no
// index, ffmpeg finds the part by its bytes, so it may be seconds away.
type Excerpt struct {
	Input        ffmpeg.Input
	Stream       int
	From, Length media.Ticks // in microseconds; From counts from the source's beginning
	// Within leaves out what is shown before From. Times in the file then count from there, within a few frames. Otherwise the copy
	// may begin with the keyframe before From.
	Within bool
	Most   int64 // bytes, after which the copy ends
	Path   string
}

// ExcerptArgs returns the arguments with which ffmpeg copies an excerpt.
func ExcerptArgs(x Excerpt) []string {
	args := append(append([]string{"-nostdin", "-v", "error"}, ffmpeg.AllocationLimits()...), "-ss", option.Seconds(int64(x.From)))
	if lacksPTS(x.Input.Demuxer) {
		args = append(args, "-fflags", "+genpts")
	}
	args = append(append(args, x.Input.Options()...), "-i", x.Input.URL(), "-map", fmt.Sprintf("0:%d", x.Stream),
		"-map_metadata", "-1", "-map_chapters", "-1", "-c", "copy", "-t", option.Seconds(int64(x.Length)))
	if x.Within {
		args = append(args, "-copypriorss", "0")
	}
	return append(args, "-fs", strconv.FormatInt(x.Most, 10), "-f", "matroska", option.FileURL(x.Path))
}
