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
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
)

// opusDelay is the priming in microseconds of Opus that was encoded here: 312 samples at 48 kHz,
// libopus's look-ahead. Copied Opus has that of its own encoder, or none where its container does not
// say, as a transport stream: AudioFacts.CodecDelay. ffmpeg's Matroska demuxer subtracts it from every
// timestamp and its muxer does not add it, so audio becomes early by as much each time it passes
// through Matroska: once in the output, and once more as an audio part where it was copied. That is how
// ffmpeg 5.1 behaves; TestAudioStaysInSyncWithTheVideo of package local fails with a release that
// behaves differently.
const opusDelay = 6_500

// muxers holds ffmpeg's muxer for each container that is not joined by the store.
var muxers = map[film.Container]string{film.Matroska: "matroska", film.WebM: "webm"}

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
			in.Origin -= 2 * int64(a.CodecDelay)
		}
		if rendition.Codec == film.Opus {
			in.Origin -= opusDelay
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
