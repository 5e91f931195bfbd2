package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// encoderMarks begin the message that x264 and x265 put into the first picture that an encoder gives (user data
// unregistered, H.264 and H.265 annex D; the identifiers are in each one's source, in set.c and encoder.cpp). Where one
// stands behind the start of a file, another encoder began. In MP4 and Matroska ffmpeg moves x265's into the stream's header,
// so there only x264's starts can be told. A segment of mapreel's begins with pictures that are cut off, and the mark with
// them; then keyframes are all that is known.
var encoderMarks = [][]byte{
	[]byte("\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef"),
	[]byte("\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e"),
}

// markWithin is how many bytes of a packet are searched: parameter sets stand before the message.
const markWithin = 2048

// keyframe is where decoding can start in the output.
type keyframe struct {
	ticks   int64
	restart bool // an encoder began here
}

// keyframes lists the keyframes of a stream in the order of their times, and which of them begin with an encoder's mark.
// known says whether the first one does: without that, a missing mark says nothing.
func keyframes(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, stream int) (list []keyframe, known bool, err error) {
	var at []int64
	log := &ffmpeg.PacketLog{Each: func(p ffmpeg.Packet) {
		if p.Key {
			list, at = append(list, keyframe{ticks: p.PTS}), append(at, p.Pos)
		}
	}}
	if _, err := ffmpeg.Run(ctx, tools.FFprobe, ffmpeg.PacketsArgs(in, stream), ffmpeg.RunOptions{Stdout: log}); err != nil {
		return nil, false, err
	}
	if !isPlaylist(in.Demuxer) { // there, places are within one of many files
		if err := findMarks(in.Location, list, at); err != nil {
			return nil, false, err
		}
	}
	known = len(list) > 0 && list[0].restart
	slices.SortFunc(list, func(a, b keyframe) int { return int(min(max(a.ticks-b.ticks, -1), 1)) })
	return list, known, nil
}

func findMarks(path string, list []keyframe, at []int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "read "+path)
	}
	defer f.Close()
	head := make([]byte, markWithin)
	for i := range list {
		if at[i] < 0 {
			continue
		}
		n, err := f.ReadAt(head, at[i])
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.Wrap(fault.KindOf(err), err, "read "+path)
		}
		for _, mark := range encoderMarks {
			list[i].restart = list[i].restart || bytes.Contains(head[:n], mark)
		}
	}
	return nil
}
