//nolint:bodyclose // the responses made here are closed by the SDK
package s3blob_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/fault"
)

func TestDeleteAllNeedsARequestForAThousandObjects(t *testing.T) {
	server := s3test.Start(t)
	var n network
	bucket := server.NewBucket(t)
	store, err := s3blob.New(server.Client(func(o *s3.Options) { o.HTTPClient = &n }), bucket, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for i := range 20 {
		key := fmt.Sprintf("job/video/%05d &<>ü.mp4", i)
		if _, err := store.Put(t.Context(), key, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	for i := range 1480 {
		keys = append(keys, fmt.Sprintf("job/absent/%d", i))
	}
	if _, err := store.Put(t.Context(), "job/other", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	before := n.requests.Load()
	if err := blob.DeleteAll(t.Context(), store, keys); err != nil {
		t.Fatal(err)
	}
	if got := n.requests.Load() - before; got != 2 {
		t.Errorf("%d requests for %d objects, want 2", got, len(keys))
	}
	var left []string
	for info, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, info.Key)
	}
	if fmt.Sprint(left) != "[job/other]" {
		t.Errorf("left are %q", left)
	}
	n.set(func(r *http.Request) (*http.Response, error) {
		const answer = `<DeleteResult><Error><Key>job/other</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>`
		return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer))}, nil
	}, nil)
	if err := blob.DeleteAll(t.Context(), store, []string{"job/other"}); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "job/other") {
		t.Errorf("one object that may not be deleted gives %v", err)
	}
}

func TestSweepRemovesUploadsThatWereGivenUp(t *testing.T) {
	server := s3test.Start(t)
	var n network
	bucket, client := server.NewBucket(t), server.Client(nil)
	store, err := s3blob.New(server.Client(func(o *s3.Options) { o.HTTPClient = &n }), bucket, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"out/film.mp4", "out/film/1080p.mp4", "out/fresh.mp4", "private/film.mp4"} {
		if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() string {
		t.Helper()
		list, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, u := range list.Uploads {
			keys = append(keys, *u.Key)
		}
		return fmt.Sprint(keys)
	}
	// All but out/fresh.mp4 seem to have begun the day before yesterday.
	upload := regexp.MustCompile(`(?s)<Upload>.*?</Upload>`)
	initiated := regexp.MustCompile(`<Initiated>[^<]*</Initiated>`)
	n.set(nil, func(r *http.Request, response *http.Response) {
		if !r.URL.Query().Has("uploads") {
			return
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		old := fmt.Sprintf("<Initiated>%s</Initiated>", time.Now().Add(-48*time.Hour).UTC().Format(time.RFC3339))
		body = upload.ReplaceAllFunc(body, func(u []byte) []byte {
			if bytes.Contains(u, []byte("fresh")) {
				return u
			}
			return initiated.ReplaceAll(u, []byte(old))
		})
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		response.Header.Del("Content-Length")
	})
	if got, err := blob.Sweep(t.Context(), store, "out/film.mp4"); err != nil || got != 1 {
		t.Errorf("%d uploads of the file, %v; want 1", got, err)
	}
	if got, want := left(), "[out/film/1080p.mp4 out/fresh.mp4 private/film.mp4]"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	if got, err := blob.Sweep(t.Context(), store, "out/"); err != nil || got != 1 {
		t.Errorf("%d uploads of the folder, %v; want 1", got, err)
	}
	if got, want := left(), "[out/fresh.mp4 private/film.mp4]"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}
