package blob

import (
	"context"
	"errors"
	"io"
)

// ReadRange returns the bytes that store.Open(ctx, key, offset, length) yields: length bytes at
// offset, fewer if the object ends before, or everything from offset if length is -1. The result is
// held in memory, so the caller bounds its size.
func ReadRange(ctx context.Context, store Opener, key string, offset, length int64) ([]byte, error) {
	body, err := store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if length < 0 {
		return io.ReadAll(body)
	}
	return io.ReadAll(io.LimitReader(body, length))
}

// readAhead is the least number of bytes that a Reader requests. It holds several small boxes of a
// moov, and takes little time compared with opening a file or a network round trip.
const readAhead = 16 << 10

// Reader gives random access to an object of known size, by ranged reads of its store. It reads
// ahead, because the parsers of container indexes ask for a few bytes at a time. It is not safe for
// concurrent use.
type Reader struct {
	ctx    context.Context //nolint:containedctx // io.ReaderAt has no parameter for it; a Reader lives within one call
	store  Opener
	key    string
	size   int64
	offset int64  // of buf in the object
	buf    []byte // the bytes that were read ahead
	total  int64
}

var _ io.ReaderAt = (*Reader)(nil)

// ReaderAt returns a Reader of the object at key, which has size bytes. It requests nothing yet.
// All its requests use ctx.
func ReaderAt(ctx context.Context, store Opener, key string, size int64) *Reader {
	return &Reader{ctx: ctx, store: store, key: key, size: size}
}

// Size returns the object's size in bytes.
func (r *Reader) Size() int64 { return r.size }

// Total returns the number of bytes that were read from the store so far.
func (r *Reader) Total() int64 { return r.total }

// ReadAt implements io.ReaderAt. At the object's end it returns io.EOF.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	end := off + int64(len(p))
	if off < r.offset || end > r.offset+int64(len(r.buf)) {
		want := min(max(int64(len(p)), readAhead), r.size-off)
		body, err := r.store.Open(r.ctx, r.key, off, want)
		if err != nil {
			return 0, err
		}
		defer body.Close()
		if want > readAhead { // large: read it into p without a copy
			n, err := io.ReadFull(body, p[:want])
			r.total += int64(n)
			if errors.Is(err, io.ErrUnexpectedEOF) || (err == nil && n < len(p)) {
				err = io.EOF
			}
			return n, err
		}
		buf := make([]byte, want)
		n, err := io.ReadFull(body, buf)
		r.total += int64(n)
		r.offset, r.buf = off, buf[:n]
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return 0, err
		}
	}
	n := copy(p, r.buf[off-r.offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
