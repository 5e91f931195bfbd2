package s3blob_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
)

// Each request names the account that its bucket must belong to, and a copy also that of the bucket it reads.
func TestEveryRequestNamesTheOwner(t *testing.T) {
	server, link := s3test.Start(t), &network{}
	client := link.client(server)
	// The server has one account, the owner of all buckets.
	open := func(owner string) *s3blob.Store {
		s, err := s3blob.New(client, server.NewBucket(t), "", s3blob.Options{Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	from, to := open(s3test.AccessKey), open(s3test.AccessKey)
	var mu sync.Mutex
	seen := map[string]int{}
	link.set(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		query := r.URL.Query()
		query.Del("x-id")
		what := r.Method + " " + strconv.FormatBool(len(query) > 0)
		copied := r.Header.Get("X-Amz-Copy-Source") != ""
		if copied {
			what += " copy"
		}
		seen[what]++
		if got := r.Header.Get("X-Amz-Expected-Bucket-Owner"); got != s3test.AccessKey {
			t.Errorf("%s %s expects the owner %q", r.Method, r.URL, got)
		}
		if got := r.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); copied && got != s3test.AccessKey {
			t.Errorf("%s %s expects the owner %q of its source", r.Method, r.URL, got)
		}
		return nil, nil //nolint:nilnil // the server responds
	}, nil)
	body := bytes.Repeat([]byte("x"), 6<<20)
	if _, err := from.Put(t.Context(), "a", bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Put(t.Context(), "large", bytes.NewReader(bytes.Repeat(body, 2))); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Compose(t.Context(), "b", []blob.Part{
		{From: from, Key: "large", Length: 12 << 20}, {Bytes: body}, {From: from, Key: "a", Length: 6 << 20},
	}); err != nil {
		t.Fatal(err)
	}
	r, err := to.Open(t.Context(), "b", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	for _, err := range to.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := to.Locate(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := to.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"PUT false", "PUT true", "PUT true copy", "POST true", "GET false", "GET true", "HEAD false", "DELETE false"} {
		if seen[what] == 0 {
			t.Errorf("no request of the form %q was made, only %v", what, seen)
		}
	}
}

// A link lasts as long as the work that it is made for.
func TestALinkEndsWithTheWork(t *testing.T) {
	server := s3test.Start(t)
	s, err := s3blob.New(server.Client(nil), server.NewBucket(t), "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "film.mp4", []byte("body"))
	for name, test := range map[string]struct{ left, least, most time.Duration }{
		"on Lambda":    {15 * time.Minute, 15 * time.Minute, 16 * time.Minute},
		"at the end":   {2 * time.Second, time.Minute, 62 * time.Second},
		"for days":     {72 * time.Hour, 6 * time.Hour, 6 * time.Hour},
		"without ends": {0, 6 * time.Hour, 6 * time.Hour},
	} {
		ctx := t.Context()
		if test.left > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, test.left)
			t.Cleanup(cancel)
		}
		link, err := s.Locate(ctx, "film.mp4")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.Atoi(u.Query().Get("X-Amz-Expires"))
		if life := time.Duration(seconds) * time.Second; err != nil || life < test.least || life > test.most {
			t.Errorf("%s: a link lives %v (%v), want %v to %v", name, life, err, test.least, test.most)
		}
	}
}
