package audio

import (
	"cmp"
	"os"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// copySeek is how far before the part a copy begins to read, in microseconds: further than a file's audio lies from its video.
const copySeek = 30_000_000

// leadPackets is how many packets before the first that is heard a decoder needs, by ffmpeg's name of the codec: transforms overlap,
// MP3 keeps bits in the packets before, and Opus settles within 80 ms (RFC 7845, 4.6). Other codecs need none.
var leadPackets = map[string]int{"aac": 1, "ac3": 1, "eac3": 1, "dts": 1, "mp2": 1, "mp3": 2, "vorbis": 1, "opus": 4}

// limit makes args read no more of a track that is made in one pass than the job's part of the source needs.
func (a *attempt) limit(args *encode.Audio) error {
	src := a.job.Source
	if src.Cut == nil {
		return nil
	}
	if a.rendition.Codec != film.AudioCopy {
		rate := cmp.Or(args.SampleRate, a.track.SampleRate)
		if rate <= 0 {
			return fault.New(fault.Unsupported, "it declares no sample rate, so no part of it can be taken")
		}
		scale := media.Rational{Num: 1, Den: int64(rate)}
		if src.Cut.Start != nil {
			args.Start = new(int64(src.AudioStart(a.track, scale)))
		}
		args.End = (*int64)(src.AudioEnd(scale))
		return nil
	}
	clock := media.Ticks(0) // what ffmpeg subtracts from the source's times
	if j := args.Input.Jumps; j != nil {
		clock = media.Ticks(j.Start)
	}
	milliseconds := media.Rational{Num: 1, Den: 1000}
	if start := src.Cut.Start; start != nil {
		if a.rendition.Mux != film.MP4 { // otherwise takePackets finds the first that is needed
			args.From = new(int64(media.PartTick(*start-clock, milliseconds)))
		}
		if a.track.Clock != film.ClockUnknown && args.Input.Jumps == nil {
			args.Seek = new(int64(*start - copySeek))
		}
	}
	if end := src.Cut.End; end != nil {
		args.Until = new(int64(*end - clock))
		if a.rendition.Mux != film.MP4 {
			args.To = new(int64(media.PartTick(*end-clock, milliseconds)))
		}
	}
	return nil
}

// takePackets returns the packets of a copied track that the job's part of the source needs, and where their bytes lie: those that are
// heard in part, and those that the decoder needs before them. The movie's edit list hides the rest.
func (a *attempt) takePackets(chunk isobmff.Chunk, extents []isobmff.Extent) (isobmff.Chunk, []isobmff.Extent) {
	src := a.job.Source
	if src.Cut == nil || a.rendition.Codec != film.AudioCopy || len(chunk.Samples) == 0 {
		return chunk, extents
	}
	scale := media.Rational{Num: 1, Den: int64(chunk.Track.Timescale)}
	from, to := int64(src.AudioStart(a.track, scale)), src.AudioEnd(scale)
	first, end := 0, 0
	now := chunk.Start
	for i, s := range chunk.Samples {
		if now <= from {
			first = i
		}
		if to == nil || now < int64(*to) {
			end = i + 1
		}
		now += int64(s.Duration)
	}
	if src.Cut.Start == nil {
		first = 0
	} else {
		first = max(first-leadPackets[a.track.Codec], 0)
	}
	for first > 0 && !chunk.Samples[first].Sync {
		first--
	}
	return chunk.Range(extents, first, max(first, end))
}

// wholeChunk reads what ffmpeg wrote of a track that was made in one pass, for MP4. It has no samples where there are none.
func (a *attempt) wholeChunk(f *os.File) (isobmff.Chunk, []isobmff.Extent, error) {
	if stat, err := f.Stat(); err != nil || stat.Size() == 0 {
		return isobmff.Chunk{}, nil, err
	}
	chunk, extents, err := readFragments(f)
	if err != nil {
		return chunk, nil, err
	}
	chunk, extents = a.takePackets(completed(chunk), extents)
	return chunk, extents, nil
}

// completed returns the chunk of a track with a duration for its last packet. Where the source has none, as in a QuickTime file that was copied
// with its packets, ffmpeg writes 0, and players would not play the packet.
func completed(chunk isobmff.Chunk) isobmff.Chunk {
	if n := len(chunk.Samples); n > 1 && chunk.Samples[n-1].Duration == 0 {
		chunk.Samples = slices.Clone(chunk.Samples)
		chunk.Samples[n-1].Duration = chunk.Samples[n-2].Duration
	}
	return chunk
}
