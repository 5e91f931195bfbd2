package process

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// sidePipe copies the program's descriptor 3 to a writer. With a nil writer it does nothing.
type sidePipe struct {
	to    io.Writer
	stop  context.CancelCauseFunc
	r, w  *os.File
	group sync.WaitGroup
	err   error
}

func openSidePipe(to io.Writer, stop context.CancelCauseFunc) (*sidePipe, error) {
	p := &sidePipe{to: to, stop: stop}
	if to == nil {
		return p, nil
	}
	var err error
	p.r, p.w, err = os.Pipe()
	return p, err
}

func (p *sidePipe) childEnd() []*os.File {
	if p.w == nil {
		return nil
	}
	return []*os.File{p.w}
}

// start begins to read. From here on only the child holds the write end, so its exit ends the
// stream.
func (p *sidePipe) start() {
	if p.to == nil {
		return
	}
	_ = p.w.Close()
	p.group.Go(func() {
		if _, err := io.Copy(p.to, p.r); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.err = err
			p.stop(err)
		}
	})
}

// drain waits until everything has been read, at most drainTime.
func (p *sidePipe) drain() {
	if p.to == nil {
		return
	}
	_ = p.r.SetReadDeadline(time.Now().Add(drainTime))
	p.group.Wait()
}

func (p *sidePipe) failed() bool { return p.err != nil }

func (p *sidePipe) close() {
	if p.to == nil {
		return
	}
	_ = p.w.Close() // already closed unless the start failed
	_ = p.r.Close()
}

// stopOnError passes writes on and stops the program at the first error.
type stopOnError struct {
	to   io.Writer
	stop context.CancelCauseFunc
}

func (s stopOnError) Write(data []byte) (int, error) {
	n, err := s.to.Write(data)
	if err != nil {
		s.stop(err)
	}
	return n, err
}

// Tail is an io.Writer that keeps the last 16 KiB.
type Tail struct{ data []byte }

func (t *Tail) Write(data []byte) (int, error) {
	t.data = append(t.data, data...)
	if excess := len(t.data) - stderrTail; excess > 0 {
		t.data = append(t.data[:0], t.data[excess:]...)
	}
	return len(data), nil
}

// String returns what was kept.
func (t *Tail) String() string { return string(t.data) }
