package blob

import (
	"context"
	"errors"
	"io"
)

// Write stores what write writes as the object at key. The bytes stream through a pipe into
// store.Put, so Put's promises hold: if write or Put fails, nothing is published. Write returns
// after write has returned, and holds the errors of both. If Put fails, the writer given to write
// returns Put's error.
func Write(ctx context.Context, store Store, key string, write func(io.Writer) error) (Info, error) {
	r, pipe := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(pipe)
		pipe.CloseWithError(err)
		written <- err
	}()
	info, err := store.Put(ctx, key, r)
	r.CloseWithError(err)
	switch werr := <-written; {
	case werr == nil, errors.Is(werr, io.ErrClosedPipe) && err != nil:
	case err == nil, errors.Is(werr, err):
		err = werr
	case !errors.Is(err, werr): // neither reports the other
		err = errors.Join(werr, err)
	}
	return info, err
}
