package blob

import (
	"context"
	"io"
	"math"
	"os"

	"github.com/mapreel/mapreel/pkg/fault"
)

// File lets Compose read an open file, such as one in a worker's temporary folder. The key of a
// Part from a File only names it in errors. Two Files of the same *os.File are equal.
//
//	blob.Part{From: blob.NewFile(f), Key: "header", Length: n}
type File struct{ file *os.File }

var _ Opener = File{}

// NewFile returns a File that reads f. The caller closes f, after Compose has returned.
func NewFile(f *os.File) File { return File{f} }

// Open reads length bytes starting at offset, or everything from offset if length is -1. Closing
// the reader leaves the file open.
func (f File) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := CheckRange(key, offset, length); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fault.ContextError(ctx)
	}
	if length < 0 {
		length = math.MaxInt64 - offset
	}
	return io.NopCloser(io.NewSectionReader(f.file, offset, length)), nil
}
