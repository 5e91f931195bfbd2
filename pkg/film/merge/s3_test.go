package merge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
)

// counts are the requests that a merge sends to S3.
type counts struct {
	reads, copies, uploads, others int
	uploaded                       int64 // bytes that passed through the merge itself
	mostCopies                     int   // at once
}

// counter is an HTTP client that counts requests.
type counter struct {
	mu sync.Mutex
	counts
	running int // copies
	answer  func(*http.Request) (*http.Response, error)
	paced   bool // answer sleeps as long as S3 would take, by the fake clock of a synctest bubble
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = counts{}
}

func (c *counter) Do(request *http.Request) (*http.Response, error) {
	isCopy := request.Header.Get("X-Amz-Copy-Source") != ""
	c.mu.Lock()
	switch {
	case isCopy:
		c.copies++
		c.running++
		c.mostCopies = max(c.mostCopies, c.running)
	case request.Method == http.MethodPut:
		c.uploads++
		n := request.ContentLength
		if v, err := strconv.ParseInt(request.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
			n = v
		}
		c.uploaded += n
	case request.Method == http.MethodGet:
		c.reads++
	default:
		c.others++
	}
	c.mu.Unlock()
	if isCopy {
		defer func() {
			c.mu.Lock()
			c.running--
			c.mu.Unlock()
		}()
	}
	return c.answer(request)
}

// How long the stand-in takes: as an S3 that is slow.
const (
	latency    = 50 * time.Millisecond
	copyRate   = 100e6 // bytes per second, of each copy
	uploadRate = 50e6  // bytes per second, of each upload and download
)

// wait sleeps for the time of a request that moves bytes.
func wait(bytes int64, rate float64) {
	time.Sleep(latency + time.Duration(float64(bytes)/rate*float64(time.Second)))
}

// standIn answers as S3 would for a film that is not stored anywhere, and checks S3's limits.
type standIn struct {
	t     *testing.T
	film  *fakeFilm
	mu    sync.Mutex
	parts map[int]int64
	size  int64
}

func (s *standIn) answer(r *http.Request) (*http.Response, error) {
	respond := func(body string, header ...string) (*http.Response, error) {
		h := http.Header{"Etag": {`"x"`}, "Content-Length": {strconv.Itoa(len(body))}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
		}, nil
	}
	var size int64
	if r.Body != nil {
		size, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		if v, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
			size = v
		}
	}
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && query.Has("uploads"):
		s.parts = map[int]int64{}
		return respond(`<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == http.MethodPut && query.Has("partNumber"):
		var from, to int64
		if _, err := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &from, &to); err == nil {
			size = to - from + 1
			wait(size, copyRate)
		} else {
			wait(size, uploadRate)
		}
		n, _ := strconv.Atoi(query.Get("partNumber"))
		s.mu.Lock()
		s.parts[n] = size
		s.mu.Unlock()
		return respond(`<CopyPartResult><ETag>"x"</ETag></CopyPartResult>`)
	case r.Method == http.MethodPost:
		for n := 1; n <= len(s.parts); n++ {
			if size := s.parts[n]; n > 10_000 || size > 5<<30 || size < 5<<20 && n < len(s.parts) {
				s.t.Errorf("part %d of %d has %d bytes", n, len(s.parts), size)
			}
			s.size += s.parts[n]
		}
		return respond(`<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodGet:
		var from, to int64
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
			return nil, errors.New("a whole object was requested")
		}
		length := to - from + 1
		wait(length, uploadRate)
		var head io.Reader = strings.NewReader("")
		rest := length
		if at, ok := s.film.at[strings.TrimPrefix(r.URL.Path, "/bucket/")]; ok && from == 0 {
			n := min(at.length, length)
			head, rest = io.NewSectionReader(s.film.headers, at.offset, n), length-n
		}
		answer, err := respond("", "Content-Length", strconv.FormatInt(length, 10))
		if err == nil {
			answer.Body = io.NopCloser(io.MultiReader(head, io.NewSectionReader(pattern(0), 0, rest)))
			answer.ContentLength = length
		}
		return answer, err
	}
	return nil, fmt.Errorf("%s %s", r.Method, r.URL)
}

// bucket returns a new bucket on a real server, with a client that counts. At the end of the test
// it must hold no unfinished upload.
func bucket(t *testing.T, server *s3test.Server) (*s3blob.Store, *counter) {
	t.Helper()
	count := &counter{answer: http.DefaultTransport.RoundTrip}
	client := server.Client(func(o *s3.Options) { o.HTTPClient = count })
	name := server.NewBucket(t)
	store, err := s3blob.New(client, name, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		uploads, err := client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &name})
		if err != nil || len(uploads.Uploads) > 0 {
			t.Errorf("uploads left: %v, %v", uploads, err)
		}
	})
	return store, count
}
