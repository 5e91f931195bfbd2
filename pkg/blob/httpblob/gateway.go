package httpblob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// gateway serves files of web servers to programs of this user, on the loopback interface.
type gateway struct {
	server   *http.Server
	listener net.Listener
	done     chan struct{}

	mu    sync.Mutex
	files map[string]*Store // by path
	paths map[string]string // by version
}

// openGateway starts a server, which ends with close. Its requests use ctx.
func openGateway(ctx context.Context) (*gateway, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fault.Wrap(fault.Transient, err, "listen on the loopback interface, for ffmpeg to read a file of another machine")
	}
	g := &gateway{listener: listener, done: make(chan struct{}), files: map[string]*Store{}, paths: map[string]string{}}
	g.server = &http.Server{
		Handler: g, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(g.done)
		_ = g.server.Serve(listener) // it ends when close is called
	}()
	return g, nil
}

// serve returns the address at which s is read from now on.
func (g *gateway) serve(s *Store) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.paths[s.version]
	if !ok {
		// A name in the path is of no use to ffmpeg, and may be part of a message.
		p = "/" + rand.Text()
		g.paths[s.version], g.files[p] = p, s
	}
	return "http://" + g.listener.Addr().String() + p
}

// close ends the server and its connections.
func (g *gateway) close() error {
	err := g.server.Close()
	<-g.done
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// ServeHTTP serves ranges of a file.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	s := g.files[r.URL.Path]
	g.mu.Unlock()
	if s == nil || r.Method != http.MethodGet && r.Method != http.MethodHead || !ownPeer(r.RemoteAddr) {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	facts, err := s.known(r.Context())
	if err != nil {
		// What is wrong is reported by the next Locate: ffmpeg shows no more than the status.
		http.Error(w, "the source cannot be read", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	body := &seeker{ctx: r.Context(), store: s, size: facts.Size}
	defer body.close()
	http.ServeContent(w, r, "", time.Time{}, body)
}

// seeker is the file as http.ServeContent reads it. It opens the file when the first byte is read.
type seeker struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no parameter for it; a seeker lives within one request
	store  *Store
	size   int64
	offset int64
	body   io.ReadCloser
}

func (f *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	if offset != f.offset {
		f.close()
	}
	f.offset = offset
	return offset, nil
}

func (f *seeker) Read(p []byte) (int, error) {
	if f.body == nil {
		body, err := f.store.Open(f.ctx, f.store.key, f.offset, -1)
		if err != nil {
			return 0, err
		}
		f.body = body
	}
	n, err := f.body.Read(p)
	f.offset += int64(n)
	return n, err
}

func (f *seeker) close() {
	if f.body != nil {
		_ = f.body.Close() // only read
		f.body = nil
	}
}

// owner returns the user of the connection with the given local port in a table of the form of /proc/net/tcp.
func owner(table string, port uint16) (uid string, found bool) {
	want := fmt.Sprintf("0100007F:%04X", port) // 127.0.0.1
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 7 && f[1] == want {
			return f[7], true
		}
	}
	return "", false
}
