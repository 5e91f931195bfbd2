package httpblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// site is a web server with one file.
type site struct {
	*httptest.Server
	body    atomic.Pointer[[]byte]
	tag     atomic.Pointer[string] // "": none
	changed time.Time              // zero: it does not say
	answer  func(w http.ResponseWriter, r *http.Request) (done bool)
	asked   atomic.Int64
	opened  atomic.Pointer[http.Header]
}

func newSite(t *testing.T, body []byte) *site {
	t.Helper()
	s := &site{}
	s.set(body, `"one"`)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		header := r.Header.Clone()
		s.opened.Store(&header)
		if s.answer != nil && s.answer(w, r) {
			return
		}
		if r.URL.Path != "/films/film.mkv" {
			http.NotFound(w, r)
			return
		}
		if tag := *s.tag.Load(); tag != "" {
			w.Header().Set("ETag", tag)
		}
		http.ServeContent(w, r, "film.mkv", s.changed, bytes.NewReader(*s.body.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) set(body []byte, tag string) {
	s.body.Store(&body)
	s.tag.Store(&tag)
}

// store returns a store of the site's file that does not wait long.
func (s *site) store(t *testing.T, secret Secret) *Store {
	t.Helper()
	store, err := New(s.URL+"/films/film.mkv", secret, Options{Idle: time.Second, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func random(n int) []byte {
	r, b := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestOpenReadsAnyRange(t *testing.T) {
	t.Parallel()
	body := random(1000)
	s := newSite(t, body).store(t, Secret{})
	info, err := s.Stat(t.Context(), "film.mkv")
	if err != nil || info.Size != 1000 || info.Version != `"one"` {
		t.Fatalf("Stat: %+v, %v", info, err)
	}
	for _, r := range []struct{ offset, length int64 }{{0, -1}, {0, 0}, {0, 1}, {0, 1001}, {7, 100}, {999, 5}, {1000, -1}, {2000, 1}} {
		got, err := blob.ReadRange(t.Context(), s, "film.mkv", r.offset, r.length)
		from := min(r.offset, 1000)
		to := int64(1000)
		if r.length >= 0 {
			to = min(from+r.length, to)
		}
		if err != nil || !bytes.Equal(got, body[from:to]) {
			t.Errorf("%+v: %d bytes, %v; want %d", r, len(got), err, to-from)
		}
	}
	if _, err := s.Stat(t.Context(), "other.mkv"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another key: %v", err)
	}
	if _, err := s.Put(t.Context(), "film.mkv", strings.NewReader("x")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Put: %v", err)
	}
}

// A connection that breaks is taken up again at the same byte, of the same version.
func TestReadingContinuesAfterABrokenConnection(t *testing.T) {
	t.Parallel()
	body := random(300_000)
	site := newSite(t, body)
	s := site.store(t, Secret{})
	if _, err := s.Stat(t.Context(), "film.mkv"); err != nil {
		t.Fatal(err)
	}
	var broken atomic.Int64
	site.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if broken.Add(1) > 2 {
			return false
		}
		var from, to int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(body)))
		w.Header().Set("Content-Length", strconv.Itoa(to-from+1))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(body[from : from+100_000])
		panic(http.ErrAbortHandler)
	}
	got, err := blob.ReadRange(t.Context(), s, "film.mkv", 0, -1)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if broken.Load() < 3 {
		t.Errorf("the connection was not broken: %d requests", broken.Load())
	}
}

func TestAFileThatChangesIsAnError(t *testing.T) {
	t.Parallel()
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		before, after     string
		changedB, changed time.Time
		size              int
	}{
		"another ETag":           {`"one"`, `"two"`, time.Time{}, time.Time{}, 1000},
		"another time":           {``, ``, modified, modified.Add(time.Second), 1000},
		"another size":           {``, ``, modified, modified, 900},
		"weak tags do not count": {`W/"one"`, `W/"one"`, modified, modified.Add(time.Second), 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, random(1000))
			site.set(random(1000), c.before)
			site.changed = c.changedB
			s := site.store(t, Secret{})
			info, err := s.Stat(t.Context(), "film.mkv")
			if err != nil {
				t.Fatal(err)
			}
			site.set(random(c.size), c.after)
			site.changed = c.changed
			for what, err := range map[string]error{
				"Open": second(s.Open(t.Context(), "film.mkv", 10, 10)), "Stat": second(s.Stat(t.Context(), "film.mkv")),
				"Locate": second(s.Locate(t.Context(), "film.mkv")),
			} {
				if fault.KindOf(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), "has changed since the job began") {
					t.Errorf("%s: %v", what, err)
				}
			}
			// A later process that continues the job asks for the job's version.
			later := blob.AtVersion(site.store(t, Secret{}), info.Version)
			if name != "another size" { // which a later process cannot know
				if _, err := later.Locate(t.Context(), "film.mkv"); fault.KindOf(err) != fault.Invalid {
					t.Errorf("a later process: %v", err)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestWhatCannotBeReadInPartsIsFoundOut(t *testing.T) {
	t.Parallel()
	site := newSite(t, random(1000))
	site.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write(*site.body.Load())
		return true
	}
	s := site.store(t, Secret{})
	facts, err := s.Look(t.Context())
	if err != nil || facts.Ranges || facts.Readable() || facts.Size != 1000 {
		t.Errorf("%+v, %v", facts, err)
	}
	if _, err := s.Stat(t.Context(), "film.mkv"); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("Stat: %v", err)
	}
	body, _, err := s.Whole(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, *site.body.Load()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestErrorsSayWhatTheServerAnswersAndNoSecret(t *testing.T) {
	t.Parallel()
	secret := Secret{User: "anna", Password: "hunter2", Query: "token=topsecret"}
	for status, want := range map[int]fault.Kind{
		401: fault.Invalid, 403: fault.Invalid, 404: fault.NotFound, 410: fault.NotFound, 429: fault.Transient, 500: fault.Transient, 418: fault.Invalid,
	} {
		site := newSite(t, nil)
		site.answer = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true }
		_, err := site.store(t, secret).Stat(t.Context(), "film.mkv")
		if fault.KindOf(err) != want || !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Errorf("%d: %v (%v)", status, err, fault.KindOf(err))
		}
		noSecret(t, err)
		if n := site.asked.Load(); want == fault.Transient && n != attempts || want != fault.Transient && n != 1 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
	closed := newSite(t, nil)
	closed.Close()
	_, err := closed.store(t, secret).Stat(t.Context(), "film.mkv")
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("closed: %v", err)
	}
	noSecret(t, err)
}

func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, word := range []string{"anna", "hunter2", "topsecret"} {
		if strings.Contains(fmt.Sprint(err, fault.HintOf(err)), word) {
			t.Errorf("the error has %q: %v", word, err)
		}
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	site := newSite(t, random(1000))
	s := site.store(t, Secret{})
	s.options.Idle = 50 * time.Millisecond
	if _, err := s.Stat(t.Context(), "film.mkv"); err != nil {
		t.Fatal(err)
	}
	site.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Range", "bytes 0-999/1000")
		w.WriteHeader(http.StatusPartialContent)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}
	_, err := blob.ReadRange(t.Context(), s, "film.mkv", 0, -1)
	if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "silent") {
		t.Errorf("got %v", err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	other := newSite(t, random(1000))
	site := newSite(t, random(1000))
	var to string
	site.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("hop") != "" {
			return false
		}
		http.Redirect(w, r, to, http.StatusFound)
		return true
	}
	secret := Secret{User: "anna", Password: "hunter2", Query: "token=topsecret"}
	for _, c := range []struct{ to, want string }{
		{"/films/film.mkv?hop=1", ""},
		{"/films/film.mkv", "redirects more than 5 times"},
		{other.URL + "/films/film.mkv", "not public"},
		{"file:///etc/passwd", "no address of a web server"},
		{"http://169.254.169.254/latest/meta-data", "not public"},
		{"http://[::1]:80/", "not public"},
	} {
		to = c.to
		_, err := site.store(t, secret).Stat(t.Context(), "film.mkv")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("to %s: %v, want %q", c.to, err, c.want)
		}
		noSecret(t, err)
	}
	if n := other.asked.Load(); n > 0 {
		t.Errorf("the other server was asked %d times", n)
	}
	home, away := &url.URL{Scheme: "https", Host: "a.example"}, "http://a.example/film"
	s, _ := New("https://a.example/film", Secret{}, Options{})
	if _, err := s.redirected(home, away); err == nil {
		t.Error("a redirect from https to http was followed")
	}
}

func TestAddressesThatRedirectsMayNotReach(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true, "127.0.0.1:80": false, "10.1.2.3:80": false, "192.168.0.1:80": false,
		"172.16.0.1:80": false, "169.254.169.254:80": false, "100.64.0.1:80": false, "0.0.0.0:80": false, "[::1]:80": false, "[fd00::1]:80": false,
		"[fe80::1]:80": false, "[::ffff:127.0.0.1]:80": false, "[64:ff9b::7f00:1]:80": false, "224.0.0.1:80": false,
	} {
		if err := refusePrivate("tcp", address, syscall.RawConn(nil)); (err == nil) != public {
			t.Errorf("%s: %v, want public %v", address, err, public)
		}
	}
}

