package stage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/media"
)

// Audio copies or encodes one piece of a job's sound, a whole track or a part of a long one, and puts it in scratch.
func (w *Worker) Audio(ctx context.Context, in film.AudioItem) (None, error) {
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return None{}, err
	}
	if in.Part == film.SidecarPart {
		return None{}, w.texts(ctx, j)
	}
	pieces := j.AudioParts()
	if in.Part < 0 || in.Part >= len(pieces) {
		return None{}, fault.New(fault.Internal, "job %s has %d pieces of sound, none is number %d", j.ID, len(pieces), in.Part)
	}
	piece := pieces[in.Part]
	sound := j.AudioRenditions[piece.Rendition]
	id := film.AudioUnit(in.Part)
	key := func(u ledger.Unit) string { return film.ArtifactKey(j.ID, id, u.Attempt, 0, extension(sound.Mux)) }
	err = w.unit(ctx, j.ID, id, func(u ledger.Unit, dir string) (any, Event, error) {
		s := &sounding{
			Worker: w, job: j, sound: sound, track: j.Source.Audio[sound.Track], piece: piece,
			unit: u, key: key(u), path: filepath.Join(dir, "sound"),
		}
		facts, err := s.run(ctx, dir)
		if err != nil {
			return nil, Event{}, fmt.Errorf("audio track %d: %w", sound.Track+1, err)
		}
		return facts, Event{Type: Finished, Media: s.media(facts), Bytes: facts.Size}, nil
	}, func(u ledger.Unit) { w.remove(ctx, []string{key(u)}) })
	return None{}, err
}

// extension is the file name extension of a piece of sound.
func extension(c film.Container) string {
	if c == film.MP4 {
		return "mp4"
	}
	return "mka"
}

// sounding is one attempt at one piece of sound.
type sounding struct {
	*Worker
	job   film.Job
	sound film.AudioRendition
	track film.AudioTrack
	piece film.AudioPart
	unit  ledger.Unit
	key   string
	path  string // what ffmpeg writes
}

// media is how much of the source the piece covers, in microseconds.
func (s *sounding) media(facts film.AudioFacts) media.Ticks {
	switch {
	case s.piece.Whole:
		return media.Rescale(s.track.Duration, s.track.Timebase, media.Microseconds)
	case s.piece.Last:
		return media.Rescale(max(facts.Length-s.piece.Start, 0), facts.Scale, media.Microseconds)
	}
	return media.Rescale(s.sound.Step, media.Rational{Num: 1, Den: int64(s.sound.Rate)}, media.Microseconds)
}

func (s *sounding) run(ctx context.Context, dir string) (film.AudioFacts, error) {
	store, source, err := s.Resolve(ctx, s.job.Source.URL)
	if err != nil {
		return film.AudioFacts{}, err
	}
	location, err := store.Locate(ctx, source)
	if err != nil {
		return film.AudioFacts{}, err
	}
	a := ffmpeg.Audio{
		Input:  ffmpeg.Input{Location: location, Demuxer: s.job.Source.Demuxer, Jumps: jumps(s.job.Source, s.track.Stream)},
		Stream: s.track.Stream, Codec: string(s.sound.Codec), SourceCodec: s.track.Codec, Bitrate: int(s.sound.Bitrate), Path: s.path, Muxer: "mp4",
	}
	if s.sound.Mux != film.MP4 {
		a.Muxer = "matroska"
	}
	if s.sound.Codec == film.Opus {
		a.SampleRate = 48_000 // the one rate of Opus's clock
	}
	if !s.piece.Whole {
		return s.part(ctx, a, dir)
	}
	if err := s.encode(ctx, a, dir, nil); err != nil {
		return film.AudioFacts{}, err
	}
	f, err := os.Open(s.path)
	if err != nil {
		return film.AudioFacts{}, err
	}
	defer f.Close()
	if s.sound.Mux != film.MP4 {
		info, err := s.Scratch.Put(ctx, s.key, f)
		return film.AudioFacts{StoredObject: film.StoredObject{Key: s.key, Size: info.Size}}, err
	}
	piece, extents, err := fragmentsOf(f)
	if err != nil {
		return film.AudioFacts{}, err
	}
	facts, piece := timed(piece, s.job.Source, s.track)
	return s.put(ctx, facts, piece, f, extents)
}

