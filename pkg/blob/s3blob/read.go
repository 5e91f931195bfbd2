package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// maxReopens is how often in a row a request is repeated if its body ends without a single byte.
	maxReopens = 4

	// reopenPause is the pause before the first repetition. It doubles for each further one.
	reopenPause = 100 * time.Millisecond
)

// Open reads length bytes at offset, or everything from offset if length is -1. If the connection
// breaks, the reader continues with a new request for the rest of the same object. It fails if that
// object was replaced.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	name, err := s.begin(ctx, "read", key)
	if err != nil {
		return nil, err
	}
	if err := blob.CheckRange(key, offset, length); err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, store: s, key: key, name: name, next: offset, rest: length}
	if length == 0 {
		_, err := s.Stat(ctx, key)
		return r, err
	}
	if err := r.open(); err != nil {
		if codeOf(err) == "InvalidRange" || statusOf(err) == 416 { // the range begins at or beyond the end
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		return nil, s.fail(ctx, "read", key, err)
	}
	return r, nil
}

// reader reads a range of an object.
type reader struct {
	ctx      context.Context //nolint:containedctx // io.Reader has no parameter for it; ctx is the one that Open was given
	store    *Store
	key      string
	name     string        // the object's name in the bucket
	etag     *string       // of the object that was opened first
	body     io.ReadCloser // nil between a failure and the next request
	next     int64         // the offset of the next byte
	rest     int64         // the number of bytes left; -1 until the first response
	failures int           // requests in a row that yielded no byte
}

// open requests the rest of the range.
func (r *reader) open() error {
	in := &s3.GetObjectInput{Bucket: &r.store.bucket, Key: &r.name, IfMatch: r.etag}
	switch {
	case r.rest >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.next, r.next+r.rest-1))
	case r.next > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.next))
	}
	out, err := r.store.client.GetObject(r.ctx, in)
	if err != nil {
		return err
	}
	r.body, r.etag, r.rest = out.Body, out.ETag, aws.ToInt64(out.ContentLength)
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if r.ctx.Err() != nil {
			return 0, r.store.fail(r.ctx, "read", r.key, r.ctx.Err())
		}
		if r.rest == 0 {
			return 0, r.finish()
		}
		if r.body == nil {
			if err := r.open(); err != nil {
				return 0, r.store.fail(r.ctx, "continue to read", r.key, err)
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.rest)])
		r.next += int64(n)
		r.rest -= int64(n)
		if n > 0 {
			r.failures = 0
			return n, nil // the next Read returns the error again, or needs no more bytes
		}
		if err == nil {
			continue
		}
		if err := r.pause(err); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// finish reads past the last byte, where the SDK verifies a checksum.
func (r *reader) finish() error {
	if r.body == nil {
		return io.EOF
	}
	_, err := io.Copy(io.Discard, r.body)
	_ = r.Close()                                                 // only read
	if err != nil && !isNetworkError(err) && r.ctx.Err() == nil { // after the last byte a broken connection does no harm
		return fault.Wrap(fault.Corrupt, err, "read "+r.store.url(r.key))
	}
	return io.EOF
}

// pause waits before the next request. It returns an error if there have been too many.
func (r *reader) pause(err error) error {
	_ = r.Close() // only read
	r.failures++
	if errors.Is(err, io.EOF) { // before the Content-Length was reached
		err = io.ErrUnexpectedEOF
	}
	if r.failures > maxReopens {
		return fault.Wrap(fault.Transient, err, "read "+r.store.url(r.key))
	}
	select {
	case <-r.ctx.Done():
		return r.store.fail(r.ctx, "read", r.key, r.ctx.Err())
	case <-time.After(reopenPause << (r.failures - 1)):
		return nil
	}
}

func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
