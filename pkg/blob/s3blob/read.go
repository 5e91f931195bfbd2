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
	// reopenings is how often in a row a body may break off without a byte in between.
	reopenings = 4

	// reopensAfter is the pause before the first of them; each further one is twice as long.
	reopensAfter = 100 * time.Millisecond
)

// Open reads length bytes from offset, or all from there where length is -1. Where the connection breaks off, the
// reader goes on from there with a new request, for the same object: it fails when that was replaced.
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
		if codeOf(err) == "InvalidRange" || statusOf(err) == 416 { // it begins at or beyond the end
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		return nil, s.fail(ctx, "read", key, err)
	}
	return r, nil
}

// reader is an open range.
type reader struct {
	ctx    context.Context //nolint:containedctx // a reader lives as long as the call that opened it meant it to
	store  *Store
	key    string
	name   string        // in the bucket
	etag   *string       // of the object that was opened first
	body   io.ReadCloser // nil between a failure and the next opening
	next   int64         // the offset of the next byte
	rest   int64         // bytes that are left; -1 until the first answer says
	broken int           // openings in a row that gave nothing
}

// open asks for what is left.
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
				return 0, r.store.fail(r.ctx, "go on reading", r.key, err)
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.rest)])
		r.next += int64(n)
		r.rest -= int64(n)
		if n > 0 {
			r.broken = 0
			return n, nil // an error comes again, or does not matter any more
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

// finish reads past the last byte, where the SDK compares a checksum.
func (r *reader) finish() error {
	if r.body == nil {
		return io.EOF
	}
	_, err := io.Copy(io.Discard, r.body)
	_ = r.Close()
	if err != nil && !isBroken(err) && r.ctx.Err() == nil { // a connection that breaks now does no harm
		return fault.Wrap(fault.Corrupt, err, "read "+r.store.url(r.key))
	}
	return io.EOF
}

// pause waits before the next opening, or says that there will be none.
func (r *reader) pause(err error) error {
	_ = r.Close()
	r.broken++
	if errors.Is(err, io.EOF) { // earlier than the answer's length says
		err = io.ErrUnexpectedEOF
	}
	if r.broken > reopenings {
		return fault.Wrap(fault.Transient, err, "read "+r.store.url(r.key))
	}
	select {
	case <-r.ctx.Done():
		return r.store.fail(r.ctx, "read", r.key, r.ctx.Err())
	case <-time.After(reopensAfter << (r.broken - 1)):
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
