package stage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/job"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// Audio copies or encodes one sound of a job, in one pass over its source, and puts it in scratch.
func (w *Worker) Audio(ctx context.Context, in job.AudioItem) (None, error) {
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return None{}, err
	}
	if in.Piece < 0 || in.Piece >= len(j.Sounds) {
		return None{}, fault.New(fault.Internal, "job %s has %d pieces of sound, none is number %d", j.ID, len(j.Sounds), in.Piece)
	}
	sound := j.Sounds[in.Piece]
	track := j.Source.Tracks[sound.Track]
	id := job.AudioUnit(in.Piece)
	key := func(u ledger.Unit) string { return job.PieceKey(j.ID, id, u.Attempt, 0, extension(sound.Mux)) }
	err = w.unit(ctx, j.ID, id, func(u ledger.Unit, dir string) (any, Event, error) {
		facts, err := w.sound(ctx, j, sound, u, dir, key(u))
		if err != nil {
			return nil, Event{}, fmt.Errorf("audio track %d: %w", sound.Track+1, err)
		}
		return facts, Event{Type: Finished, Media: job.Rescale(track.Duration, track.Timebase, job.Microseconds), Bytes: facts.Size}, nil
	}, func(u ledger.Unit) { w.remove(ctx, []string{key(u)}) })
	return None{}, err
}

// extension is the file name extension of a piece of sound.
func extension(c job.Container) string {
	if c == job.MP4 {
		return "mp4"
	}
	return "mka"
}

func (w *Worker) sound(ctx context.Context, j job.Job, s job.Sound, u ledger.Unit, dir, key string) (job.AudioFacts, error) {
	var facts job.AudioFacts
	track := j.Source.Tracks[s.Track]
	store, source, err := w.Resolve(ctx, j.Source.URL)
	if err != nil {
		return facts, err
	}
	location, err := store.Locate(ctx, source)
	if err != nil {
		return facts, err
	}
	a := ffmpeg.Audio{
		Input:  ffmpeg.Input{Location: location, Demuxer: j.Source.Demuxer},
		Stream: track.Stream, Codec: string(s.Codec), SourceCodec: track.Codec, Bitrate: int(s.Bitrate), Path: filepath.Join(dir, "sound"), Muxer: "mp4",
	}
	if s.Mux != job.MP4 {
		a.Muxer = "matroska"
	}
	if s.Codec == job.Opus {
		a.SampleRate = 48_000 // the one rate of Opus's clock
	}
	_, err = ffmpeg.Run(ctx, w.Tools.FFmpeg, ffmpeg.AudioArgs(a), ffmpeg.RunOptions{Dir: dir, OnProgress: func(p ffmpeg.Progress) {
		w.tell(Event{Type: Progress, Job: j.ID, Unit: u.ID, Attempt: u.Attempt, Bytes: max(p.Bytes, 0), Media: max(job.Ticks(p.OutTime), 0)})
	}})
	if err != nil {
		return facts, err
	}
	f, err := os.Open(a.Path)
	if err != nil {
		return facts, err
	}
	defer f.Close()
	facts.Key = key
	if s.Mux != job.MP4 {
		info, err := w.Scratch.Put(ctx, key, f)
		facts.Size = info.Size
		return facts, err
	}
	stat, err := f.Stat()
	if err != nil {
		return facts, err
	}
	piece, extents, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return facts, fmt.Errorf("what ffmpeg wrote: %w", err)
	}
	facts, piece = timed(facts, piece, j.Source, track)
	info, err := putPiece(ctx, w.Scratch, key, piece, f, extents)
	facts.Size, facts.Header = info.Size, info.Size-piece.Bytes
	return facts, err
}

// timed works out when a sound is heard from its packets' timestamps, and gives its piece decode times from zero.
// ffmpeg stamps priming samples with times before the first sample that is heard.
func timed(facts job.AudioFacts, piece isobmff.Piece, src job.Source, track job.AudioTrack) (job.AudioFacts, isobmff.Piece) {
	scale := job.Timebase{Num: 1, Den: int64(piece.Track.Timescale)}
	piece = piece.Shift(-ffmpeg.Offset * scale.Den)
	first, end := job.Ticks(piece.Start), job.Ticks(piece.End())
	heard := max(job.Rescale(track.Start, track.Timebase, scale), first)
	facts.Samples = len(piece.Samples)
	if n := len(piece.Samples); n > 0 {
		facts.Final = end - first - job.Ticks(piece.Samples[n-1].Duration)
	}
	facts.Scale = scale
	facts.Skip = heard - first
	facts.Delay = heard - src.Origin.In(scale)
	facts.Length = max(end-heard, 0)
	if d := job.Rescale(track.Duration, track.Timebase, scale); d > 0 {
		facts.Length = min(facts.Length, d)
	}
	return facts, piece.Shift(-piece.Start)
}
