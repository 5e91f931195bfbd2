package s3blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// gathered streams the bytes of an upload part from their sources: from the file system, or from S3
// with one request per object. It buffers nothing. It can be rewound, because the SDK sends a part
// again after a connection breaks and, without TLS, also reads it to sign it.
type gathered struct {
	ctx   context.Context //nolint:containedctx // io.Reader has no parameter for it; a gathered lives within one request
	size  int64
	parts []positioned

	mu     sync.Mutex // an HTTP client may still read after its request was cancelled
	at     int64
	next   int // the index of the part that holds at, or follows it
	open   map[*fetch]*stream
	failed error // the error of a source, which is permanent
	closed bool
}

// positioned is a part and its offset in the upload part.
type positioned struct {
	blob.Part
	at    int64
	fetch *fetch // nil for bytes
}

// stream is the open reader of a fetch, and the offset of its next byte in the object.
type stream struct {
	io.ReadCloser
	next int64
}

// gather returns the bytes of an upload part as a request body.
func gather(ctx context.Context, p uploadPart) *gathered {
	g := &gathered{ctx: ctx, size: p.size, open: map[*fetch]*stream{}}
	serves := map[int64]*fetch{}
	for _, f := range planFetches(p.parts) {
		for _, r := range f.ranges {
			serves[r.at] = &f
		}
	}
	var at int64
	for _, part := range p.parts {
		if part.Size() > 0 {
			g.parts = append(g.parts, positioned{part, at, serves[at]})
			at += part.Size()
		}
	}
	return g
}

func (g *gathered) Read(to []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return 0, io.ErrClosedPipe
	case g.failed != nil:
		return 0, g.failed
	case len(to) == 0:
		return 0, nil
	case g.at >= g.size:
		return 0, io.EOF
	}
	p := g.parts[g.next]
	within := g.at - p.at
	if rest := p.Size() - within; int64(len(to)) > rest {
		to = to[:rest]
	}
	n, err := copy(to, p.Bytes[min(within, int64(len(p.Bytes))):]), error(nil)
	if p.fetch != nil {
		n, err = g.read(p, within, to)
	}
	g.at += int64(n)
	if g.at == p.at+p.Size() {
		g.next++
		if p.fetch != nil && p.fetch.end() == p.Offset+p.Length {
			g.drop(p.fetch)
		}
	}
	if err != nil {
		g.failed = err
	}
	return n, err
}

// read reads bytes of a part, starting at the offset within in it.
func (g *gathered) read(p positioned, within int64, to []byte) (int, error) {
	from := p.Offset + within
	s := g.open[p.fetch]
	if s != nil && s.next > from {
		g.drop(p.fetch)
		s = nil
	}
	if s == nil {
		r, err := p.fetch.from.Open(g.ctx, p.fetch.key, from, p.fetch.end()-from)
		if err != nil {
			return 0, err
		}
		s = &stream{r, from}
		g.open[p.fetch] = s
	}
	skipped, err := io.CopyN(io.Discard, s, from-s.next)
	s.next += skipped
	n := 0
	if err == nil {
		n, err = s.Read(to)
		s.next += int64(n)
	}
	if n > 0 {
		return n, nil // the next read returns the error again
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && fault.KindOf(err) == fault.Internal:
		return 0, errTooShort(p.Part, s.next-p.Offset)
	case err != nil:
		return 0, fmt.Errorf("read %q: %w", p.Key, err)
	}
	return 0, nil
}

// drop closes the reader of a fetch.
func (g *gathered) drop(f *fetch) {
	if s := g.open[f]; s != nil {
		_ = s.Close() // only read
		delete(g.open, f)
	}
}

// Seek sets the offset of the next Read. It fails after a source has failed, so that the SDK does not
// repeat the request in vain.
func (g *gathered) Seek(offset int64, whence int) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return g.at, g.failed
	}
	switch whence {
	case io.SeekCurrent:
		offset += g.at
	case io.SeekEnd:
		offset += g.size
	}
	if offset < 0 {
		return g.at, fault.New(fault.Internal, "seek to %d", offset)
	}
	g.at = offset
	g.next, _ = slices.BinarySearchFunc(g.parts, offset+1, func(p positioned, at int64) int {
		if p.at+p.Size() < at {
			return -1
		}
		return 1
	})
	return offset, nil
}

// finish closes every reader and returns the error of the source that failed, if any. It is not named
// Close, because the SDK may close the body of a request that it then repeats.
func (g *gathered) finish() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for f := range g.open {
		g.drop(f)
	}
	return g.failed
}
