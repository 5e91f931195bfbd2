// Package audio is the kind of work that copies or encodes audio: a whole track, or a part of a
// long one. It also computes how the parts of a track are joined.
package audio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/matroska"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kind encodes and copies audio parts.
type Kind struct{ Tools ffmpeg.Tools }

var _ work.Kind = Kind{}

// Name implements work.Kind.
func (Kind) Name() string { return film.AudioKind }

// Run implements work.Kind.
func (k Kind) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	a := &attempt{Env: env, tools: k.Tools, path: filepath.Join(env.Dir, "audio")}
	if err := env.Decode(&a.job); err != nil {
		return work.Result{}, err
	}
	for i := range a.job.AudioRenditions {
		if film.LoudnessUnit(i) == u.Name {
			return a.measure(ctx, i)
		}
	}
	for _, i := range a.job.JoinsAudio() {
		if film.JoinedAudioUnit(i) == u.Name {
			return a.join(ctx, i)
		}
	}
	if err := a.find(u.Name); err != nil {
		return work.Result{}, err
	}
	facts, err := a.run(ctx)
	if err != nil {
		return work.Result{}, fmt.Errorf("audio track %d: %w", a.rendition.Track+1, err)
	}
	if text := a.damage.String(); text != "" && a.rendition.Codec != film.AudioCopy {
		a.warn("audio track %d is damaged: %s", a.rendition.Track+1, text)
	}
	r := work.Result{Warnings: a.warnings, Done: work.Amount{Media: a.covered(facts), Bytes: facts.Size}}
	if facts.Key != "" {
		r.Artifacts = []work.Artifact{{Key: facts.Key, Size: facts.Size}}
	}
	return r, r.SetFacts(facts)
}

// attempt is one attempt at an audio part.
type attempt struct {
	*work.Env
	tools     ffmpeg.Tools
	job       film.Job
	rendition film.AudioRendition
	track     film.AudioTrack
	part      film.AudioPart
	key       string
	path      string // of ffmpeg's output
	warnings  []string
	damage    ffmpeg.DamageLog
}

// find looks up the part that a unit encodes.
func (a *attempt) find(unit string) error {
	for i, part := range a.job.AudioParts() {
		if film.AudioUnit(i) != unit {
			continue
		}
		a.part, a.rendition = part, a.job.AudioRenditions[part.Rendition]
		a.track = a.job.Source.Audio[a.rendition.Track]
		a.key = a.Key(0, extension(a.rendition.Mux))
		return nil
	}
	return fault.New(fault.Internal, "job %s has no audio part %s", a.job.ID, unit)
}

// extension is the file name extension of an audio part.
func extension(c film.Container) string {
	if c == film.MP4 {
		return "mp4"
	}
	return "mka"
}

// covered returns how much of the source the part covers, in microseconds.
func (a *attempt) covered(facts film.AudioFacts) media.Ticks {
	switch {
	case a.part.Whole:
		return a.job.Source.AudioLength(a.track, media.Microseconds)
	case a.part.Last:
		return media.Rescale(max(facts.Length-a.part.Start, 0), facts.Scale, media.Microseconds)
	}
	return media.Rescale(a.rendition.Step, a.clock(), media.Microseconds)
}

// clock returns the timebase of a rendition that is encoded in parts: its sample rate.
func (a *attempt) clock() media.Rational { return media.Rational{Num: 1, Den: int64(a.rendition.Rate)} }

// run makes the part. It has no key if the source holds nothing of it.
func (a *attempt) run(ctx context.Context) (film.AudioFacts, error) {
	in, err := a.input(ctx)
	if err != nil {
		return film.AudioFacts{}, err
	}
	facts, err := a.produce(ctx, in)
	if a.mayBeEmpty(facts, err) {
		has, problem := probe.HasPackets(ctx, a.tools, in, a.track.Stream)
		if problem != nil {
			return facts, cmp.Or(err, problem)
		}
		if !has {
			a.warn("left out: audio track %d, which has no packets", a.rendition.Track+1)
			return film.AudioFacts{}, nil
		}
	}
	if a.rendition.Fallback.Codec != "" && (err == nil && facts.Key == "" || err != nil && isUnfit(err)) {
		if err == nil {
			err = fault.New(fault.Corrupt, "no packet is left")
		}
		a.warn("audio track %d (%s) cannot be copied and is encoded to %s: %v", a.rendition.Track+1, a.track.Codec, a.fallback(), err)
		a.rendition = a.rendition.Encoded()
		a.key = a.Key(0, extension(a.rendition.Mux))
		facts, err = a.produce(ctx, in)
		facts.Encoded = true
	}
	if err == nil && a.part.Whole && facts.Key == "" {
		a.warn("left out: audio track %d, of which nothing can be decoded", a.rendition.Track+1)
	}
	return facts, err
}

