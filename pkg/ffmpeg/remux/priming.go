package remux

import (
	"fmt"
	"strconv"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
)

// primingRate is the sample rate of the trial of PrimingArgs, whose encoder has a priming of 120 samples: 2.5 ms.
const primingRate = 48_000

// PrimingArgs returns the arguments of ffmpeg that write some Opus to a Matroska file, and list its packets on descriptor 3. The encoder
// is ffmpeg's own, which every build has.
func PrimingArgs(path string) []string {
	encoder := []string{"-map", "0:a", "-c:a", "opus", "-strict", "experimental", "-avoid_negative_ts", "disabled", "-output_ts_offset", strconv.Itoa(ffmpeg.Offset)}
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats", "-y", "-f", "lavfi", "-i", fmt.Sprintf("anullsrc=r=%d:cl=stereo:d=0.1", primingRate),
	}
	args = append(append(args, encoder...), "-f", "matroska", option.FileURL(path))
	return append(append(args, encoder...), "-f", "framecrc", "pipe:3")
}

// PrimingReadArgs returns the arguments of ffmpeg that list the packets of that file as they are read.
func PrimingReadArgs(path string) []string {
	return []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats", "-copyts", "-f", "matroska", "-i", option.FileURL(path),
		"-map", "0:a", "-c", "copy", "-avoid_negative_ts", "disabled", "-f", "framecrc", "pipe:3",
	}
}

// LosesPriming reports whether a packet that was written at a time in samples, and read at one in milliseconds, has become early.
func LosesPriming(written, read int64) bool {
	const millisecond = primingRate / 1000
	return read*millisecond < written-3*millisecond/2
}
