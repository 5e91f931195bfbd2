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
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
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
// a service that may recover fault.Transient. A call whose context ends gives an error that wraps its cause, and
// publishes nothing.
type Store interface {
	// Stat describes the object at key.
	Stat(ctx context.Context, key string) (Info, error)

	// Open reads length bytes from offset, or all from there where length is -1. A range that begins at or beyond the
	// object's end gives no bytes; one that ends beyond it gives what there is. The reader keeps to the object it
	// opened, or fails, when that is replaced meanwhile; it never mixes two.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Put writes r until its end. The object is published only when r ended without an error and all is stored;
	// otherwise what was there before stays. The memory used is bounded, whatever r's length.
	Put(ctx context.Context, key string, r io.Reader) (Info, error)

	// Compose publishes an object made of parts, in their order, without moving bytes through this process where the
	// store can do that itself. Whole or not at all, as Put. A part may be of the object that is replaced. A part that
	// reaches beyond its object's end gives an error of kind fault.Corrupt.
	Compose(ctx context.Context, key string, parts []Part) (Info, error)

	// List yields the objects whose key begins with prefix, in ascending order of the key's bytes. It holds no more
	// than a page (a folder: the names of one folder for each level of depth).
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes the object at key. Deleting what is not there is no error.
	Delete(ctx context.Context, key string) error

	// Locate returns what ffmpeg can open to read the object right now: an absolute path, or a URL signed at this
	// moment. An object that is not there gives fault.NotFound here, before ffmpeg can say it less clearly.
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

// Cached returns store with what caches are to be told of each object that it writes: the value of Cache-Control (RFC 9111).
// A store that answers no requests of players itself, such as a folder, is returned as it is.
func Cached(store Store, control string) Store {
	if s, ok := store.(interface{ Cached(control string) Store }); ok {
		return s.Cached(control)
	}
	return store
}

// CheckParts returns the size in bytes of the object that parts make, or an error of kind fault.Internal that names
// the part which is no part. Stores call it first in Compose.
func CheckParts(parts []Part) (int64, error) {
	var size int64
	for i, p := range parts {
		switch {
		case p.From == nil && (p.Key != "" || p.Offset != 0 || p.Length != 0):
			return 0, fault.New(fault.Internal, "part %d names a range of %q but no store", i, p.Key)
		case p.From != nil && p.Bytes != nil:
			return 0, fault.New(fault.Internal, "part %d holds both bytes and a range of %q", i, p.Key)
		case p.Offset < 0 || p.Length < 0 || p.Offset > math.MaxInt64-p.Length:
			return 0, fault.New(fault.Internal, "part %d: no such range of %q: %d bytes from %d", i, p.Key, p.Length, p.Offset)
		case p.Size() > math.MaxInt64-size:
			return 0, fault.New(fault.Internal, "part %d: the whole is larger than a file can be", i)
		}
		if p.From != nil {
			if err := CheckKey(p.Key); err != nil {
				return 0, err
			}
		}
		size += p.Size()
	}
	return size, nil
}

// CheckRange returns an error of kind fault.Internal unless Open allows the range. Stores call it first in Open.
func CheckRange(key string, offset, length int64) error {
	if offset < 0 || length < -1 {
		return fault.New(fault.Internal, "no such range of %q: %d bytes from %d", key, length, offset)
	}
	return nil
}
