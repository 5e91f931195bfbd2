// Package blob stores whole objects under keys: a folder on one machine, a bucket on AWS.
//
// A key is a slash-separated relative path. An object appears whole or not at all, and is never changed in place, only
// replaced. The contract is the suite in blobtest; every Store passes it.
//
//	info, err := store.Put(ctx, "job/video/00012.1.mp4", file)
package blob

import (
	"context"
	"io"
	"iter"
	"time"
)

// Info says what a store knows of an object without reading it.
type Info struct {
	Key  string
	Size int64
	// Version changes whenever the object's bytes may have changed: an ETag, or modification time and size.
	Version  string
	Modified time.Time
}

// Store holds objects. Its methods may be called from several goroutines. An object that is not there gives an error
// of kind fault.NotFound; a key that would climb out of the store gives fault.Invalid; a full disk fault.OutOfSpace;
// a service that may recover fault.Transient.
type Store interface {
	// Stat describes the object at key.
	Stat(ctx context.Context, key string) (Info, error)

	// Open reads length bytes from offset, or all from there where length is -1. A range that begins at or beyond the
	// object's end gives no bytes; one that ends beyond it gives what there is.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Put writes r until its end. The object is published only when r ended without an error and all is stored;
	// otherwise what was there before stays. The memory used is bounded, whatever r's length.
	Put(ctx context.Context, key string, r io.Reader) (Info, error)

	// Compose publishes an object made of parts, in their order, without moving bytes through this process where the
	// store can do that itself. Whole or not at all, as Put.
	Compose(ctx context.Context, key string, parts []Part) (Info, error)

	// List yields the objects whose key begins with prefix, in ascending order of key. It holds no more than a page.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes the object at key. Deleting what is not there is no error.
	Delete(ctx context.Context, key string) error

	// Locate returns what ffmpeg can open to read the object right now: a path, or a URL signed at this moment.
	Locate(ctx context.Context, key string) (string, error)
}

// Part is a stretch of a composed object: either Bytes, or Length bytes from Offset of the object Key in From.
type Part struct {
	Bytes  []byte
	From   Store
	Key    string
	Offset int64
	Length int64
}

// Size is the number of bytes the part adds.
func (p Part) Size() int64 {
	if p.From == nil {
		return int64(len(p.Bytes))
	}
	return p.Length
}
