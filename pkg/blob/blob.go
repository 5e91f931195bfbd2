// Package blob stores whole objects under keys: in a folder on one machine, in a bucket on AWS.
//
// A key is a relative path whose names are separated by slashes. An object appears whole or not at
// all. It is never changed in place, only replaced. Package blobtest holds the contract as a test
// suite; every Store passes it.
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

// Info describes an object. A store knows all of it without reading the object.
type Info struct {
	Key  string
	Size int64
	// Version changes whenever the object's bytes may have changed. It is an ETag, or the
	// modification time and the size.
	Version  string
	Modified time.Time
}

// Opener reads ranges of objects. It is all that Compose needs of the source of a Part.
type Opener interface {
	// Open reads length bytes starting at offset, or everything from offset if length is -1. A
	// range that begins at or beyond the object's end yields no bytes. A range that ends beyond it
	// yields the bytes that exist. If the object is replaced while the reader is open, the reader
	// continues with the object that it opened, or fails; it never mixes two objects.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
}

// Store holds objects. Its methods may be called from several goroutines.
//
// Errors have these kinds: fault.NotFound for an object that does not exist, fault.Invalid for a
// key that would leave the store, fault.OutOfSpace for a full disk, fault.Transient for a service
// that may recover. A call whose context ends returns an error that wraps the context's cause, and
// publishes nothing.
type Store interface {
	Opener

	// Stat describes the object at key.
	Stat(ctx context.Context, key string) (Info, error)

	// Put writes r until its end. The object is published only if r ended without an error and all
	// bytes are stored; otherwise the previous object stays. The memory used is bounded, whatever
	// the length of r.
	Put(ctx context.Context, key string, r io.Reader) (Info, error)

	// Compose publishes an object that consists of parts, in their order. Where the store itself
	// can copy, the bytes do not pass through this process. Like Put, it publishes the whole
	// object or nothing. A part may come from the object that is being replaced. A part that
	// extends beyond the end of its object gives an error of kind fault.Corrupt.
	Compose(ctx context.Context, key string, parts []Part) (Info, error)

	// List yields the objects whose key begins with prefix, in ascending byte order of key. It
	// holds at most one page in memory; for a folder, the names of one folder per level of depth.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes the object at key. Deleting an object that does not exist is not an error.
	Delete(ctx context.Context, key string) error

	// Locate returns a name under which ffmpeg can open the object now: an absolute path, or a URL
	// that was signed for this call. An object that does not exist gives fault.NotFound here,
	// which is clearer than ffmpeg's own message.
	Locate(ctx context.Context, key string) (string, error)
}

// Part is one part of a composed object: either Bytes, or Length bytes at Offset of the object that
// From holds at Key.
type Part struct {
	Bytes  []byte
	From   Opener // comparable: parts of one object that follow each other are joined
	Key    string
	Offset int64
	Length int64
}

// Size returns the number of bytes that the part adds to the object.
func (p Part) Size() int64 {
	if p.From == nil {
		return int64(len(p.Bytes))
	}
	return p.Length
}

// Cached returns a store that writes the same objects with the given Cache-Control header (RFC
// 9111). A store that does not serve players itself, such as a folder, is returned unchanged.
func Cached(store Store, control string) Store {
	if s, ok := store.(interface{ Cached(control string) Store }); ok {
		return s.Cached(control)
	}
	return store
}

// AtVersion returns a store that reads only the given version of an object: another one is an error of kind Invalid. A store that
// cannot tell while it reads, such as a folder, is returned unchanged.
func AtVersion(store Store, version string) Store {
	if s, ok := store.(interface{ AtVersion(version string) Store }); ok && version != "" {
		return s.AtVersion(version)
	}
	return store
}

// DeleteAll removes the objects at keys. Objects that do not exist are not an error. Where the store can, one request removes
// many.
func DeleteAll(ctx context.Context, store Store, keys []string) error {
	if s, ok := store.(interface {
		DeleteAll(ctx context.Context, keys []string) error
	}); ok {
		return s.DeleteAll(ctx, keys)
	}
	for _, key := range keys {
		if err := store.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes what writers that are gone have left unfinished under keys that begin with prefix, and returns how much there
// was. It does nothing in a store where nothing is left.
func Sweep(ctx context.Context, store Store, prefix string) (int, error) {
	if s, ok := store.(interface {
		Sweep(ctx context.Context, prefix string) (int, error)
	}); ok {
		return s.Sweep(ctx, prefix)
	}
	return 0, nil
}

// CheckParts returns the size in bytes of the object that parts make. If a part is malformed, it
// returns an error of kind fault.Internal that names the part. Compose of every store calls it
// first.
func CheckParts(parts []Part) (int64, error) {
	var size int64
	for i, p := range parts {
		switch {
		case p.From == nil && (p.Key != "" || p.Offset != 0 || p.Length != 0):
			return 0, fault.New(fault.Internal, "part %d names a range of %q but no store", i, p.Key)
		case p.From != nil && p.Bytes != nil:
			return 0, fault.New(fault.Internal, "part %d holds both bytes and a range of %q", i, p.Key)
		case p.Offset < 0 || p.Length < 0 || p.Offset > math.MaxInt64-p.Length:
			return 0, fault.New(fault.Internal, "part %d: invalid range of %q: %d bytes at %d", i, p.Key, p.Length, p.Offset)
		case p.Size() > math.MaxInt64-size:
			return 0, fault.New(fault.Internal, "part %d: the object would be larger than a file can be", i)
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

// CheckRange returns an error of kind fault.Internal if Open does not allow the range. Open of
// every store calls it first.
func CheckRange(key string, offset, length int64) error {
	if offset < 0 || length < -1 {
		return fault.New(fault.Internal, "invalid range of %q: %d bytes at %d", key, length, offset)
	}
	return nil
}
