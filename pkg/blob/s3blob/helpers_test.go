//nolint:bodyclose // the responses made here are closed by the SDK
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
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
)

// network is an HTTP client between the SDK and the server. It may respond in the server's place.
type network struct {
	mu       sync.Mutex
	answer   func(*http.Request) (*http.Response, error) // nil, nil: the server responds
	alter    func(*http.Request, *http.Response)         // changes the server's response
	requests atomic.Int64
}

func (n *network) Do(request *http.Request) (*http.Response, error) {
	n.requests.Add(1)
	n.mu.Lock()
	answer, alter := n.answer, n.alter
	n.mu.Unlock()
	if answer != nil {
		if response, err := answer(request); response != nil || err != nil {
			if request.Body != nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(request.Body, 1000)) // the request ends in the middle of its body
				_ = request.Body.Close()
			}
			return response, err
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && alter != nil {
		alter(request, response)
	}
	return response, err
}

func (n *network) set(answer func(*http.Request) (*http.Response, error), alter func(*http.Request, *http.Response)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer, n.alter = answer, alter
	n.requests.Store(0)
}

// client returns a client of the server that uses the network and retries after short pauses.
func (n *network) client(server *s3test.Server) *s3.Client {
	return server.Client(func(o *s3.Options) {
		o.HTTPClient = n
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 5 * time.Millisecond })
	})
}

// errorResponse returns an error as S3 responds it.
func errorResponse(status int, code string) func(*http.Request) (*http.Response, error) {
	return func(request *http.Request) (*http.Response, error) {
		body := fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>injected</Message></Error>", code)
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

// resetConnection fails as a connection that the server resets.
func resetConnection(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }

// failFirst fails the first n requests of each kind.
func failFirst(n int, fail func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
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

// cutBody breaks the connection after n bytes of the body of each response to GET.
func cutBody(n int64) func(*http.Request, *http.Response) {
	return func(request *http.Request, response *http.Response) {
		if request.Method == http.MethodGet && response.StatusCode < 300 {
			response.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(response.Body, n), iotest.ErrReader(syscall.ECONNRESET)), response.Body}
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

// wantNoOpenUploads checks that no multipart upload is open: its parts cost money and are not listed.
func wantNoOpenUploads(t *testing.T, server *s3test.Server, bucket string) {
	t.Helper()
	out, err := server.Client(nil).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		t.Errorf("an upload of %s is still open", aws.ToString(u.Key))
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

func contentTypeOf(t *testing.T, server *s3test.Server, bucket, key string) string {
	t.Helper()
	out, err := server.Client(nil).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ContentType)
}

// randomBytes returns n pseudo-random bytes, always the same.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// zeros returns bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// callingReader calls a function and ends.
type callingReader func()

func (c callingReader) Read([]byte) (int, error) {
	c()
	return 0, io.EOF
}

// memoryWatcher returns bytes, and meanwhile measures the memory in use.
type memoryWatcher struct {
	left    int
	reads   int
	highest uint64
}

func (w *memoryWatcher) Read(p []byte) (int, error) {
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
