package merge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
)

// opusDelay is the priming in microseconds of Opus that was encoded here: 312 samples at 48 kHz, libopus's look-ahead. Copied Opus has
// that of its own encoder, or none where its container does not say, as a transport stream: AudioFacts.CodecDelay.
//
// ffmpeg's Matroska demuxer subtracts the priming from every timestamp. The muxer of 5.1 does not add it, so that audio becomes early by as
// much each time it passes through Matroska: once in the output, and once more as an audio part where it was copied. That of 7.1 adds it.
const opusDelay = 6_500

// muxers holds ffmpeg's muxer for each container that is not joined by the store.
var muxers = map[film.Container]string{film.Matroska: "matroska", film.WebM: "webm"}

// delay returns by how many microseconds an audio track becomes early in an output that a muxer writes which does not add the priming.
func (m *attempt) delay(a audioTrack, codec film.AudioCodec) (delay int64) {
	if len(a.parts) == 0 {
		delay = 2 * int64(a.CodecDelay)
	}
	if codec == film.Opus {
		delay += opusDelay
	}
	return delay
}

// losesDelay reports whether ffmpeg's Matroska muxer does not add the priming that the demuxer subtracts. A trial says it: some Opus is
// encoded, and read back.
func (m *attempt) losesDelay(ctx context.Context) (bool, error) {
	if m.losesPriming != nil {
		return *m.losesPriming, nil
	}
	name := filepath.Join(m.Dir, "priming")
	defer os.Remove(name) //nolint:errcheck // the folder goes with the attempt
	var times [2]encode.PacketLog
	for i, args := range [][]string{remux.PrimingArgs(name), remux.PrimingReadArgs(name)} {
		limits := budget.Worker{}.Limit(ctx, budget.Remux(1<<20, m.job.Source.Duration))
		if _, err := ffmpeg.Run(ctx, m.tools.FFmpeg, args, ffmpeg.RunOptions{Dir: m.Dir, Pipe: &times[i], Limits: limits}); err != nil {
			return false, fmt.Errorf("trying how Matroska is written: %w", err)
		}
	}
	written, read := times[0].PTS(), times[1].PTS()
	if len(written) == 0 || len(read) == 0 {
		return false, fault.New(fault.Corrupt, "ffmpeg %s gives no packets of Opus in Matroska", m.tools.Version)
	}
	m.losesPriming = new(remux.LosesPriming(written[0], read[0]))
	return *m.losesPriming, nil
}

// remux has ffmpeg write a container other than MP4, from the merged movie and the audio tracks
// that are in no MP4.
func (m *attempt) remux(ctx context.Context, store blob.Store, key string, frames int) (blob.Info, error) {
	var none blob.Info
	muxer, ok := muxers[m.out.Container]
	if !ok {
		return none, fmt.Errorf("there is no muxer for the container %s", m.out.Container)
	}
	r := remux.Output{Muxer: muxer, Path: filepath.Join(m.Dir, "output")}
	movieInput := ffmpeg.Input{Demuxer: "mov"}
	var encoded []audioTrack
	for _, a := range m.audio {
		if len(a.parts) > 0 {
			encoded = append(encoded, a)
		}
	}
	if m.hasVideo() || len(encoded) > 0 {
		movie := m.Key(0, "mp4")
		defer m.remove(context.WithoutCancel(ctx), movie)
		if _, err := m.writeMovie(ctx, m.Scratch, movie, encoded); err != nil {
			return none, err
		}
		var err error
		if movieInput.Location, err = m.Scratch.Locate(ctx, movie); err != nil {
			return none, err
		}
	}
	track := 0 // of the movie
	if m.hasVideo() {
		r.Inputs = append(r.Inputs, remux.Input{Input: movieInput, Streams: []remux.Stream{{Default: true}}})
		track++
	}
	for _, a := range m.audio {
		rendition := m.made(a)
		source := m.soundTrack(a)
		stream := remux.Stream{Language: source.Language, Title: source.Title, Default: m.enabled(a.rendition), Flags: source.Flags}
		stream.From = firstPacket(m.job.Source, source, rendition.Codec)
		in := movieInput
		if len(a.parts) > 0 { // a further input, because ffmpeg orders the streams by input
			stream.Index = track
			track++
		} else {
			in = ffmpeg.Input{Demuxer: "matroska", TimestampOffset: ffmpeg.Offset, Origin: int64(m.job.Source.Origin.In(media.Microseconds))}
			var err error
			if in.Location, err = m.Scratch.Locate(ctx, a.Key); err != nil {
				return none, err
			}
		}
		if delay := m.delay(a, rendition.Codec); delay > 0 {
			lost, err := m.losesDelay(ctx)
			if err != nil {
				return none, err
			}
			if lost {
				in.Origin -= delay
			}
		}
		r.Inputs = append(r.Inputs, remux.Input{Input: in, Streams: []remux.Stream{stream}})
	}
	if err := m.remuxSidecar(ctx, &r); err != nil {
		return none, err
	}
	var written int64
	_, worker := input.Budget(m.Env, m.job.Source)
	_, err := ffmpeg.Run(ctx, m.tools.FFmpeg, remux.Args(r), ffmpeg.RunOptions{
		Dir: m.Dir, Limits: worker.Limit(ctx, budget.Remux(m.inputBytes(), m.job.Source.Duration)),
		OnProgress: func(p ffmpeg.Progress) { written = p.Frame },
	})
	if err != nil {
		return none, err
	}
	if m.hasVideo() && written != int64(frames) {
		return none, fault.New(fault.Corrupt, "%d frames were encoded, the %s holds %d", frames, m.out.Container, written)
	}
	f, err := os.Open(r.Path)
	if err != nil {
		return none, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return store.Put(ctx, key, f)
}

// inputBytes returns the size of everything that the output is remuxed from.
func (m *attempt) inputBytes() (size int64) {
	for _, seg := range m.video {
		for _, r := range m.out.Renditions {
			if r < len(seg.Chunks) {
				size += seg.Chunks[r].Size
			}
		}
	}
	for _, a := range m.audio {
		size += a.Size
		for _, p := range a.parts {
			size += p.facts.Size
		}
	}
	for _, t := range m.subtitles() {
		size += m.sidecar.Subtitles[t].Size
	}
	for _, file := range m.sidecar.Attachments {
		size += file.Size
	}
	if m.sidecar.Cover != nil {
		size += m.sidecar.Cover.Size
	}
	return size
}

// remove deletes an object that only this attempt needed. If that fails, it is removed with the
// job's scratch.
func (m *attempt) remove(ctx context.Context, key string) {
	if err := m.Scratch.Delete(ctx, key); err != nil {
		m.Log.WarnContext(ctx, "intermediate movie not removed", "key", key, "error", err)
	}
}
