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
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// encoderSignatures are the identifiers of the message that x264 and x265 put into the first frame
// of an encode (user data unregistered SEI, H.264 and H.265 annex D; set in set.c and encoder.cpp
// of their sources). A signature after the start of a file means that another encoder began there.
// In MP4 and Matroska ffmpeg moves x265's message to the stream header, so only x264 can be
// recognised there. A segment of mapreel begins with frames that are cut off, and the signature
// with them; then only keyframes are known.
var encoderSignatures = [][]byte{
	[]byte("\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef"),
	[]byte("\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e"),
}

// signatureSearch is how many bytes of a packet are searched: parameter sets precede the message.
const signatureSearch = 2048

// keyframe is a place in the output where decoding can start.
type keyframe struct {
	ticks        int64
	encoderStart bool // an encoder began here
	filtered     bool // the encoder may have mixed it with the frames that follow; see outlier.MaxFilteredDip
}

// keyframes lists the keyframes of a stream in order of time, and which of them begin with an
// encoder's signature. known reports whether the first one does; otherwise a missing signature
// means nothing.
func keyframes(ctx context.Context, tools ffmpeg.Tools, f *file, stream int) (list []keyframe, known bool, err error) {
	var at []int64
	log := &probe.PacketLog{Each: func(p probe.Packet) {
		if p.Key {
			list, at = append(list, keyframe{ticks: p.PTS}), append(at, p.Pos)
		}
	}}
	if _, err := ffmpeg.Run(ctx, tools.FFprobe, probe.PacketArgs(f.in, stream), ffmpeg.RunOptions{Stdout: log, Limits: f.listing(ctx)}); err != nil {
		return nil, false, err
	}
	if !isPlaylist(f.in.Demuxer) { // there, a position refers to one of many files
		if err := findSignatures(f.in.Location, list, at); err != nil {
			return nil, false, err
		}
	}
	known = len(list) > 0 && list[0].encoderStart
	slices.SortFunc(list, func(a, b keyframe) int { return int(min(max(a.ticks-b.ticks, -1), 1)) })
	return list, known, nil
}

func findSignatures(path string, list []keyframe, at []int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "read "+path)
	}
	defer f.Close() //nolint:errcheck // it was only read
	head := make([]byte, signatureSearch)
	for i := range list {
		if at[i] < 0 {
			continue
		}
		n, err := f.ReadAt(head, at[i])
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.Wrap(fault.KindOf(err), err, "read "+path)
		}
		for _, signature := range encoderSignatures {
			list[i].encoderStart = list[i].encoderStart || bytes.Contains(head[:n], signature)
		}
	}
	return nil
}
