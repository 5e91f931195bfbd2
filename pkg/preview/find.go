package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// picture locates a picture in scratch.
type picture struct {
	number       int64
	key          string
	offset, size int64
}

// find returns the slice's pictures in their order.
func (a *attempt) find(ctx context.Context) ([]picture, error) {
	chunks, err := a.chunks(ctx)
	if err != nil {
		return nil, err
	}
	return choose(chunks, a.slice.From, a.slice.To), nil
}

// chunks returns the chunks from which the slice's pictures are chosen, in their order: those of its own segments, and a neighbour's
// where these do not show the film from the slice's first picture on.
func (a *attempt) chunks(ctx context.Context) ([]film.PictureChunk, error) {
	var list []film.PictureChunk
	for i := a.slice.FirstSegment; i <= a.slice.LastSegment; i++ {
		read := a.chunk
		if len(a.pictures.Times) > 0 { // not every segment has one
			read = a.neighbour
		}
		c, err := read(ctx, i)
		if err != nil {
			return nil, err
		}
		if len(c.Sizes) > 0 {
			list = append(list, c)
		}
	}
	for i := a.slice.FirstSegment - 1; i >= 0 && (len(list) == 0 || list[0].First > a.slice.From); i-- {
		c, err := a.neighbour(ctx, i)
		if err != nil {
			return nil, err
		}
		if len(c.Sizes) > 0 {
			list = append([]film.PictureChunk{c}, list...)
		}
	}
	for i := a.slice.LastSegment + 1; len(list) == 0 && i < a.job.Segments; i++ {
		c, err := a.neighbour(ctx, i)
		if err != nil {
			return nil, err
		}
		if len(c.Sizes) > 0 {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Corrupt, "no frame of the source could be decoded")
	}
	return list, nil
}

// neighbour returns the pictures of a segment that is not one of the slice's. A job that makes nothing but previews may not have it.
func (a *attempt) neighbour(ctx context.Context, segment int) (film.PictureChunk, error) {
	c, err := a.chunk(ctx, segment)
	if fault.KindOf(err) == fault.NotFound {
		return film.PictureChunk{}, nil
	}
	return c, err
}

// chunk returns the pictures of a segment. It has none where the job does not have the segment done.
func (a *attempt) chunk(ctx context.Context, segment int) (film.PictureChunk, error) {
	r, done, err := a.Results.Result(ctx, film.VideoUnit(segment))
	if err != nil {
		return film.PictureChunk{}, err
	}
	if !done {
		return film.PictureChunk{}, fault.New(fault.Corrupt, "%s is not done", film.VideoUnit(segment))
	}
	var facts film.SegmentFacts
	if err := json.Unmarshal(r.Facts, &facts); err != nil {
		return film.PictureChunk{}, fault.Wrap(fault.Corrupt, err, "facts of "+film.VideoUnit(segment))
	}
	if len(facts.Pictures) == 0 {
		return film.PictureChunk{}, nil // no frame of it could be decoded
	}
	return facts.Pictures[a.plan.Pictures], nil
}

// choose returns the pictures from ≤ k < to of chunks, which are in their order and not empty. Picture k is the last one whose number
// is at most k: a frame stays on screen until the next one. Before the first there is only that.
func choose(chunks []film.PictureChunk, from, to int64) []picture {
	var list []picture
	c, n, offset := 0, 0, int64(0) // chunk, picture in it, and where that begins
	for k := from; k < to; k++ {
		for c+1 < len(chunks) && chunks[c+1].First <= k {
			c, n, offset = c+1, 0, 0
		}
		for n+1 < len(chunks[c].Sizes) && chunks[c].First+int64(n) < k {
			offset += chunks[c].Sizes[n]
			n++
		}
		list = append(list, picture{k, chunks[c].Key, offset, chunks[c].Sizes[n]})
	}
	return list
}

// read calls yield with the bytes of each picture, in their order. They are valid until yield returns. It opens an object once for pictures
// that follow each other in it, and holds one picture.
func (a *attempt) read(ctx context.Context, list []picture, yield func(p picture, data []byte) error) (err error) {
	var from io.ReadCloser
	var last picture
	var data []byte
	defer func() {
		if from != nil {
			_ = from.Close() // it was only read
		}
	}()
	for _, p := range list {
		switch {
		case from != nil && p.key == last.key && p.offset == last.offset: // the frame stays on screen
		default:
			if from == nil || p.key != last.key || p.offset != last.offset+last.size {
				if from != nil {
					_ = from.Close() // it was only read
				}
				if from, err = a.Scratch.Open(ctx, p.key, p.offset, -1); err != nil {
					return err
				}
			}
			data = slices.Grow(data[:0], int(p.size))[:p.size] // fresh memory takes longer than to read what comes into it
			switch _, err := io.ReadFull(from, data); {
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
				return fault.Wrap(fault.Corrupt, err, "read picture of "+p.key)
			case err != nil: // of the store, which may be worth another attempt
				return fmt.Errorf("read picture of %s: %w", p.key, err)
			}
			last = p
		}
		if err := yield(p, data); err != nil {
			return err
		}
	}
	return nil
}
