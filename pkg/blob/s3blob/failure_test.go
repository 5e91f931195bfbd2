//nolint:bodyclose // what makes answers here gives them to the SDK, which closes them
package s3blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/fault"
)

// network stands between the client and the server, and may answer itself.
type network struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error) // nil, nil: let the server answer
	spoil  func(*http.Request, *http.Response)         // changes the server's answer
	asked  atomic.Int64
}

func (n *network) Do(request *http.Request) (*http.Response, error) {
	n.asked.Add(1)
	n.mu.Lock()
	answer, spoil := n.answer, n.spoil
	n.mu.Unlock()
	if answer != nil {
		if response, err := answer(request); response != nil || err != nil {
			if request.Body != nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(request.Body, 1000)) // it broke off in the middle
				_ = request.Body.Close()
			}
			return response, err
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && spoil != nil {
		spoil(request, response)
	}
	return response, err
}

func (n *network) set(answer func(*http.Request) (*http.Response, error), spoil func(*http.Request, *http.Response)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer, n.spoil = answer, spoil
	n.asked.Store(0)
}

// client talks to server through the network, and tries again without waiting long.
func (n *network) client(server *s3test.Server) *s3.Client {
	return server.Client(func(o *s3.Options) {
		o.HTTPClient = n
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 5 * time.Millisecond })
	})
}

// says is an answer of S3 that is an error.
func says(status int, code string) func(*http.Request) (*http.Response, error) {
	return func(request *http.Request) (*http.Response, error) {
		body := fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>as you wished</Message></Error>", code)
		if request.Method == http.MethodHead {
			body = ""
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)),
			ContentLength: int64(len(body)), Request: request,
		}, nil
	}
}

func breaks(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }

// first lets a failure happen n times for each kind of request.
func first(n int, fail func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(request *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		kind := request.Method + " " + request.URL.Path + "?" + request.URL.RawQuery
		if seen[kind]++; seen[kind] > n {
			return nil, nil //nolint:nilnil // the server answers
		}
		return fail(request)
	}
}

