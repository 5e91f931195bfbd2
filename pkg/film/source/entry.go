package source

import (
	"context"

	"github.com/mapreel/mapreel/pkg/bitstream"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
)

// readEntries reads the first packet of a video track for what a decoder must know before it begins
// in the middle of the track. whole reports that no decoder can: the track is one segment.
func readEntries(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, v *film.VideoTrack) (whole bool, err error) {
	if v.Codec != "h264" {
		return false, nil
	}
	data, err := probe.ReadPackets(ctx, tools, in, v.Stream, nil)
	if err != nil || len(data.Packets) == 0 {
		return false, err
	}
	switch build := bitstream.X264Build(bitstream.Packet{Data: data.Packets[0], Extra: data.Extra}); {
	case build == 0:
	case build < bitstream.X264Direct:
		v.X264Build = build
	case build < bitstream.X264FullChroma && v.FullChroma():
		// The build can be told to ffmpeg, but that is not enough: where a file names a build that did
		// not write it, ffmpeg conceals errors with frames that it showed before.
		return true, nil
	}
	return false, nil
}
