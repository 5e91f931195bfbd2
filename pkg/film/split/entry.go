package split

import (
	"context"
	"io"

	"github.com/mapreel/mapreel/pkg/bitstream"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// headBytes is how much of a packet is read: the parameters and messages before the picture are
// smaller.
const headBytes = 64 << 10

// lengthsOfFour is as much of an avcC or hvcC as says that lengths of NAL units have four bytes: what
// ffmpeg writes.
var lengthsOfFour = []byte{1, 4: 3, 21: 3}

// recoveriesMeasured is how many source chunks are decoded to measure how long a refresh takes.
const recoveriesMeasured = 3

// readEntry looks at the first packet of the last source chunk of x, a file in the working folder:
// where that is a recovery point of intra refresh, it says so in x, and measures how long after it
// the decoder shows its first frame.
func (a *attempt) readEntry(ctx context.Context, name string, payload io.Reader, chunk isobmff.Chunk, x *index) error {
	codec := a.job.Source.Video.Codec
	n := len(x.Sync) - 1
	if n == 0 || codec != "h264" && codec != "hevc" {
		return nil
	}
	head := make([]byte, min(int64(chunk.Samples[0].Size), headBytes))
	if _, err := io.ReadFull(payload, head); err != nil {
		return err
	}
	kind, frames := bitstream.EntryOf(codec, bitstream.Packet{Data: head, Extra: lengthsOfFour})
	if kind == bitstream.Whole {
		return nil
	}
	v := *a.job.Source.Video
	x.Chunks[n].Gradual = true
	x.Recovery = max(x.Recovery, 1)
	if v.FrameRate.Known() {
		x.Recovery = max(x.Recovery, media.Rescale(media.Ticks(frames), media.Rational{Num: v.FrameRate.Den, Den: v.FrameRate.Num}, v.Timebase))
	}
	if x.measured == recoveriesMeasured {
		return nil
	}
	_, worker := input.Budget(a.Env, a.job.Source)
	first, err := input.FirstFrame(ctx, a.tools, a.Dir, encode.Video{
		Input:    ffmpeg.Input{Location: name, Demuxer: "mov", TimestampOffset: ffmpeg.Offset},
		Timebase: v.Timebase, X264Build: v.X264Build,
	}, worker.Limit(ctx, input.Video(a.job).Limits()))
	if err != nil {
		return err
	}
	x.measured++
	shown := media.Ticks(chunk.End()) // or later
	if first != nil {
		shown = *first
	}
	x.Recovery = max(x.Recovery, shown-x.Sync[n])
	return nil
}
