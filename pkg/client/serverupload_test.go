package client

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/printable"
)

func TestAFileIsUploadedToAServerOnceAndContinued(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var sent, requests atomic.Int64
	var fail atomic.Bool
	c := remoteServer(t, publishedJob(t, root+"/out/"), root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				requests.Add(1)
				sent.Add(r.ContentLength)
			}
			if fail.Swap(false) { // for once
				http.Error(w, "a proxy has no server", http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	if maxSubmittedPart != console.MaxSubmittedPart {
		t.Errorf("the server takes parts of %d bytes", console.MaxSubmittedPart)
	}
	film := noise(7, 2*console.MaxSubmittedPart+1000)
	path := filepath.Join(t.TempDir(), "film.mov")
	if err := os.WriteFile(path, film, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	defer interrupt(nil)
	stopped := errors.New("stopped")
	_, err := c.Upload(ctx, path, func(x Transfer) {
		if x.Verb == "uploading" && x.Done > 0 {
			interrupt(stopped)
		}
	})
	if !errors.Is(err, stopped) {
		t.Errorf("interrupted: %v", err)
	}
	before := sent.Swap(0)
	var last Transfer
	fail.Store(true)
	again := &Client{endpoint: c.endpoint, secret: c.secret} // what the first one knew is gone
	there, err := again.Upload(t.Context(), path, func(x Transfer) { last = x })
	if err != nil || last != (Transfer{"uploading", int64(len(film)), int64(len(film))}) {
		t.Fatalf("continued: %q, %v, %+v", there, err, last)
	}
	if before != console.MaxSubmittedPart || sent.Load() != int64(len(film))-before {
		t.Errorf("%d bytes were sent, and then %d of %d", before, sent.Load(), len(film))
	}
	if got, err := os.ReadFile(there); !bytes.Equal(got, film) || !strings.HasPrefix(there, root) || filepath.Base(there) != "film.mov" {
		t.Errorf("%s has %d bytes, %v", there, len(got), err)
	}
	requests.Store(0)
	if same, err := c.Upload(t.Context(), path, func(Transfer) {}); same != there || err != nil || requests.Load() > 0 {
		t.Errorf("the same again: %q, %v, %d requests", same, err, requests.Load())
	}
}

func TestAnUploadToAServerThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var status atomic.Int64
	c := remoteServer(t, publishedJob(t, root+"/out/"), root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s := int(status.Load()); s > 0 {
				w.WriteHeader(s)
				_, _ = w.Write([]byte(`{"error":"it is full"}`))
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	path := filepath.Join(t.TempDir(), "film.mov")
	write := func(seed byte) {
		if err := os.WriteFile(path, noise(seed, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(8)
	changing := func(x Transfer) {
		if x.Verb == "uploading" && x.Done == 0 {
			write(9)
			later := time.Now().Add(time.Second)
			if err := os.Chtimes(path, later, later); err != nil {
				t.Error(err)
			}
		}
	}
	quiet := func(Transfer) {}
	for _, test := range []struct {
		name    string
		path    string
		status  int
		secret  string
		observe func(Transfer)
		kind    fault.Kind
		want    string
	}{
		{"a file that changes", path, 0, "", changing, fault.Corrupt, path + " changed while it was uploaded"},
		{"no file", path + "x", 0, "", quiet, fault.Invalid, "no such file"},
		{"a folder", root, 0, "", quiet, fault.Invalid, "is not a file"},
		{"a full disk", path, 507, "", quiet, fault.OutOfSpace, "it is full"},
		{"an old server", path, 405, "", quiet, fault.Unsupported, "takes no uploads"},
		{"another token", path, 0, "another token here", quiet, fault.Invalid, "token"},
	} {
		status.Store(int64(test.status))
		with := &Client{endpoint: c.endpoint, secret: c.secret}
		if test.secret != "" {
			with.secret = test.secret
		}
		if _, err := with.Upload(t.Context(), test.path, test.observe); fault.KindOf(err) != test.kind || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", test.name, fault.KindOf(err), err)
		}
	}
}

func TestNamesOfUploadsAreOnesThatServersTake(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/a/film.mov":                     "film.mov",
		"a\u202eb\n\u2028\u00a0.mov":      "a_b___.mov",
		".hidden.mov":                     "_.hidden.mov",
		" film .mov ":                     "film .mov",
		"a\\b.mov":                        "a_b.mov",
		"\xffa.mov":                       "_a.mov",
		strings.Repeat("ä", 150) + ".mov": strings.Repeat("ä", 98) + ".mov",
		"x." + strings.Repeat("y", 220):   "x." + strings.Repeat("y", 198),
	} {
		if got := serverName(path); got != want || printable.Line(got) != got {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
