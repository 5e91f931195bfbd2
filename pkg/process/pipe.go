package process

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
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

// Tail is an io.Writer that keeps the last 16 KiB, in whole lines.
type Tail struct {
	data []byte
	cut  bool // the first line of data has lost its beginning
}

func (t *Tail) Write(data []byte) (int, error) {
	t.data = append(t.data, data...)
	if excess := len(t.data) - stderrTail; excess > 0 {
		t.cut = t.data[excess-1] != '\n' && t.data[excess-1] != '\r'
		t.data = append(t.data[:0], t.data[excess:]...)
	}
	return len(data), nil
}

// String returns the lines that were kept. A line that lost its beginning is left out: that may have been the beginning of a
// URL, without which Redact does not recognise the signature in its query.
func (t *Tail) String() string {
	text := string(t.data)
	if !t.cut {
		return text
	}
	if _, rest, ok := strings.Cut(strings.ReplaceAll(text, "\r", "\n"), "\n"); ok {
		return text[len(text)-len(rest):]
	}
	return ""
}