// operations are all that a store does, on a bucket that holds "large" of 6 MiB and "small".
var operations = map[string]func(ctx context.Context, s *s3blob.Store) error{
	"Stat": func(ctx context.Context, s *s3blob.Store) error {
		_, err := s.Stat(ctx, "small")
		return err
	},
	"Open": func(ctx context.Context, s *s3blob.Store) error {
		r, err := s.Open(ctx, "small", 1, 3)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return errors.Join(err, r.Close())
	},
	"Put": func(ctx context.Context, s *s3blob.Store) error {
		_, err := s.Put(ctx, "new", strings.NewReader("body"))
		return err
	},
	"Put in parts": func(ctx context.Context, s *s3blob.Store) error {
		_, err := s.Put(ctx, "new", io.LimitReader(zeros{}, 20<<20))
		return err
	},
	"Compose": func(ctx context.Context, s *s3blob.Store) error {
		_, err := s.Compose(ctx, "new", []blob.Part{
			{Bytes: make([]byte, 6<<20)}, {From: s, Key: "large", Length: 6 << 20}, {From: s, Key: "small", Length: 3},
		})
		return err
	},
	"Compose of little": func(ctx context.Context, s *s3blob.Store) error {
		_, err := s.Compose(ctx, "new", []blob.Part{{From: s, Key: "small", Length: 3}})
		return err
	},
	"List": func(ctx context.Context, s *s3blob.Store) error {
		for _, err := range s.List(ctx, "") {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"Delete": func(ctx context.Context, s *s3blob.Store) error { return s.Delete(ctx, "new") },
	"Locate": func(ctx context.Context, s *s3blob.Store) error {
		_, err := s.Locate(ctx, "small")
		return err
	},
}

// prepared returns a store with the objects that operations need.
func prepared(t *testing.T, server *s3test.Server, n *network) (*s3blob.Store, string) {
	t.Helper()
	bucket := server.NewBucket(t)
	s := newStore(t, n.client(server), bucket, "")
	put(t, s, "small", []byte("small"))
	put(t, s, "large", make([]byte, 6<<20))
	return s, bucket
}

func TestFailuresThatPassAreTriedAgain(t *testing.T) {
	server := s3test.Start(t)
	for what, fail := range map[string]func(*http.Request) (*http.Response, error){
		"SlowDown": says(http.StatusServiceUnavailable, "SlowDown"), "500": says(http.StatusInternalServerError, "InternalError"),
		"a broken connection": breaks,
	} {
		for op, call := range operations {
			t.Run(op+" after "+what, func(t *testing.T) {
				var n network
				s, bucket := prepared(t, server, &n)
				n.set(first(2, fail), nil)
				if err := call(t.Context(), s); err != nil {
					t.Errorf("got %v, want it to be tried again", err)
				}
				if n.asked.Load() < 3 {
					t.Errorf("%d requests were made, want two failures and then some", n.asked.Load())
				}
				leavesNothing(t, server, bucket)
			})
		}
	}
}

func TestFailuresThatStayHaveTheirKind(t *testing.T) {
	server := s3test.Start(t)
	for what, test := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   fault.Kind
	}{
		"SlowDown":            {says(http.StatusServiceUnavailable, "SlowDown"), fault.Transient},
		"500":                 {says(http.StatusInternalServerError, "InternalError"), fault.Transient},
		"a broken connection": {breaks, fault.Transient},
		"AccessDenied":        {says(http.StatusForbidden, "AccessDenied"), fault.Invalid},
		"another region":      {says(http.StatusMovedPermanently, "PermanentRedirect"), fault.Invalid},
	} {
		for op, call := range operations {
			t.Run(op+" and "+what, func(t *testing.T) {
				var n network
				s, bucket := prepared(t, server, &n)
				n.set(test.answer, nil)
				err := call(t.Context(), s)
				if fault.KindOf(err) != test.want {
					t.Errorf("got %v of kind %s, want %s", err, fault.KindOf(err), test.want)
				}
				if err == nil || !strings.Contains(err.Error(), "s3://"+bucket+"/") {
					t.Errorf("%v does not name the object", err)
				}
				if test.want == fault.Invalid && fault.HintOf(err) == "" {
					t.Errorf("%v has no hint", err)
				}
				n.set(nil, nil)
				for info, err := range s.List(t.Context(), "new") {
					t.Errorf("%s was published, %v", info.Key, err)
				}
			})
		}
	}
}

func TestRealRefusalsHaveTheirKind(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.NewBucket(t)
	forger := server.Client(func(o *s3.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s3test.AccessKey, SecretAccessKey: "guessed"}, nil
		})
	})
	for what, test := range map[string]struct {
		store *s3blob.Store
		want  fault.Kind
	}{
		"a wrong secret": {newStore(t, forger, bucket, ""), fault.Invalid},
		"no such bucket": {newStore(t, server.Client(nil), "no-such-bucket", ""), fault.NotFound},
	} {
		_, openErr := test.store.Open(t.Context(), "a", 0, -1)
		_, putErr := test.store.Put(t.Context(), "a", strings.NewReader("x"))
		for op, err := range map[string]error{"Open": openErr, "Put": putErr} {
			if fault.KindOf(err) != test.want || fault.HintOf(err) == "" {
				t.Errorf("%s with %s: got %v of kind %s, hint %q, want %s with a hint", op, what, err, fault.KindOf(err),
					fault.HintOf(err), test.want)
			}
		}
	}
}

// cut lets the body of each answer to GET end after n bytes, as a connection does that breaks.
func cut(n int64) func(*http.Request, *http.Response) {
	return func(request *http.Request, response *http.Response) {
		if request.Method == http.MethodGet && response.StatusCode < 300 {
			response.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(response.Body, n), iotest.ErrReader(syscall.ECONNRESET)), response.Body}
		}
	}
}

func TestReaderGoesOnWhereTheConnectionBroke(t *testing.T) {
	server := s3test.Start(t)
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	body := noise(3 << 20)
	put(t, s, "a", body)
	for _, r := range []struct{ offset, length int64 }{{0, -1}, {1 << 20, -1}, {7, 2 << 20}} {
		n.set(nil, cut(300_000))
		got, err := read(t.Context(), s, "a", r.offset, r.length)
		want := body[r.offset:]
		if r.length >= 0 {
			want = want[:r.length]
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes from %d: got %d bytes, %v, want %d", r.length, r.offset, len(got), err, len(want))
		}
		if asked, least := n.asked.Load(), int64(len(want)/300_000); asked < least {
			t.Errorf("%d requests were made, want at least %d: was nothing cut?", asked, least)
		}
	}
}

