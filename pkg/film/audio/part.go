package audio

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// runPart encodes a part of a track. Its packets are those that a single encode of the whole track
// would have there, except that this encoder has no state from before its pre-roll.
func (a *attempt) runPart(ctx context.Context, args encode.Audio) (film.AudioFacts, error) {
	r := plan.ReadAudio(a.rendition, a.job.Source, a.track, a.part)
	codec := a.rendition.Codec
	args.SampleRate = a.rendition.Rate
	args.Start, args.End, args.First, args.Grid = (*int64)(r.Start), (*int64)(r.End), (*int64)(r.First), (*int64)(r.Grid)
	var pcm bytes.Buffer // 64 frames: half a megabyte for eight channels
	if !a.part.Last {
		from, to := plan.JoinRange(codec, a.part.End)
		offset := int64(r.Zero - codec.Priming())
		args.PCM = &encode.PCMRange{
			Start: int64(from)*int64(codec.Frame()) + offset, End: int64(to)*int64(codec.Frame()) + offset, Channels: a.channels(),
		}
	}
	if a.job.Source.Jumps {
		r.Seeks = nil // only reading from the start gives the right timestamps after a jump
	}
	begin := r.Zero - codec.Priming() // decode time of the track's first packet
	want := begin                     // decode time of the part's first packet
	if r.Start != nil {
		want += *r.Start - r.Zero
	}
	for try := 0; ; try++ {
		last := try >= len(r.Seeks)
		if args.Seek = nil; last {
			args.First, args.Grid = nil, nil
		} else {
			args.Seek = (*int64)(&r.Seeks[try])
		}
		pcm.Reset()
		if err := a.encode(ctx, args, &pcm); err != nil {
			return film.AudioFacts{}, err
		}
		facts, found, err := a.putPart(ctx, r, begin, want, last, pcm.Bytes())
		if found || err != nil {
			return facts, err
		}
	}
}

// channels returns the number of channels of the encoded audio.
func (a *attempt) channels() int { return cmp.Or(a.rendition.Channels, a.track.Channels) }

// putPart checks ffmpeg's output of a part and puts it in scratch. found is false where the output
// does not begin with the packet at want: the seek went too far. last is true where the track was
// read from its beginning. If there are no packets even then, the audio ends before the part.
func (a *attempt) putPart(
	ctx context.Context, r plan.AudioRead, begin, want media.Ticks, last bool, pcm []byte,
) (facts film.AudioFacts, found bool, err error) {
	f, err := os.Open(a.path)
	if err != nil {
		return facts, false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if stat, err := f.Stat(); err != nil || stat.Size() == 0 {
		return facts, last, err
	}
	chunk, extents, err := readFragments(f)
	if err != nil {
		return facts, false, err
	}
	frame := a.rendition.Codec.Frame()
	switch n := len(chunk.Samples); {
	case n == 0:
		return facts, last, nil
	case media.Ticks(chunk.Start) != want && !last:
		return facts, false, nil
	case media.Ticks(chunk.Start) != want || int(chunk.Track.Timescale) != a.rendition.Rate:
		return facts, false, fault.New(fault.Corrupt, "an audio part begins at sample %d of %d Hz instead of %d of %d Hz",
			chunk.Start, chunk.Track.Timescale, want, a.rendition.Rate)
	default:
		for i, sample := range chunk.Samples[:n-1] {
			if media.Ticks(sample.Duration) != frame {
				return facts, false, fault.New(fault.Corrupt, "packet %d lasts %d samples instead of %d", i, sample.Duration, frame)
			}
		}
	}
	facts = timeline(chunk, begin, r.Zero, a.job.Source, a.track)
	chunk = chunk.Shift(-int64(begin))
	if err := a.describeOverlaps(&facts, chunk, f, extents, pcm); err != nil {
		return facts, false, err
	}
	facts, err = a.put(ctx, facts, chunk, f, extents)
	return facts, err == nil, err
}

// describeOverlaps describes the packets around the part's edges. Join chooses among them where to
// join the part to its neighbours.
func (a *attempt) describeOverlaps(facts *film.AudioFacts, chunk isobmff.Chunk, f io.ReaderAt, extents []isobmff.Extent, pcm []byte) error {
	codec := a.rendition.Codec
	around := func(edge media.Ticks) (*film.Overlap, int) {
		from, to := plan.JoinRange(codec, edge)
		from = max(from-plan.EqualPackets, int(facts.Begin/codec.Frame()))
		return &film.Overlap{First: from}, to
	}
	headTo, tailTo := 0, 0
	if a.part.Start > 0 {
		facts.Head, headTo = around(a.part.Start)
	}
	if !a.part.Last {
		facts.Tail, tailTo = around(a.part.End)
		facts.Tail.RMS = rms(pcm, int(codec.Frame())*a.channels())
	}
	packets := bufio.NewReader(isobmff.Payload(f, extents))
	number := int(facts.Begin / codec.Frame())
	for i, sample := range chunk.Samples {
		packet := make([]byte, sample.Size)
		if _, err := io.ReadFull(packets, packet); err != nil {
			return fmt.Errorf("packet %d: %w", i, err)
		}
		for _, o := range []struct {
			*film.Overlap
			to int
		}{{facts.Head, headTo}, {facts.Tail, tailTo}} {
			if o.Overlap != nil && number+i >= o.First && number+i < o.to {
				o.Sums = append(o.Sums, crc32.ChecksumIEEE(packet))
				o.Shapes = append(o.Shapes, shape(codec, packet))
			}
		}
	}
	return nil
}

// rms returns the root mean square of each run of n 16-bit samples.
func rms(pcm []byte, n int) []int32 {
	var all []int32
	for ; len(pcm) >= 2*n && n > 0; pcm = pcm[2*n:] {
		sum := 0.0
		for i := range n {
			v := float64(int16(binary.LittleEndian.Uint16(pcm[2*i:])))
			sum += v * v
		}
		all = append(all, int32(math.Sqrt(sum/float64(n))))
	}
	return all
}

// shape returns a value that differs between packets whose transforms do not fit side by side. For
// AAC it is the window's sequence and shape in the first element of the raw data block, a single
// channel or a pair (ISO/IEC 14496-3, tables 4.4 to 4.6). For Opus it is the first byte, which
// holds the configuration (RFC 6716, 3.1).
func shape(codec film.AudioCodec, packet []byte) byte {
	if codec != film.AAC {
		if len(packet) == 0 {
			return 0
		}
		return packet[0]
	}
	if len(packet) < 3 {
		return 0
	}
	const pair = 1
	bits := uint32(packet[0])<<16 | uint32(packet[1])<<8 | uint32(packet[2]) // the first 24, most significant first
	at := 16                                                                 // id 3, tag 4, gain 8, reserved 1
	if bits>>21 == pair {
		at = 9 // id 3, tag 4, common window 1, reserved 1
		if bits>>16&1 == 0 {
			at = 17 // gain 8 and reserved 1 after the pair's common window
		}
	}
	return byte(bits >> (21 - at) & 7)
}
