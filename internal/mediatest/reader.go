package mediatest

import (
	"io"
	"sync/atomic"
)

// SparseFile is a file of unlimited size of which only the first bytes are stored; all others are
// zeros.
type SparseFile struct{ Head []byte }

// ReadAt implements io.ReaderAt.
func (f SparseFile) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(f.Head)) {
		copy(p, f.Head[at:])
	}
	return len(p), nil
}

// CountingReader counts the calls of ReadAt and the bytes that they ask for.
type CountingReader struct {
	R            io.ReaderAt
	Bytes, Calls atomic.Int64
}

// ReadAt implements io.ReaderAt.
func (c *CountingReader) ReadAt(p []byte, at int64) (int, error) {
	c.Bytes.Add(int64(len(p)))
	c.Calls.Add(1)
	return c.R.ReadAt(p, at)
}

// FailingReader fails every read with Err.
type FailingReader struct{ Err error }

// ReadAt implements io.ReaderAt.
func (f FailingReader) ReadAt([]byte, int64) (int, error) { return 0, f.Err }