func (s *sounding) encode(ctx context.Context, a ffmpeg.Audio, dir string, heard io.Writer) error {
	_, err := ffmpeg.Run(ctx, s.Tools.FFmpeg, ffmpeg.AudioArgs(a), ffmpeg.RunOptions{Dir: dir, Pipe: heard, Limits: bounded(ctx, copying(s.job.Source.Size)), OnProgress: func(p ffmpeg.Progress) {
		s.tell(Event{Type: Progress, Job: s.job.ID, Unit: s.unit.ID, Attempt: s.unit.Attempt, Bytes: max(p.Bytes, 0), Media: s.sofar(p)})
	}})
	return err
}

// sofar is how much of the piece is encoded, from the time that the encoder has reached.
func (s *sounding) sofar(p ffmpeg.Progress) media.Ticks {
	at := media.Ticks(p.OutTime)
	if !s.piece.Whole {
		clock := media.Rational{Num: 1, Den: int64(s.sound.Rate)}
		at -= media.Rescale(s.track.Start, s.track.Timebase, media.Microseconds) + media.Rescale(s.piece.Start, clock, media.Microseconds)
		if !s.piece.Last {
			at = min(at, media.Rescale(s.sound.Step, clock, media.Microseconds))
		}
	}
	return max(at, 0)
}

func fragmentsOf(f *os.File) (isobmff.Chunk, []isobmff.Extent, error) {
	stat, err := f.Stat()
	if err != nil {
		return isobmff.Chunk{}, nil, err
	}
	piece, extents, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return piece, extents, fmt.Errorf("what ffmpeg wrote: %w", err)
	}
	scale := int64(piece.Track.Timescale)
	return piece.Shift(-ffmpeg.Offset * scale), extents, nil
}

func (s *sounding) put(ctx context.Context, facts film.AudioFacts, piece isobmff.Chunk, f *os.File, extents []isobmff.Extent) (film.AudioFacts, error) {
	info, err := putPiece(ctx, s.Scratch, s.key, piece, f, extents)
	facts.Key, facts.Size, facts.Header = s.key, info.Size, info.Size-piece.Bytes
	return facts, err
}

// timed works out when a sound is heard from its packets' timestamps, and gives its piece decode times from zero.
// ffmpeg stamps priming samples with times before the first sample that is heard.
func timed(piece isobmff.Chunk, src film.Source, track film.AudioTrack) (film.AudioFacts, isobmff.Chunk) {
	scale := media.Rational{Num: 1, Den: int64(piece.Track.Timescale)}
	heard := max(media.Rescale(track.Start, track.Timebase, scale), media.Ticks(piece.Start))
	facts := timeline(piece, media.Ticks(piece.Start), heard, src, track)
	return facts, piece.Shift(-piece.Start)
}

// timeline tells how a piece lies on its sound's timeline, whose first packet has the decode time begin and whose first
// sample is heard at heard. Both are the source's times, as the piece's are.
func timeline(piece isobmff.Chunk, begin, heard media.Ticks, src film.Source, track film.AudioTrack) film.AudioFacts {
	scale := media.Rational{Num: 1, Den: int64(piece.Track.Timescale)}
	end := media.Ticks(piece.End())
	facts := film.AudioFacts{
		Samples: len(piece.Samples), Scale: scale, Begin: media.Ticks(piece.Start) - begin,
		Skip: heard - begin, Delay: heard - src.Origin.In(scale), Length: max(end-heard, 0),
	}
	if n := len(piece.Samples); n > 0 {
		facts.Last = end - begin - media.Ticks(piece.Samples[n-1].Duration)
	}
	if d := media.Rescale(track.Duration, track.Timebase, scale); d > 0 {
		facts.Length = min(facts.Length, d)
	}
	return facts
}

// part encodes a part of a sound: exactly the packets that one pass would have at this place, but for what the encoder
// remembers of the sound before its pre-roll.
func (s *sounding) part(ctx context.Context, a ffmpeg.Audio, dir string) (film.AudioFacts, error) {
	r := plan.ReadAudio(s.sound, s.track, s.piece)
	codec := s.sound.Codec
	a.SampleRate = s.sound.Rate
	a.Start, a.End, a.First, a.Grid = (*int64)(r.Start), (*int64)(r.End), (*int64)(r.First), (*int64)(r.Grid)
	var heard bytes.Buffer // of 64 frames: half a megabyte for eight channels
	if !s.piece.Last {
		from, to := plan.JoinRange(codec, s.piece.End)
		offset := int64(r.Zero - codec.Priming())
		a.PCM = &ffmpeg.PCMRange{
			Start: int64(from)*int64(codec.Frame()) + offset, End: int64(to)*int64(codec.Frame()) + offset, Channels: s.track.Channels,
		}
	}
	if s.job.Source.Jumps {
		r.Seeks = nil // what the clock says behind a jump is known to who reads from the start
	}
	begin := r.Zero - codec.Priming() // of the sound's first packet
	want := begin
	if r.Start != nil {
		want += *r.Start - r.Zero
	}
	for try := 0; ; try++ {
		last := try >= len(r.Seeks)
		if a.Seek = nil; last {
			a.First, a.Grid = nil, nil
		} else {
			a.Seek = (*int64)(&r.Seeks[try])
		}
		heard.Reset()
		if err := s.encode(ctx, a, dir, &heard); err != nil {
			return film.AudioFacts{}, err
		}
		facts, there, err := s.stored(ctx, r, begin, want, last, heard.Bytes())
		if there || err != nil {
			return facts, err
		}
	}
}

