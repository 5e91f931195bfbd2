package faults

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// store is a blob.Store whose calls suffer what the plan says.
type store struct {
	inner blob.Store
	name  string
}

var _ blob.Store = (*store)(nil)

func (s *store) Stat(ctx context.Context, key string) (info blob.Info, err error) {
	err = call(ctx, "Stat "+s.name, key, asking, func() (err error) {
		info, err = s.inner.Stat(ctx, key)
		return err
	})
	return info, err
}

func (s *store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	a := attemptOf(ctx)
	if a == nil {
		return s.inner.Open(ctx, key, offset, length)
	}
	k, where, err := a.next("Open "+s.name, key, opening)
	if err != nil {
		return nil, err
	}
	if k == ErrorBefore {
		return nil, a.injected(where)
	}
	body, err := s.inner.Open(ctx, key, offset, length)
	if err != nil || (k != Truncated && k != Short) {
		return body, err
	}
	defer body.Close()
	data, err := io.ReadAll(body) // what the stages read is small, but for media that a store composes
	if err != nil {
		return nil, err
	}
	data = data[:a.round.trial.plan.random(a.name, where, "length").IntN(len(data)+1)]
	end := io.EOF
	if k == Truncated {
		end = a.injected(where)
	}
	return &cut{bytes.NewReader(data), end}, nil
}

// cut ends early, with an error or as if there were no more.
type cut struct {
	data *bytes.Reader
	end  error
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	if err == io.EOF { //nolint:errorlint // a bytes.Reader gives the bare io.EOF
		err = c.end
	}
	return n, err
}

func (*cut) Close() error { return nil }

func (s *store) Put(ctx context.Context, key string, r io.Reader) (info blob.Info, err error) {
	var held []byte
	err = call(ctx, "Put "+s.name, key, changing, func() (err error) {
		if held == nil { // to be able to put it twice
			if held, err = io.ReadAll(r); err != nil {
				return err
			}
		}
		info, err = s.inner.Put(ctx, key, bytes.NewReader(held))
		return err
	})
	return info, err
}

func (s *store) Compose(ctx context.Context, key string, parts []blob.Part) (info blob.Info, err error) {
	if a := attemptOf(ctx); a == nil || a.round.trial.plan.random(a.name, "streamed").IntN(2) == 0 {
		parts = slices.Clone(parts) // else it reads through this store, and suffers what its reads do
		for i, p := range parts {
			if from, ok := p.From.(*store); ok {
				parts[i].From = from.inner
			}
		}
	}
	err = call(ctx, "Compose "+s.name, key, changing, func() (err error) {
		info, err = s.inner.Compose(ctx, key, parts)
		return err
	})
	return info, err
}

func (s *store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		a := attemptOf(ctx)
		if a == nil {
			s.inner.List(ctx, prefix)(yield)
			return
		}
		k, where, err := a.next("List "+s.name, prefix, asking)
		if err != nil {
			yield(blob.Info{}, err)
			return
		}
		left := -1 // how many it gives before it fails
		if k == ErrorBefore {
			left = a.round.trial.plan.random(a.name, where, "length").IntN(4)
		}
		for info, err := range s.inner.List(ctx, prefix) {
			if left == 0 {
				break
			}
			if a.isDead() {
				yield(blob.Info{}, errDied)
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

func (s *store) Delete(ctx context.Context, key string) error {
	return call(ctx, "Delete "+s.name, key, changing, func() error { return s.inner.Delete(ctx, key) })
}

func (s *store) Locate(ctx context.Context, key string) (location string, err error) {
	err = call(ctx, "Locate "+s.name, key, asking, func() (err error) {
		location, err = s.inner.Locate(ctx, key)
		return err
	})
	return location, err
}

// errReader is the error of a Map's reader that the plan lets fail.
func errReader(where string) error { return fault.New(fault.Transient, "injected at %s", where) }
