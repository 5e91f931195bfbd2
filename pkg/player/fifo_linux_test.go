package player

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A FIFO without a writer would hold a request, and a thread, for ever.
func TestAFIFOHoldsNoRequest(t *testing.T) {
	dir := folder(t, map[string]string{"film.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfilm/list.m3u8\n", "film/1.m4s": "x"})
	for _, name := range []string{"film/pipe.mp4", "film/list.m3u8", "pipe.mp4"} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	opened := make(chan *Player, 1)
	go func() {
		p, err := Open(dir)
		if err != nil {
			t.Error(err)
		}
		opened <- p
	}()
	select {
	case p := <-opened:
		if p == nil {
			return
		}
		defer p.Close()
	case <-ctx.Done():
		t.Fatal("Open waits for a FIFO")
	}
	_, server := serve(t, dir)
	for _, name := range []string{"film/pipe.mp4", "film/list.m3u8", "pipe.mp4"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/media/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
}