// stored puts what ffmpeg wrote of a part in scratch. there is false where it does not begin with the packet that is
// wanted: the seek went too far. Where the track was read from its beginning and there still is nothing, the sound ends
// before the part.
func (s *sounding) stored(ctx context.Context, r plan.AudioRead, begin, want media.Ticks, last bool, heard []byte) (facts film.AudioFacts, there bool, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return facts, false, err
	}
	defer f.Close()
	if stat, err := f.Stat(); err != nil || stat.Size() == 0 {
		return facts, last, err
	}
	piece, extents, err := fragmentsOf(f)
	if err != nil {
		return facts, false, err
	}
	frame := s.sound.Codec.Frame()
	switch n := len(piece.Samples); {
	case n == 0:
		return facts, last, nil
	case media.Ticks(piece.Start) != want && !last:
		return facts, false, nil
	case media.Ticks(piece.Start) != want || int(piece.Track.Timescale) != s.sound.Rate:
		return facts, false, fault.New(fault.Corrupt, "a piece begins at sample %d of %d Hz, and should at %d of %d",
			piece.Start, piece.Track.Timescale, want, s.sound.Rate)
	default:
		for i, sample := range piece.Samples[:n-1] {
			if media.Ticks(sample.Duration) != frame {
				return facts, false, fault.New(fault.Corrupt, "packet %d lasts %d samples instead of %d", i, sample.Duration, frame)
			}
		}
	}
	facts = timeline(piece, begin, r.Zero, s.job.Source, s.track)
	piece = piece.Shift(-int64(begin))
	if err := s.overlaps(&facts, piece, f, extents, heard); err != nil {
		return facts, false, err
	}
	facts, err = s.put(ctx, facts, piece, f, extents)
	return facts, err == nil, err
}

// overlaps describes the packets around the piece's edges.
func (s *sounding) overlaps(facts *film.AudioFacts, piece isobmff.Chunk, f io.ReaderAt, extents []isobmff.Extent, heard []byte) error {
	codec := s.sound.Codec
	around := func(edge media.Ticks) (*film.Overlap, int) {
		from, to := plan.JoinRange(codec, edge)
		from = max(from-plan.EqualPackets, int(facts.Begin/codec.Frame()))
		return &film.Overlap{First: from}, to
	}
	headTo, tailTo := 0, 0
	if s.piece.Start > 0 {
		facts.Head, headTo = around(s.piece.Start)
	}
	if !s.piece.Last {
		facts.Tail, tailTo = around(s.piece.End)
		facts.Tail.RMS = loudness(heard, int(codec.Frame())*s.track.Channels)
	}
	packets := bufio.NewReader(payload(f, extents))
	number := int(facts.Begin / codec.Frame())
	for i, sample := range piece.Samples {
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

// loudness is the root mean square of each n values of 16 bits.
func loudness(pcm []byte, n int) []int32 {
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

// shape tells packets apart whose transforms do not fit side by side. Of AAC that is the window's sequence and shape in
// the first element of the raw data block, a single channel or a pair (ISO/IEC 14496-3, tables 4.4 to 4.6); of Opus
// the configuration in its first byte (RFC 6716, 3.1).
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
	bits := uint32(packet[0])<<16 | uint32(packet[1])<<8 | uint32(packet[2]) // the first 24, from the highest
	at := 16                                                                 // id 3, tag 4, gain 8, reserved 1
	if bits>>21 == pair {
		at = 9 // id 3, tag 4, common window 1, reserved 1
		if bits>>16&1 == 0 {
			at = 17 // gain 8 and reserved 1 after the pair's common window
		}
	}
	return byte(bits >> (21 - at) & 7)
}