// input returns what ffmpeg reads: the source, or of several the track that joins theirs.
func (a *attempt) input(ctx context.Context) (ffmpeg.Input, error) {
	if len(a.job.Source.Joined) > 0 {
		return a.joinedInput(ctx)
	}
	if a.job.Render != nil { // the sound of a scene's sequencer, which a unit has mixed
		location, err := a.Scratch.Locate(ctx, render.SoundKey(a.Job))
		return ffmpeg.Input{Location: location, Demuxer: "wav"}, err
	}
	in, err := input.Source(ctx, a.Resolve, a.job.Source)
	in.Jumps = input.Jumps(a.job.Source, a.track.Stream)
	return in, err
}

// warn adds a warning of the unit.
func (a *attempt) warn(format string, args ...any) {
	a.warnings = append(a.warnings, fmt.Sprintf(format, args...))
}

// fallback describes how the track is encoded where it cannot be copied.
func (a *attempt) fallback() string {
	f := a.rendition.Fallback
	if f.Channels != a.track.Channels {
		return fmt.Sprintf("%s, mixed from %d channels to %d", f.Codec, a.track.Channels, f.Channels)
	}
	return string(f.Codec)
}

// emptyFile is the size in bytes below which a copied track may have no packets: some headers, and a
// codec's private data.
const emptyFile = 64 << 10

// mayBeEmpty reports whether a result is what ffmpeg makes of a track without packets, which depends
// on the codec and the muxer.
func (a *attempt) mayBeEmpty(facts film.AudioFacts, err error) bool {
	switch {
	case err != nil:
		return isUnfit(err)
	case a.part.Whole && a.rendition.Mux != film.MP4:
		return facts.Size < emptyFile
	case a.part.Whole:
		return facts.Key == ""
	}
	return a.part.Start == 0 && facts.Key == ""
}

// storeError is an error of storing a part, whatever its kind. It says nothing about the track.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

// stored marks an error of storing.
func stored(err error) error {
	if err == nil {
		return nil
	}
	return storeError{err}
}

// isUnfit reports whether an error may be due to the packets of a track, not to the machine or the
// network.
func isUnfit(err error) bool {
	if errors.As(err, new(storeError)) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Corrupt, fault.Unsupported, fault.Internal, fault.Invalid:
		return true
	}
	return false
}