// The user and the query go to the server that they are for, and to no other.
func TestSecretsReachTheServerOfTheAddress(t *testing.T) {
	t.Parallel()
	site := newSite(t, random(10))
	site.answer = func(w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		if user == "anna" && password == "hunter2" && r.URL.RawQuery == "token=topsecret" {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	if _, err := site.store(t, Secret{User: "anna", Password: "hunter2", Query: "token=topsecret"}).Stat(t.Context(), "film.mkv"); err != nil {
		t.Error(err)
	}
}

func TestFfmpegReadsThroughTheLoopbackInterface(t *testing.T) {
	t.Parallel()
	body := random(100_000)
	s := newSite(t, body).store(t, Secret{Query: "token=topsecret"})
	at, err := s.Locate(t.Context(), "film.mkv")
	if err != nil || !strings.HasPrefix(at, "http://127.0.0.1:") || strings.Contains(at, "topsecret") {
		t.Fatalf("%s, %v", at, err)
	}
	for span, want := range map[string][]byte{"": body, "bytes=5-": body[5:], "bytes=99000-99009": body[99000:99010]} {
		status, got := fetch(t, at, span)
		if !bytes.Equal(got, want) || status/100 != 2 {
			t.Errorf("%q: status %d, %d bytes; want %d", span, status, len(got), len(want))
		}
	}
	if status, _ := fetch(t, strings.TrimSuffix(at, at[len(at)-3:])+"abc", ""); status != http.StatusNotFound {
		t.Errorf("another path: %d", status)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("the address still answers")
	}
}

func fetch(t *testing.T, at, span string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if span != "" {
		req.Header.Set("Range", span)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, got
}

func TestOwnerOfAConnection(t *testing.T) {
	t.Parallel()
	const table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 1 1\n" +
		"   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 2 1\n"
	if uid, ok := owner(table, 50000); !ok || uid != "1001" {
		t.Errorf("got %q, %v", uid, ok)
	}
	if _, ok := owner(table, 50001); ok {
		t.Error("a connection that is not there has an owner")
	}
}

func TestACancelledContextEndsEveryCall(t *testing.T) {
	t.Parallel()
	s := newSite(t, random(10)).store(t, Secret{})
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for what, err := range map[string]error{
		"Stat": second(s.Stat(ctx, "film.mkv")), "Open": second(s.Open(ctx, "film.mkv", 0, -1)), "Locate": second(s.Locate(ctx, "film.mkv")),
		"Whole": func() error { _, _, err := s.Whole(ctx); return err }(),
	} {
		if !errors.Is(err, cause) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "ftp://a/b", "https://", "https://u:p@a/b", "https://a/b?q=1", "https://a/b#c", "a/b"} {
		if _, err := New(address, Secret{}, Options{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", address, err)
		}
	}
	for address, want := range map[string]string{"https://a": "source", "https://a/": "source", "https://a/b%20c.mkv": "b c.mkv", "https://a/d/e/": "e"} {
		if got := KeyOf(address); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