func TestReaderGivesUpWhereNothingComes(t *testing.T) {
	server := s3test.Start(t)
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	put(t, s, "a", noise(1<<20))
	n.set(nil, cut(0))
	got, err := read(t.Context(), s, "a", 0, -1)
	if fault.KindOf(err) != fault.Transient || len(got) > 0 {
		t.Errorf("got %d bytes and %v of kind %s, want Transient", len(got), err, fault.KindOf(err))
	}
}

func TestReaderDoesNotGoOnInAnotherObject(t *testing.T) {
	server := s3test.Start(t)
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	put(t, s, "a", noise(2<<20))
	n.set(nil, cut(1<<20))
	r, err := s.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", make([]byte, 2<<20))
	if rest, err := io.ReadAll(r); fault.KindOf(err) != fault.Transient || len(rest) > 0 {
		t.Errorf("after the object was replaced: got %d bytes and %v, want Transient", len(rest), err)
	}
}

func TestFailureLeavesNoPartsBehind(t *testing.T) {
	server := s3test.Start(t)
	boom := errors.New("the source broke off")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	local, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for what, fail := range map[string]func(s *s3blob.Store, n *network) error{
		"Put whose reader fails": func(s *s3blob.Store, _ *network) error {
			_, err := s.Put(t.Context(), "new", io.MultiReader(io.LimitReader(zeros{}, 30<<20), iotest.ErrReader(boom)))
			return err
		},
		"Put that is cancelled": func(s *s3blob.Store, _ *network) error {
			_, err := s.Put(ctx, "new", io.MultiReader(io.LimitReader(zeros{}, 30<<20), calling(cancel), zeros{}))
			return err
		},
		"Compose whose copy fails": func(s *s3blob.Store, n *network) error {
			n.set(func(request *http.Request) (*http.Response, error) {
				if request.Header.Get("X-Amz-Copy-Source") != "" {
					return says(http.StatusForbidden, "AccessDenied")(request)
				}
				return nil, nil //nolint:nilnil // the server answers
			}, nil)
			return operations["Compose"](t.Context(), s)
		},
		"Compose whose end fails": func(s *s3blob.Store, n *network) error {
			n.set(func(request *http.Request) (*http.Response, error) {
				if request.Method == http.MethodPost && request.URL.Query().Has("uploadId") {
					return says(http.StatusOK, "InternalError")(request) // as S3 does: after it said 200
				}
				return nil, nil //nolint:nilnil // the server answers
			}, nil)
			return operations["Compose"](t.Context(), s)
		},
		"Compose that reads what is absent": func(s *s3blob.Store, _ *network) error {
			_, err := s.Compose(t.Context(), "new", []blob.Part{
				{From: s, Key: "large", Length: 6 << 20}, {From: local, Key: "absent", Length: 1},
			})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			var n network
			s, bucket := prepared(t, server, &n)
			if err := fail(s, &n); err == nil {
				t.Error("got no error")
			}
			n.set(nil, nil)
			leavesNothing(t, server, bucket)
			for info := range s.List(t.Context(), "new") {
				t.Errorf("%s was published", info.Key)
			}
		})
	}
}

func TestPutUsesBoundedMemory(t *testing.T) {
	server := s3test.Start(t)
	s := newStore(t, server.Client(nil), server.NewBucket(t), "")
	const size, bound = 250 << 20, 120 << 20 // (3+2) parts of 8 MiB, and as much again that the collector has not seen
	watch := &watching{left: size}
	if _, err := s.Put(t.Context(), "large", watch); err != nil {
		t.Fatal(err)
	}
	if watch.highest == 0 || watch.highest > bound {
		t.Errorf("a Put of %d MiB held %d MiB, want %d at most", size>>20, watch.highest>>20, bound>>20)
	}
	t.Logf("a Put of %d MiB held %d MiB", size>>20, watch.highest>>20)
}