// produce has ffmpeg copy or encode the part, and stores it.
func (a *attempt) produce(ctx context.Context, in ffmpeg.Input) (film.AudioFacts, error) {
	args := encode.Audio{
		Input: in, Stream: a.track.Stream, Codec: string(a.rendition.Codec), SourceCodec: a.track.Codec,
		Bitrate: int(a.rendition.Bitrate), Layout: a.rendition.Layout, Path: a.path, Muxer: "mp4",
	}
	if a.rendition.Mux != film.MP4 {
		args.Muxer = "matroska"
	}
	if a.rendition.Codec == film.Opus {
		args.SampleRate = 48_000 // Opus's clock has no other rate
	}
	if a.rendition.Loudness != 0 {
		gain, err := a.gain(ctx)
		if err != nil {
			return film.AudioFacts{}, err
		}
		args.Gain = (*int64)(&gain)
	}
	if !a.part.Whole {
		return a.runPart(ctx, args)
	}
	if err := a.limit(&args); err != nil {
		return film.AudioFacts{}, err
	}
	if err := a.encode(ctx, args, nil); err != nil {
		return film.AudioFacts{}, err
	}
	f, err := os.Open(a.path)
	if err != nil {
		return film.AudioFacts{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if a.rendition.Mux != film.MP4 {
		return a.putMatroska(ctx, f)
	}
	chunk, extents, err := a.wholeChunk(f)
	if err != nil || len(chunk.Samples) == 0 {
		return film.AudioFacts{}, err
	}
	facts, chunk := fromZero(chunk, a.job.Source, a.track)
	return a.put(ctx, facts, chunk, f, extents)
}

// putMatroska stores a copied track as ffmpeg wrote it.
func (a *attempt) putMatroska(ctx context.Context, f *os.File) (facts film.AudioFacts, err error) {
	stat, err := f.Stat()
	if err != nil {
		return facts, err
	}
	if stat.Size() > 0 {
		index, err := matroska.ReadIndex(ctx, f, stat.Size())
		if err != nil {
			return facts, fmt.Errorf("output of ffmpeg: %w", err)
		}
		facts.CodecDelay = media.Ticks(index.Tracks[0].CodecDelay().Microseconds())
	}
	info, err := a.Scratch.Put(ctx, a.key, f)
	facts.StoredObject = film.StoredObject{Key: a.key, Size: info.Size}
	return facts, stored(err)
}

// encode runs ffmpeg. It writes the samples that args.PCM asks for to pcm.
func (a *attempt) encode(ctx context.Context, args encode.Audio, pcm io.Writer) error {
	a.damage = ffmpeg.DamageLog{} // of the last attempt at decoding
	declared, worker := input.Budget(a.Env, a.job.Source)
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	began := int64(-1) // OutTime of the first report: some sources begin hours after 0
	_, err := ffmpeg.Run(ctx, a.tools.FFmpeg, encode.AudioArgs(args), ffmpeg.RunOptions{
		Dir: a.Dir, Pipe: pcm, Stderr: &a.damage, Limits: worker.Limit(ctx, a.budget(declared).Limits()),
		OnProgress: func(p ffmpeg.Progress) {
			if began < 0 {
				began = p.OutTime
			}
			if most := declared.Length(); time.Duration(p.OutTime-began)*time.Microsecond > most {
				refuse(fault.New(fault.Unsupported, "the audio plays for more than %v, which is out of proportion to the length and size of the source", most.Round(time.Second)))
			}
			a.Progress(work.Amount{Media: a.reached(p), Bytes: max(p.Bytes, 0)})
		},
	})
	return err
}

// budget returns what the part's encode or copy may take.
func (a *attempt) budget(declared budget.Source) budget.Audio {
	b := budget.Audio{
		Source: declared, Copied: a.rendition.Codec == film.AudioCopy, Bitrate: int64(a.rendition.Bitrate),
		Channels: a.track.Channels, SampleRate: max(a.track.SampleRate, a.rendition.Rate),
	}
	if !a.part.Whole {
		length := media.Rescale(a.rendition.Step, a.clock(), media.Microseconds)
		b.PCM = time.Minute + 2*time.Duration(length)*time.Microsecond // with what overlaps its neighbours
	}
	return b
}

// reached returns how much of the part is encoded, in microseconds, from the encoder's position.
func (a *attempt) reached(p ffmpeg.Progress) media.Ticks {
	at := media.Ticks(p.OutTime)
	if !a.part.Whole {
		at -= a.job.Source.AudioStart(a.track, media.Microseconds) + media.Rescale(a.part.Start, a.clock(), media.Microseconds)
		if !a.part.Last {
			at = min(at, media.Rescale(a.rendition.Step, a.clock(), media.Microseconds))
		}
	}
	return max(at, 0)
}

// readFragments reads the sample tables of ffmpeg's output, and puts them on the source's timeline.
func readFragments(f *os.File) (isobmff.Chunk, []isobmff.Extent, error) {
	stat, err := f.Stat()
	if err != nil {
		return isobmff.Chunk{}, nil, err
	}
	chunk, extents, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return chunk, extents, fmt.Errorf("output of ffmpeg: %w", err)
	}
	scale := int64(chunk.Track.Timescale)
	return chunk.Shift(-ffmpeg.Offset * scale), extents, nil
}

// put stores a chunk, whose samples lie in extents of f, and completes its facts.
func (a *attempt) put(ctx context.Context, facts film.AudioFacts, chunk isobmff.Chunk, f *os.File, extents []isobmff.Extent) (film.AudioFacts, error) {
	info, err := blob.Write(ctx, a.Scratch, a.key, func(w io.Writer) error { return chunk.Write(w, isobmff.Payload(f, extents)) })
	facts.Key, facts.Size, facts.Header = a.key, info.Size, info.Size-chunk.Bytes
	return facts, stored(err)
}

// fromZero describes the chunk of a whole track, and shifts its decode times so that they start at
// 0. ffmpeg gives priming samples timestamps before the first sample that is heard.
func fromZero(chunk isobmff.Chunk, src film.Source, track film.AudioTrack) (film.AudioFacts, isobmff.Chunk) {
	scale := media.Rational{Num: 1, Den: int64(chunk.Track.Timescale)}
	first := max(src.AudioStart(track, scale), media.Ticks(chunk.Start))
	facts := timeline(chunk, media.Ticks(chunk.Start), first, src, track)
	return facts, chunk.Shift(-chunk.Start)
}

// timeline describes where a chunk lies on its track's timeline. begin is the decode time of the
// track's first packet, first the time of its first sample that is heard. Both are on the source's
// timeline, as the chunk is.
func timeline(chunk isobmff.Chunk, begin, first media.Ticks, src film.Source, track film.AudioTrack) film.AudioFacts {
	scale := media.Rational{Num: 1, Den: int64(chunk.Track.Timescale)}
	end := media.Ticks(chunk.End())
	facts := film.AudioFacts{
		Samples: len(chunk.Samples), Scale: scale, Begin: media.Ticks(chunk.Start) - begin,
		Skip: first - begin, Delay: first - src.Origin.In(scale), Length: max(end-first, 0),
	}
	if n := len(chunk.Samples); n > 0 {
		facts.Last = end - begin - media.Ticks(chunk.Samples[n-1].Duration)
	}
	if d := src.AudioLength(track, scale); d > 0 {
		facts.Length = min(facts.Length, d)
	}
	return facts
}
