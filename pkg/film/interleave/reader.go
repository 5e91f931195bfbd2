package interleave

import (
	"context"
	"fmt"
	"io"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// reader reads a chunk's video samples with the interleaved ranges of audio in between. It opens
// each audio part once, and reads it in order.
type reader struct {
	ctx   context.Context //nolint:containedctx // io.Reader has no parameter for it; a reader lives within one call
	store blob.Store
	chunk isobmff.Chunk
	video io.Reader

	sample, audio int       // the next ones: indexes into chunk.Samples and chunk.Interleaved
	current       io.Reader // the video, or an audio part
	left          int64     // bytes to read from current
	open          map[string]*openPart
}

// openPart is an audio part that is being read.
type openPart struct {
	io.ReadCloser
	next int64 // offset in the part
}

func (r *reader) Read(p []byte) (int, error) {
	for r.left == 0 {
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	n, err := r.current.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF { //nolint:errorlint // readers return it bare
		if err = nil; n == 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// advance goes on to the next interleaved range, or to the video samples before it.
func (r *reader) advance() error {
	before := len(r.chunk.Samples)
	if r.audio < len(r.chunk.Interleaved) {
		before = r.chunk.Interleaved[r.audio].Before
	}
	if r.sample < before {
		for ; r.sample < before; r.sample++ {
			r.left += int64(r.chunk.Samples[r.sample].Size)
		}
		r.current = r.video
		return nil
	}
	if r.audio == len(r.chunk.Interleaved) {
		return io.EOF
	}
	in := r.chunk.Interleaved[r.audio]
	r.audio++
	part := r.open[in.Name]
	if part == nil {
		end := in.Offset + in.Length
		for _, later := range r.chunk.Interleaved[r.audio:] {
			if later.Name == in.Name {
				end = later.Offset + later.Length
			}
		}
		body, err := r.store.Open(r.ctx, in.Name, in.Offset, end-in.Offset)
		if err != nil {
			return err
		}
		if r.open == nil {
			r.open = map[string]*openPart{}
		}
		part = &openPart{body, in.Offset}
		r.open[in.Name] = part
	}
	if _, err := io.CopyN(io.Discard, part, in.Offset-part.next); err != nil {
		return fmt.Errorf("read %q: %w", in.Name, err)
	}
	part.next = in.Offset + in.Length
	r.left, r.current = in.Length, part
	return nil
}

func (r *reader) close() {
	for _, part := range r.open {
		_ = part.Close() // it was only read
	}
}
