// Package interleave stores chunks with audio between their video samples, exactly where the
// finished movie has it, and finds that audio again when the movie is merged.
//
// A movie holds a second of video, then a second of audio, and so on. Both are smaller than the 5
// MiB that S3 copies at least, so without interleaving all bytes would pass through Merge.
// Interleaved, a chunk is a single range of the movie, which S3 copies
// (docs/decisions/027-interleaved-audio.md).
//
//	info, stored, err := interleave.Writer{…}.Put(ctx, rendition, key, chunk, samples) // when a segment is encoded
//
//	ranges := interleave.Ranges{}                                                      // when the movie is merged
//	ranges.Add(key, stored)
//	ranges.Sort()
//	parts := ranges.Parts(scratch, audioKey, offset, length)
package interleave

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/audio"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Writer stores the chunks of a segment. All fields are required.
type Writer struct {
	Scratch blob.Store   // holds the audio parts, and receives the chunks
	Results work.Results // of the job: its audio parts
	Log     *slog.Logger

	Job     film.Job
	Segment film.Segment
}

// Put stores a chunk of a rendition at key with its audio interleaved, or without where that fails
// for any reason. samples returns the chunk's samples; it may be called twice. Put returns the
// chunk as it was stored.
func (w Writer) Put(ctx context.Context, rendition int, key string, chunk isobmff.Chunk, samples func() io.Reader) (blob.Info, isobmff.Chunk, error) {
	mixed, err := w.Interleave(ctx, rendition, chunk)
	if err == nil && len(mixed.Interleaved) > 0 {
		var info blob.Info
		payload := &reader{ctx: ctx, store: w.Scratch, chunk: mixed, video: samples()}
		info, err = blob.Write(ctx, w.Scratch, key, func(to io.Writer) error { return mixed.Write(to, payload) })
		payload.close()
		if err == nil {
			return info, mixed, nil
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return blob.Info{}, chunk, err
		}
		w.Log.WarnContext(ctx, "audio not interleaved, Merge will gather it", "error", err)
	}
	info, err := blob.Write(ctx, w.Scratch, key, func(to io.Writer) error { return chunk.Write(to, samples()) })
	return info, chunk, err
}

// Interleave interleaves the segment's audio with a chunk of its video. All tracks or none: one
// missing track would fragment the copy just as badly. So the chunk is returned as it is where some
// of the audio is not encoded yet.
func (w Writer) Interleave(ctx context.Context, rendition int, chunk isobmff.Chunk) (isobmff.Chunk, error) {
	var tracks [][]isobmff.InterleaveSource
	for _, r := range audioOf(w.Job, rendition) {
		track, err := w.partsAround(ctx, r)
		if err != nil || track == nil {
			return chunk, err
		}
		if len(track) > 0 {
			tracks = append(tracks, track)
		}
	}
	if len(tracks) == 0 {
		return chunk, nil
	}
	tb := w.Job.Renditions[rendition].OutputTimebase(*w.Job.Source.Video)
	at := func(t media.Ticks) *int64 {
		return new(int64(media.Rescale(t, w.Job.Source.Video.Timebase, tb) - w.Job.Source.Origin.In(tb)))
	}
	var from, until *int64
	if w.Segment.Index > 0 {
		from = at(w.Segment.Start)
	}
	if !w.Segment.Last {
		until = at(w.Segment.End)
	}
	return chunk.Interleave(film.InterleavePeriod, from, until, tracks), nil
}

// audioOf returns the audio renditions that are interleaved with a video rendition in the first of
// its outputs, in the order of the output's tracks. Where other outputs have other audio, Merge
// gathers that.
func audioOf(j film.Job, rendition int) (list []int) {
	for _, out := range j.Outputs {
		if out.Container.Packaged() || !slices.Contains(out.Renditions, rendition) {
			continue
		}
		for _, r := range out.Audio {
			if j.AudioRenditions[r].Mux == film.MP4 {
				list = append(list, r)
			}
		}
		return list
	}
	return nil
}

// margin is how far from the segment an audio part may begin or end and still be used, in
// microseconds. Pre-roll and overlap are shorter.
const margin = media.Ticks(5_000_000)

// partsAround returns the parts of an audio rendition around the segment, cut as Merge will cut
// them. It returns nil where some are not done yet, and an empty list where the source holds no audio.
func (w Writer) partsAround(ctx context.Context, rendition int) ([]isobmff.InterleaveSource, error) {
	r := w.Job.AudioRenditions[rendition]
	track := w.Job.Source.Audio[r.Track]
	begins := w.Job.Source.AudioStart(track, media.Microseconds)
	from, to := w.micros(w.Segment.Start)-margin, w.micros(w.Segment.End)+margin
	var parts []film.AudioPart
	var all []film.AudioFacts
	for i, p := range w.Job.AudioParts() {
		if p.Rendition != rendition {
			continue
		}
		if !p.Whole {
			tb := media.Rational{Num: 1, Den: int64(r.Rate)}
			if begins+media.Rescale(p.Start, tb, media.Microseconds) >= to && !w.Segment.Last ||
				!p.Last && begins+media.Rescale(p.End, tb, media.Microseconds) <= from && w.Segment.Index > 0 {
				continue
			}
		}
		result, done, err := w.Results.Result(ctx, film.AudioUnit(i))
		if err != nil || !done {
			return nil, err
		}
		var facts film.AudioFacts
		if err := json.Unmarshal(result.Facts, &facts); err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "facts of "+film.AudioUnit(i))
		}
		parts, all = append(parts, p), append(all, facts)
	}
	if len(parts) == 0 {
		return nil, nil
	}
	if !slices.ContainsFunc(all, func(f film.AudioFacts) bool { return f.Key != "" }) {
		return []isobmff.InterleaveSource{}, nil
	}
	ranges, err := audio.Join(r.Codec, parts, all)
	if err != nil {
		return nil, err
	}
	var sources []isobmff.InterleaveSource
	for i, use := range ranges {
		data, err := blob.ReadRange(ctx, w.Scratch, all[i].Key, 0, all[i].Header)
		if err != nil {
			return nil, err
		}
		chunk, err := isobmff.ReadChunk(data)
		if err != nil {
			return nil, err
		}
		sources = append(sources, isobmff.InterleaveSource{
			Name: all[i].Key, Chunk: use.Samples(chunk), Zero: int64(all[i].Delay - all[i].Skip),
		})
	}
	return sources, nil
}

// micros converts a time of the video track to microseconds.
func (w Writer) micros(t media.Ticks) media.Ticks {
	return media.Rescale(t, w.Job.Source.Video.Timebase, media.Microseconds)
}
