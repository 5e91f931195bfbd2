package chaos

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// faultyStore is a blob.Store whose calls get the faults of the plan.
type faultyStore struct {
	inner blob.Store
	name  string
}

var _ blob.Store = (*faultyStore)(nil)

func (s *faultyStore) Stat(ctx context.Context, key string) (info blob.Info, err error) {
	err = call(ctx, "Stat "+s.name, key, readFaults, func() (err error) {
		info, err = s.inner.Stat(ctx, key)
		return err
	})
	return info, err
}

func (s *faultyStore) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	a := attemptOf(ctx)
	if a == nil {
		return s.inner.Open(ctx, key, offset, length)
	}
	k, where, err := a.beforeCall("Open "+s.name, key, openFaults)
	if err != nil {
		return nil, err
	}
	if k == ErrorBefore {
		return nil, a.injected(where)
	}
	body, err := s.inner.Open(ctx, key, offset, length)
	if err != nil || (k != TruncatedRead && k != ShortRead) {
		return body, err
	}
	defer body.Close()
	data, err := io.ReadAll(body) // stages read small objects, except for media that a store composes
	if err != nil {
		return nil, err
	}
	data = data[:a.round.trial.plan.random(a.name, where, "length").IntN(len(data)+1)]
	end := io.EOF
	if k == TruncatedRead {
		end = a.injected(where)
	}
	return &truncatedReader{bytes.NewReader(data), end}, nil
}

// truncatedReader ends early, with an error or as if at the end.
type truncatedReader struct {
	data *bytes.Reader
	end  error
}

func (c *truncatedReader) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	if err == io.EOF { //nolint:errorlint // a bytes.Reader returns the bare io.EOF
		err = c.end
	}
	return n, err
}

func (*truncatedReader) Close() error { return nil }

func (s *faultyStore) Put(ctx context.Context, key string, r io.Reader) (info blob.Info, err error) {
	var content []byte
	err = call(ctx, "Put "+s.name, key, writeFaults, func() (err error) {
		if content == nil { // so that it can be put twice
			if content, err = io.ReadAll(r); err != nil {
				return err
			}
		}
		info, err = s.inner.Put(ctx, key, bytes.NewReader(content))
		return err
	})
	return info, err
}

func (s *faultyStore) Compose(ctx context.Context, key string, parts []blob.Part) (info blob.Info, err error) {
	if a := attemptOf(ctx); a == nil || a.round.trial.plan.random(a.name, "streamed").IntN(2) == 0 {
		parts = slices.Clone(parts) // otherwise it reads through this store, with the faults of its reads
		for i, p := range parts {
			if from, ok := p.From.(*faultyStore); ok {
				parts[i].From = from.inner
			}
		}
	}
	err = call(ctx, "Compose "+s.name, key, writeFaults, func() (err error) {
		info, err = s.inner.Compose(ctx, key, parts)
		return err
	})
	return info, err
}

func (s *faultyStore) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		a := attemptOf(ctx)
		if a == nil {
			s.inner.List(ctx, prefix)(yield)
			return
		}
		k, where, err := a.beforeCall("List "+s.name, prefix, readFaults)
		if err != nil {
			yield(blob.Info{}, err)
			return
		}
		left := -1 // how many it yields before it fails
		if k == ErrorBefore {
			left = a.round.trial.plan.random(a.name, where, "length").IntN(4)
		}
		for info, err := range s.inner.List(ctx, prefix) {
			if left == 0 {
				break
			}
			if a.isDead() {
				yield(blob.Info{}, errKilled)
				return
			}
			left--
			if !yield(info, err) {
				return
			}
		}
		if k == ErrorBefore {
			yield(blob.Info{}, a.injected(where))
		}
	}
}

func (s *faultyStore) Delete(ctx context.Context, key string) error {
	return call(ctx, "Delete "+s.name, key, writeFaults, func() error { return s.inner.Delete(ctx, key) })
}

func (s *faultyStore) Locate(ctx context.Context, key string) (location string, err error) {
	err = call(ctx, "Locate "+s.name, key, readFaults, func() (err error) {
		location, err = s.inner.Locate(ctx, key)
		return err
	})
	return location, err
}

// injectedError returns the error of a Map's item reader that the plan makes fail.
func injectedError(where string) error { return fault.New(fault.Transient, "injected at %s", where) }