func TestLocateGivesALinkThatNeedsNoCredentials(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.NewBucket(t)
	s, err := s3blob.New(server.Client(nil), bucket, "", s3blob.Options{LinkLife: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/b.mp4", "été #1 100%/a+b?c&d.mp4"} {
		put(t, s, key, []byte("body of "+key))
		link, err := s.Locate(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if got, status := get(t, link, "bytes=5-"); got != "of "+key || status != http.StatusPartialContent {
			t.Errorf("%s gives %d %q", link, status, got)
		}
		if got := kindOfContent(t, server, bucket, key); got != "video/mp4" {
			t.Errorf("%s is of type %q", key, got)
		}
	}
	link, err := s.Locate(t.Context(), "a/b.mp4")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3500 * time.Millisecond)
	if got, status := get(t, link, ""); status != http.StatusForbidden {
		t.Errorf("after its life a link gives %d %q", status, got)
	}
}

func TestNewRefusesWhatIsNoPlace(t *testing.T) {
	client := s3.New(s3.Options{Region: s3test.Region})
	for what, make := range map[string]func() (*s3blob.Store, error){
		"no bucket":             func() (*s3blob.Store, error) { return s3blob.New(client, "", "", s3blob.Options{}) },
		"prefix without slash":  func() (*s3blob.Store, error) { return s3blob.New(client, "b", "jobs", s3blob.Options{}) },
		"prefix that climbs":    func() (*s3blob.Store, error) { return s3blob.New(client, "b", "a/../", s3blob.Options{}) },
		"prefix that is a root": func() (*s3blob.Store, error) { return s3blob.New(client, "b", "/", s3blob.Options{}) },
	} {
		if _, err := make(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, want Invalid", what, err)
		}
	}
}

func put(t *testing.T, s blob.Store, key string, body []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func read(ctx context.Context, s *s3blob.Store, key string, offset, length int64) ([]byte, error) {
	r, err := s.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

// leavesNothing checks that no multipart upload is open: its parts would cost money and nobody would see them.
func leavesNothing(t *testing.T, server *s3test.Server, bucket string) {
	t.Helper()
	out, err := server.Client(nil).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		t.Errorf("an upload of %s is left behind", aws.ToString(u.Key))
	}
}

func get(t *testing.T, link, ranged string) (string, int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranged != "" {
		request.Header.Set("Range", ranged)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), response.StatusCode
}

func kindOfContent(t *testing.T, server *s3test.Server, bucket, key string) string {
	t.Helper()
	out, err := server.Client(nil).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ContentType)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// zeros gives bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// calling is a reader that calls a function and ends.
type calling func()

func (c calling) Read([]byte) (int, error) {
	c()
	return 0, io.EOF
}

// watching gives bytes and looks at the memory in use as it does.
type watching struct {
	left    int
	reads   int
	highest uint64
}

func (w *watching) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	if w.reads++; w.reads%5 == 0 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		w.highest = max(w.highest, stats.HeapAlloc)
	}
	n := min(len(p), w.left)
	w.left -= n
	return n, nil
}

func TestCachesAreToldWhatTheyAreAskedTo(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.NewBucket(t)
	plain, err := s3blob.New(server.Client(nil), bucket, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	large := noise(9 << 20) // more than a part
	put(t, plain, "plain/large", large)
	for name, store := range map[string]blob.Store{"plain": plain, "forever": blob.Cached(plain, "max-age=31536000, immutable")} {
		put(t, store, name+"/small.m4s", []byte("x"))
		put(t, store, name+"/large.m4s", large)
		for file, parts := range map[string][]blob.Part{
			"gathered.m3u8": {{Bytes: []byte("x")}},
			"copied.mp4":    {{From: plain, Key: "plain/large", Length: 6 << 20}, {From: plain, Key: "plain/large", Length: 6 << 20}},
		} {
			if _, err := store.Compose(t.Context(), name+"/"+file, parts); err != nil {
				t.Fatal(err)
			}
		}
	}
	for key, want := range map[string][2]string{
		"forever/small.m4s": {"video/iso.segment", "max-age=31536000, immutable"}, "forever/large.m4s": {"video/iso.segment", "max-age=31536000, immutable"},
		"forever/gathered.m3u8": {"application/vnd.apple.mpegurl", "max-age=31536000, immutable"}, "forever/copied.mp4": {"video/mp4", "max-age=31536000, immutable"},
		"plain/small.m4s": {"video/iso.segment", ""}, "plain/large.m4s": {"video/iso.segment", ""}, "plain/gathered.m3u8": {"application/vnd.apple.mpegurl", ""}, "plain/copied.mp4": {"video/mp4", ""},
	} {
		out, err := server.Client(nil).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{aws.ToString(out.ContentType), aws.ToString(out.CacheControl)}; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
