//nolint:bodyclose // the responses made here are closed by the SDK
package s3blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/fault"
)

// operations holds every operation of a store, on a bucket that holds "large" of 6 MiB and "small".
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
	"Compose in one request": func(ctx context.Context, s *s3blob.Store) error {
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

// newPreparedStore returns a store with the objects that operations need, and its bucket.
func newPreparedStore(t *testing.T, server *s3test.Server, n *network) (*s3blob.Store, string) {
	t.Helper()
	bucket := server.NewBucket(t)
	s := newStore(t, n.client(server), bucket, "")
	put(t, s, "small", []byte("small"))
	put(t, s, "large", make([]byte, 6<<20))
	return s, bucket
}

func TestTemporaryFailuresAreRetried(t *testing.T) {
	server := s3test.Start(t)
	for what, fail := range map[string]func(*http.Request) (*http.Response, error){
		"SlowDown": errorResponse(http.StatusServiceUnavailable, "SlowDown"), "500": errorResponse(http.StatusInternalServerError, "InternalError"),
		"a broken connection": resetConnection,
	} {
		for op, call := range operations {
			t.Run(op+" after "+what, func(t *testing.T) {
				var n network
				s, bucket := newPreparedStore(t, server, &n)
				n.set(failFirst(2, fail), nil)
				if err := call(t.Context(), s); err != nil {
					t.Errorf("got %v, want success on a retry", err)
				}
				if n.requests.Load() < 3 {
					t.Errorf("%d requests were made, want two failures and at least one more", n.requests.Load())
				}
				wantNoOpenUploads(t, server, bucket)
			})
		}
	}
}

func TestPermanentFailuresHaveTheirKind(t *testing.T) {
	server := s3test.Start(t)
	for what, test := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   fault.Kind
	}{
		"SlowDown":            {errorResponse(http.StatusServiceUnavailable, "SlowDown"), fault.Transient},
		"500":                 {errorResponse(http.StatusInternalServerError, "InternalError"), fault.Transient},
		"a broken connection": {resetConnection, fault.Transient},
		"AccessDenied":        {errorResponse(http.StatusForbidden, "AccessDenied"), fault.Invalid},
		"another region":      {errorResponse(http.StatusMovedPermanently, "PermanentRedirect"), fault.Invalid},
	} {
		for op, call := range operations {
			t.Run(op+" and "+what, func(t *testing.T) {
				var n network
				s, bucket := newPreparedStore(t, server, &n)
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

func TestErrorsOfARealServerHaveTheirKind(t *testing.T) {
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

func TestReaderContinuesWhereTheConnectionBroke(t *testing.T) {
	server := s3test.Start(t)
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	body := randomBytes(3 << 20)
	put(t, s, "a", body)
	for _, r := range []struct{ offset, length int64 }{{0, -1}, {1 << 20, -1}, {7, 2 << 20}} {
		n.set(nil, cutBody(300_000))
		got, err := read(t.Context(), s, "a", r.offset, r.length)
		want := body[r.offset:]
		if r.length >= 0 {
			want = want[:r.length]
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes at %d: got %d bytes, %v, want %d", r.length, r.offset, len(got), err, len(want))
		}
		if got, least := n.requests.Load(), int64(len(want)/300_000); got < least {
			t.Errorf("%d requests were made, want at least %d: no body was cut", got, least)
		}
	}
}

func TestReaderFailsAfterSeveralEmptyResponses(t *testing.T) {
	server := s3test.Start(t)
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	put(t, s, "a", randomBytes(1<<20))
	n.set(nil, cutBody(0))
	got, err := read(t.Context(), s, "a", 0, -1)
	if fault.KindOf(err) != fault.Transient || len(got) > 0 {
		t.Errorf("got %d bytes and %v of kind %s, want Transient", len(got), err, fault.KindOf(err))
	}
}

func TestReaderFailsIfItsObjectIsReplaced(t *testing.T) {
	server := s3test.Start(t)
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	put(t, s, "a", randomBytes(2<<20))
	n.set(nil, cutBody(1<<20))
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

func TestFailedUploadLeavesNoParts(t *testing.T) {
	server := s3test.Start(t)
	boom := errors.New("the source failed")
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
			_, err := s.Put(ctx, "new", io.MultiReader(io.LimitReader(zeros{}, 30<<20), callingReader(cancel), zeros{}))
			return err
		},
		"Compose whose copy fails": func(s *s3blob.Store, n *network) error {
			n.set(func(request *http.Request) (*http.Response, error) {
				if request.Header.Get("X-Amz-Copy-Source") != "" {
					return errorResponse(http.StatusForbidden, "AccessDenied")(request)
				}
				return nil, nil //nolint:nilnil // the server answers
			}, nil)
			return operations["Compose"](t.Context(), s)
		},
		"Compose whose completion fails": func(s *s3blob.Store, n *network) error {
			n.set(func(request *http.Request) (*http.Response, error) {
				if request.Method == http.MethodPost && request.URL.Query().Has("uploadId") {
					return errorResponse(http.StatusOK, "InternalError")(request) // as S3 does, after status 200
				}
				return nil, nil //nolint:nilnil // the server answers
			}, nil)
			return operations["Compose"](t.Context(), s)
		},
		"Compose of an absent object": func(s *s3blob.Store, _ *network) error {
			_, err := s.Compose(t.Context(), "new", []blob.Part{
				{From: s, Key: "large", Length: 6 << 20}, {From: local, Key: "absent", Length: 1},
			})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			var n network
			s, bucket := newPreparedStore(t, server, &n)
			if err := fail(s, &n); err == nil {
				t.Error("got no error")
			}
			n.set(nil, nil)
			wantNoOpenUploads(t, server, bucket)
			for info := range s.List(t.Context(), "new") {
				t.Errorf("%s was published", info.Key)
			}
		})
	}
}

func TestPutUsesBoundedMemory(t *testing.T) {
	server := s3test.Start(t)
	s := newStore(t, server.Client(nil), server.NewBucket(t), "")
	const size, bound = 250 << 20, 120 << 20 // (3+2) parts of 8 MiB, twice, because of garbage, and some more
	watch := &memoryWatcher{left: size}
	if _, err := s.Put(t.Context(), "large", watch); err != nil {
		t.Fatal(err)
	}
	if watch.highest == 0 || watch.highest > bound {
		t.Errorf("a Put of %d MiB held %d MiB, want at most %d", size>>20, watch.highest>>20, bound>>20)
	}
	t.Logf("a Put of %d MiB held %d MiB", size>>20, watch.highest>>20)
}

func TestLocateReturnsAURLThatNeedsNoCredentials(t *testing.T) {
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
			t.Errorf("%s responds %d %q", link, status, got)
		}
		if got := contentTypeOf(t, server, bucket, key); got != "video/mp4" {
			t.Errorf("%s is of type %q", key, got)
		}
	}
	link, err := s.Locate(t.Context(), "a/b.mp4")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3500 * time.Millisecond)
	if got, status := get(t, link, ""); status != http.StatusForbidden {
		t.Errorf("an expired URL responds %d %q, want 403", status, got)
	}
}

func TestNewRefusesInvalidBucketsAndPrefixes(t *testing.T) {
	client := s3.New(s3.Options{Region: s3test.Region})
	for what, make := range map[string]func() (*s3blob.Store, error){
		"no bucket":             func() (*s3blob.Store, error) { return s3blob.New(client, "", "", s3blob.Options{}) },
		"prefix without slash":  func() (*s3blob.Store, error) { return s3blob.New(client, "b", "jobs", s3blob.Options{}) },
		"prefix with dots":      func() (*s3blob.Store, error) { return s3blob.New(client, "b", "a/../", s3blob.Options{}) },
		"prefix that is a root": func() (*s3blob.Store, error) { return s3blob.New(client, "b", "/", s3blob.Options{}) },
	} {
		if _, err := make(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, want Invalid", what, err)
		}
	}
}

func TestCachedStoreSetsCacheControl(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.NewBucket(t)
	plain, err := s3blob.New(server.Client(nil), bucket, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	large := randomBytes(9 << 20) // more than a part
	put(t, plain, "plain/large", large)
	for name, store := range map[string]blob.Store{"plain": plain, "forever": blob.Cached(plain, "max-age=31536000, immutable")} {
		put(t, store, name+"/small.m4s", []byte("x"))
		put(t, store, name+"/frame.exr", []byte("x"))
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
		"plain/frame.exr": {"image/x-exr", ""}, "forever/frame.exr": {"image/x-exr", "max-age=31536000, immutable"},
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
