package encode

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/interleave"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// read reads the index of what the encoder wrote, without the frames around the segment.
func (t frameTimes) read(f *os.File, scale media.Rational) (chunk isobmff.Chunk, extents []isobmff.Extent, err error) {
	stat, err := f.Stat()
	if err != nil {
		return chunk, nil, err
	}
	if chunk, extents, err = isobmff.ReadFragments(f, stat.Size()); err != nil {
		return chunk, nil, fmt.Errorf("what the encoder wrote: %w", err)
	}
	if got := int64(chunk.Track.Timescale); got != scale.Den {
		return chunk, nil, fault.New(fault.Internal, "the encoder's timescale is %d ticks per second instead of %d", got, scale.Den)
	}
	if chunk, extents, err = chunk.Trim(extents, t.from, t.to); err != nil {
		return chunk, nil, fmt.Errorf("what the encoder wrote: %w", err)
	}
	return chunk, extents, nil
}

// store checks that the encoder wrote exactly the frames at times, puts them on the output's
// timeline and stores them as a chunk.
func (a *attempt) store(ctx context.Context, rendition int, times []media.Ticks) (film.Chunk, error) {
	var facts film.Chunk
	f, err := os.Open(a.file(rendition))
	if err != nil {
		return facts, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	r := a.job.Renditions[rendition]
	expected, scale := a.expected(r, times), r.OutputTimebase(*a.job.Source.Video)
	if len(expected.times) == 0 {
		return facts, nil
	}
	chunk, extents, err := expected.read(f, scale)
	if err != nil {
		return facts, err
	}
	chunk, err = chunk.Shift(expected.shift - ffmpeg.Offset*scale.Den).Normalise()
	if err != nil {
		return facts, fmt.Errorf("what the encoder wrote: %w", err)
	}
	if err := expected.checkGaps(scale); err != nil {
		return facts, err
	}
	if err := expected.check(chunk.Presentation()); err != nil {
		return facts, err
	}
	shown := chunk.Presentation()
	if len(shown) == 0 {
		return facts, nil // the source ends before the first frame of the constant rate
	}
	last := &chunk.Samples[len(chunk.Samples)-1]
	if tail := expected.end - shown[len(shown)-1]; tail > 0 && tail < 1<<31 {
		last.Duration = uint32(tail)
	}
	chunk.Track.Entry = declare(chunk.Track.Entry, a.film.Renditions[rendition], *a.film.Source.Video)
	facts.Frames, facts.First, facts.Last = len(shown), media.Ticks(shown[0]), media.Ticks(shown[len(shown)-1])
	key := a.Key(rendition, "mp4")
	payload := func() io.Reader { return isobmff.Payload(f, extents) }
	if r.SegmentDuration > 0 {
		err := a.putPackaged(ctx, &facts, rendition, key, chunk, payload)
		return facts, err
	}
	w := interleave.Writer{Scratch: a.Scratch, Results: a.Results, Log: a.Log, Job: a.film, Segment: a.segment}
	info, chunk, err := w.Put(ctx, rendition, key, chunk, payload)
	if err != nil {
		return facts, err
	}
	facts.StoredObject = film.StoredObject{Key: key, Size: info.Size, Header: info.Size - chunk.Payload()}
	a.artifacts = append(a.artifacts, work.Artifact{Key: key, Size: info.Size})
	return facts, nil
}
