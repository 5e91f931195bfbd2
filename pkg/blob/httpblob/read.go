package httpblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// maxReopens is how often in a row a request is repeated whose answer ended without a single byte.
const maxReopens = 4

// Open reads length bytes at offset, or everything from offset if length is -1. If the connection breaks, the reader continues with a new
// request for the rest of the same version.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := s.begin(ctx, key); err != nil {
		return nil, err
	}
	if err := blob.CheckRange(key, offset, length); err != nil {
		return nil, err
	}
	facts, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	rest := max(facts.Size-offset, 0)
	if length >= 0 {
		rest = min(rest, length)
	}
	if rest == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	r := &reader{ctx: ctx, store: s, version: facts.Version, next: offset, end: offset + rest}
	return r, r.open()
}

// reader reads a range of the file.
type reader struct {
	ctx       context.Context //nolint:containedctx // io.Reader has no parameter for it; ctx is the one that Open was given
	store     *Store
	version   string
	body      io.ReadCloser // nil between a failure and the next request
	next, end int64
	failures  int // requests in a row that yielded no byte
}

// open requests the rest of the range.
func (r *reader) open() error {
	resp, err := r.store.get(r.ctx, fmt.Sprintf("bytes=%d-%d", r.next, r.end-1), r.version)
	if err != nil {
		return err
	}
	err = r.store.check(factsOf(resp), r.version)
	if err == nil && (resp.StatusCode != http.StatusPartialContent || !beginsAt(resp, r.next)) && (resp.StatusCode != http.StatusOK || r.next > 0) {
		err = fault.New(fault.Transient, "read %s: the server gave another part of the file than it was asked for", r.store)
	}
	if err != nil {
		_ = resp.Body.Close() // of no use
		return err
	}
	r.body = resp.Body
	return nil
}

// beginsAt reports whether a response is a part of the file that begins at offset.
func beginsAt(resp *http.Response, offset int64) bool {
	var first int64
	n, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &first)
	return n == 1 && err == nil && first == offset
}

func (r *reader) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if r.ctx.Err() != nil {
			return 0, fmt.Errorf("read %s: %w", r.store, fault.ContextError(r.ctx))
		}
		if r.next == r.end {
			return 0, io.EOF
		}
		if r.body == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.next)])
		r.next += int64(n)
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

// pause waits before the next request. It returns an error if there have been too many.
func (r *reader) pause(err error) error {
	_ = r.Close() // only read
	r.failures++
	if errors.Is(err, io.EOF) { // before the end of the range
		err = io.ErrUnexpectedEOF
	}
	if r.failures > maxReopens {
		return fault.Wrap(fault.Transient, err, "read "+r.store.String())
	}
	timer := time.NewTimer(r.store.options.Pause << (r.failures - 1))
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
		return fmt.Errorf("read %s: %w", r.store, fault.ContextError(r.ctx))
	case <-timer.C:
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

// Whole requests the file from its first byte to its last, for a server that gives no parts of it. A connection that breaks ends it.
func (s *Store) Whole(ctx context.Context) (io.ReadCloser, Facts, error) {
	resp, err := s.get(ctx, "", s.pinned())
	if err != nil {
		return nil, Facts{}, err
	}
	return resp.Body, factsOf(resp), nil
}
