package source

import (
	"context"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/bitstream"
	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff/movieindex"
	"github.com/mapreel/mapreel/pkg/media"
)

// entriesRead is how many sync frames after the first are looked at. Encoders set one kind
// throughout, so these show a film that was joined of several parts too. A worker that loses frames
// at any other looks for an earlier one itself.
const entriesRead = 16

// readEntries reads the first packet of a video track, and some of the sync frames that its index
// lists, for what a decoder must know before it begins in the middle of the track. It corrects the
// index where decoding does not give whole frames at once. whole reports that no decoder can begin
// there: the track is one segment.
func readEntries(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, src *film.Source, x *plan.Index, read packetReader) (whole bool, err error) {
	v := src.Video
	if v.Codec == "mpeg4" {
		first, err := read(ctx, nil)
		return err == nil && len(first.Packets) > 0 && bitstream.MPEG4Fields(bitstream.Packet{Data: first.Packets[0], Extra: first.Extra}), err
	}
	if v.Codec != "h264" && v.Codec != "hevc" {
		return false, nil
	}
	sync := sample(x, entriesRead)
	data, err := read(ctx, sync)
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
	if x == nil {
		return false, nil
	}
	gradual := 0 // the largest number of frames after which the picture is whole
	for _, packet := range data.Packets[1:] {
		switch kind, frames := bitstream.EntryOf(v.Codec, bitstream.Packet{Data: packet, Extra: data.Extra}); kind {
		case bitstream.Gradual:
			gradual = max(gradual, frames)
		case bitstream.None: // the index calls frames sync frames that are none
			x.Sync = slices.Clone(x.Sync[:1])
			return false, nil
		case bitstream.Whole:
		}
	}
	if gradual == 0 {
		return false, nil
	}
	return false, measureRecovery(ctx, tools, in, *src, x, sync, gradual)
}

// packetReader reads a track's first packet, and those of the sync frames at some times of its index.
type packetReader func(ctx context.Context, sync []media.Ticks) (probe.PacketData, error)

// newPacketReader returns what reads packets of the source's video track: from the places that the index
// of an MP4 file lists, and by ffprobe where that does not suffice, which takes a start of a program
// and reads the index again.
func newPacketReader(tools ffmpeg.Tools, in ffmpeg.Input, file *blob.Reader, src *film.Source, track *movieindex.Track) packetReader {
	return func(ctx context.Context, sync []media.Ticks) (probe.PacketData, error) {
		var times, microseconds []int64
		for _, t := range sync {
			if us, ok := src.Video.Timebase.CeilMicroseconds(t); ok && us > 0 {
				times, microseconds = append(times, int64(t)), append(microseconds, us)
			}
		}
		if track != nil {
			packets, ok, err := track.ReadPackets(ctx, file, file.Size(), times, probe.MaxPacketData)
			if ok || err != nil {
				return probe.PacketData{Packets: packets.Data, Extra: packets.Extra}, err
			}
		}
		return probe.ReadPackets(ctx, tools, in, src.Video.Stream, microseconds)
	}
}

// readHidden corrects the index, and with it the source, where the decoder shows a frame that the edit
// list hides, as ffmpeg's decoder of Motion JPEG does: it is shown in a single pass too.
func readHidden(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, src *film.Source, x *plan.Index) error {
	if x == nil || !x.Hidden || len(x.Times) == 0 {
		return nil
	}
	v := src.Video
	first, err := input.FirstFrame(ctx, tools, "", encode.Video{Input: in, Stream: v.Stream, Timebase: v.Timebase}, firstFrameLimits(ctx, *src))
	if err != nil || first == nil || *first >= x.Start {
		return err
	}
	x.Times = slices.Insert(slices.Clone(x.Times), 0, *first)
	x.Start, v.Start, v.Frames = *first, *first, len(x.Times)
	src.StartAt(media.Instant{Ticks: *first, Timebase: v.Timebase})
	return nil
}

// firstFrameLimits returns what decoding a source to its first frame may take.
func firstFrameLimits(ctx context.Context, src film.Source) ffmpeg.Limits {
	return budget.Worker{}.Limit(ctx, budget.Video{
		Source: budget.Source{Size: src.Size, Duration: src.Duration}, Width: src.Video.Width, Height: src.Video.Height,
	}.Limits())
}

// sample returns at most n of an index's sync frames after the first: the first ones and the last
// ones, and others evenly between them.
func sample(x *plan.Index, n int) []media.Ticks {
	if x == nil || len(x.Sync) < 2 {
		return nil
	}
	list := x.Sync[1:]
	if len(list) <= n {
		return list
	}
	var chosen []media.Ticks
	for i := range n {
		chosen = append(chosen, list[i*(len(list)-1)/(n-1)])
	}
	return chosen
}

// Measuring: how many sync frames are tried, and how long after each decoding is given up. A refresh
// takes seconds.
const (
	recoveriesMeasured = 3
	maxRecovery        = 30 * time.Second
)

// measureRecovery sets x.Recovery: how long after one of the sync frames at sync the decoder shows
// its first frame, or the recovery points' own number of frames, whichever is longer. Recovery
// points of H.264 count reference frames, so their number does not give the time.
func measureRecovery(ctx context.Context, tools ffmpeg.Tools, in ffmpeg.Input, src film.Source, x *plan.Index, sync []media.Ticks, frames int) error {
	v := *src.Video
	limits := firstFrameLimits(ctx, src)
	if v.FrameRate.Known() {
		x.Recovery = media.Rescale(media.Ticks(frames), media.Rational{Num: v.FrameRate.Den, Den: v.FrameRate.Num}, v.Timebase)
	}
	x.Recovery = max(x.Recovery, 1)
	n := min(recoveriesMeasured, len(sync))
	for i := range n {
		at := sync[i*len(sync)/n]
		end := at + v.Timebase.Ticks(maxRecovery)
		first, err := input.FirstFrame(ctx, tools, "", encode.Video{
			Input: in, Stream: v.Stream, Timebase: v.Timebase, Seek: (*int64)(&at), End: (*int64)(&end), X264Build: v.X264Build,
		}, limits)
		if err != nil {
			return err
		}
		if first == nil {
			if at < x.End-v.Timebase.Ticks(maxRecovery) { // none within that time, and not only none to the end
				x.Sync = slices.Clone(x.Sync[:1])
				return nil
			}
			continue
		}
		x.Recovery = max(x.Recovery, *first-at)
	}
	return nil
}
