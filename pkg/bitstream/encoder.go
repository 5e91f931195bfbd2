package bitstream

import (
	"regexp"
	"strconv"
)

// Builds of x264 before these wrote streams that differ from the standard, which ffmpeg reads as
// those builds meant them (libavcodec/h264_direct.c and h264_mvpred.h).
const (
	X264Direct     = 34  // direct prediction
	X264FullChroma = 151 // 4:4:4 with CABAC and the 8x8 transform
)

// x264Text matches the text with which x264 begins a stream: "x264 - core 142".
var x264Text = regexp.MustCompile(`x264 - core (\d{1,6})`)

// X264Build returns the build of x264 that wrote a stream, according to its first packet; 0 where
// that names none. No other packet has the text.
func X264Build(first Packet) int {
	for _, data := range [][]byte{first.Data, first.Extra} {
		if match := x264Text.FindSubmatch(data); match != nil {
			n, _ := strconv.Atoi(string(match[1])) // at most six digits
			return n
		}
	}
	return 0
}
