//nolint:bodyclose // the responses are closed by the SDK
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/intake"
)

// wire is an HTTP client that counts requests and can break them.
type wire struct {
	parts, gets atomic.Int64
	ranged      atomic.Int64
	breaks      func(n int64, r *http.Request) error         // may be nil; n counts uploads of parts
	cut         func(r *http.Request, b io.Reader) io.Reader // may be nil
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && strings.Contains(r.URL.RawQuery, "partNumber") {
		n := w.parts.Add(1)
		if w.breaks != nil {
			if err := w.breaks(n, r); err != nil {
				return nil, err
			}
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "" {
		w.gets.Add(1)
		if r.Header.Get("Range") != "" {
			w.ranged.Add(1)
		}
		if w.cut != nil {
			response.Body = struct {
				io.Reader
				io.Closer
			}{w.cut(r, response.Body), response.Body}
		}
	}
	return response, err
}

// inBucket returns a client of a stack with one bucket, which is on a real S3 server.
func inBucket(t *testing.T, server *s3test.Server, w *wire) (*Client, string) {
	t.Helper()
	bucket := server.NewBucket(t)
	return &Client{machine: "arn:aws:states:eu-west-1:123456789012:stateMachine:mapreel", cloud: &cloud{
		s3:      server.Client(func(o *s3.Options) { o.HTTPClient, o.RetryMaxAttempts = w, 1 }),
		sources: []intake.Place{{Bucket: bucket, Prefix: "in/"}}, destinations: []intake.Place{{Bucket: bucket, Prefix: "out/"}},
	}}, bucket
}

func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a film.mov")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func stored(t *testing.T, server *s3test.Server, bucket, url string) []byte {
	t.Helper()
	key := strings.TrimPrefix(url, "s3://"+bucket+"/")
	out, err := server.Client(nil).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAnUploadContinuesAndIsNotRepeated(t *testing.T) {
	server := s3test.Start(t)
	w := &wire{}
	c, bucket := inBucket(t, server, w)
	data := noise(1, 2*minPart+12345) // three parts
	path := writeFile(t, data)
	quiet := func(Transfer) {}

	interrupted := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	w.breaks = func(n int64, r *http.Request) error {
		if n > 1 {
			_ = r.Body.Close()
			cancel(interrupted)
			return syscall.ECONNRESET
		}
		return nil
	}
	c.cloud.s3 = server.Client(func(o *s3.Options) { o.HTTPClient, o.RetryMaxAttempts = w, 1 })
	slow := *c // one part at a time, so that one has arrived
	if _, err := slow.Upload(ctx, path, quiet); !errors.Is(err, interrupted) {
		t.Fatalf("interrupted: %v", err)
	}
	w.breaks = nil
	w.parts.Store(0)
	var last Transfer
	url, err := c.Upload(t.Context(), path, func(x Transfer) {
		if x.Verb == "uploading" && x.Done > last.Done {
			last = x
		}
	})
	if err != nil || last.Done != int64(len(data)) || last.Total != last.Done {
		t.Fatalf("continued: %v, at last %+v", err, last)
	}
	if got := w.parts.Load(); got > 3 || got < 1 {
		t.Errorf("%d parts were sent after the interruption", got)
	}
	if !bytes.Equal(stored(t, server, bucket, url), data) || !strings.HasPrefix(url, "s3://"+bucket+"/"+intake.Submitted) || !strings.HasSuffix(url, "/a film.mov") {
		t.Errorf("%s is not the film", url)
	}
	w.parts.Store(0)
	if again, err := c.Upload(t.Context(), path, quiet); err != nil || again != url || w.parts.Load() != 0 {
		t.Errorf("again: %s, %v, %d parts", again, err, w.parts.Load())
	}
	open, err := server.Client(nil).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil || len(open.Uploads) > 0 {
		t.Errorf("uploads are open: %+v, %v", open, err)
	}

	data[len(data)-1] ^= 1 // another film of the same size has another key
	other, err := c.Upload(t.Context(), writeFile(t, data), quiet)
	if err != nil || other == url || !bytes.Equal(stored(t, server, bucket, other), data) {
		t.Errorf("another film: %s, %v", other, err)
	}
}

func TestPartsOfAnInterruptedUploadThatDifferAreSentAgain(t *testing.T) {
	server := s3test.Start(t)
	w := &wire{}
	c, bucket := inBucket(t, server, w)
	data := noise(2, minPart+5)
	path := writeFile(t, data)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := read(t.Context(), f, int64(len(data)), func(Transfer) {})
	if err != nil || len(d.parts) != 2 {
		t.Fatal(d, err)
	}
	u := &upload{Client: c, bucket: bucket, key: "in/x", file: f, digest: d, observe: func(Transfer) {}}
	started, err := c.cloud.s3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &u.key, ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT",
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range [][]byte{noise(3, minPart), data[minPart:]} { // the first is another film's
		if _, err := c.cloud.s3.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &bucket, Key: &u.key, UploadId: started.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(body), ChecksumAlgorithm: "CRC64NVME",
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.parts.Store(0)
	if err := u.run(t.Context()); err != nil || w.parts.Load() != 1 {
		t.Errorf("%v, %d parts sent; want 1", err, w.parts.Load())
	}
	if !bytes.Equal(stored(t, server, bucket, "s3://"+bucket+"/in/x"), data) {
		t.Error("the object is not the file")
	}
}

func TestWhatCannotBeUploadedIsRefused(t *testing.T) {
	c := &Client{cloud: &cloud{sources: []intake.Place{{Bucket: "b", Prefix: "in/"}}}}
	for path, want := range map[string]fault.Kind{t.TempDir(): fault.Invalid, writeFile(t, nil): fault.Invalid, "/does/not/exist": fault.Invalid} {
		if _, err := c.Upload(t.Context(), path, func(Transfer) {}); fault.KindOf(err) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	const largest = 50e12 // an object has 50 TB at most, and a part 5 GiB
	if partSize(largest) > 5<<30 || largest/partSize(largest) >= maxParts || partSize(5<<20) != minPart {
		t.Errorf("parts of %d and %d bytes", partSize(largest), partSize(5<<20))
	}
}

// published is a job with a package of three files.
func publishedJob(t *testing.T, destination string) Job {
	t.Helper()
	facts, err := json.Marshal(film.OutputFacts{URL: destination + "film.m3u8", Folder: destination + "film/3f2a"})
	if err != nil {
		t.Fatal(err)
	}
	return Job{Name: "film", Status: Succeeded, Destination: destination, Outputs: []json.RawMessage{facts}}
}

func TestOutputsAreFetchedWholeOrNotAtAll(t *testing.T) {
	server := s3test.Start(t)
	w := &wire{}
	c, bucket := inBucket(t, server, w)
	files := map[string][]byte{"film.m3u8": noise(4, 100), "film/3f2a/init.mp4": noise(5, 1000), "film/3f2a/1080p/0.m4s": noise(6, 3<<20)}
	for name, data := range files {
		if _, err := server.Client(nil).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("out/" + name), Body: bytes.NewReader(data)}); err != nil {
			t.Fatal(err)
		}
	}
	job := publishedJob(t, "s3://"+bucket+"/out/")
	folder := filepath.Join(t.TempDir(), "here")
	const piece = 1 << 20
	w.cut = func(r *http.Request, b io.Reader) io.Reader {
		if strings.HasSuffix(r.URL.Path, ".m4s") {
			return io.MultiReader(io.LimitReader(b, piece), iotest.ErrReader(syscall.ECONNRESET))
		}
		return b
	}
	if _, err := c.Fetch(t.Context(), job, folder, func(Transfer) {}); fault.KindOf(err) != fault.Transient {
		t.Fatalf("a broken connection: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "film/3f2a/1080p/0.m4s")); !errors.Is(err, os.ErrNotExist) {
		t.Error("half a file has its name")
	}
	w.cut = nil
	w.ranged.Store(0)
	var last Transfer
	done, err := c.Fetch(t.Context(), job, folder, func(x Transfer) {
		if x.Done > last.Done {
			last = x
		}
	})
	if err != nil || done.Unchecked != 0 || w.ranged.Load() != 1 || last.Done != last.Total || last.Total != done.Bytes {
		t.Fatalf("continued: %+v, %v, %d ranges, at last %+v", done, err, w.ranged.Load(), last)
	}
	check := func() {
		t.Helper()
		var names []string
		_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, _ error) error {
			if !d.IsDir() {
				rel, _ := filepath.Rel(folder, path)
				names = append(names, rel)
			}
			return nil
		})
		if want := []string{"film/3f2a/1080p/0.m4s", "film/3f2a/init.mp4", "film.m3u8"}; !slices.Equal(names, want) {
			t.Errorf("the folder has %q, want %q", names, want)
		}
		for name, data := range files {
			if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s is not the output: %v", name, err)
			}
		}
	}
	check()
	w.gets.Store(0)
	if done, err = c.Fetch(t.Context(), job, folder, func(Transfer) {}); err != nil || done.Kept != 3 || w.gets.Load() != 0 {
		t.Errorf("again: %+v, %v, %d downloads", done, err, w.gets.Load())
	}

	// What arrives is not what is stored.
	if err := os.Remove(filepath.Join(folder, "film/3f2a/init.mp4")); err != nil {
		t.Fatal(err)
	}
	w.cut = func(_ *http.Request, b io.Reader) io.Reader {
		data, _ := io.ReadAll(b)
		data[7] ^= 1
		return bytes.NewReader(data)
	}
	if _, err := c.Fetch(t.Context(), job, folder, func(Transfer) {}); err == nil {
		t.Error("a damaged file was accepted")
	}
	if _, err := os.Stat(filepath.Join(folder, "film/3f2a/init.mp4")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a damaged file has its name")
	}
	w.cut = nil
	if _, err := c.Fetch(t.Context(), job, folder, func(Transfer) {}); err != nil {
		t.Error(err)
	}
	check()
}

func TestNoOutputLeavesTheFolder(t *testing.T) {
	for location, want := range map[string]string{
		"s3://b/out/film.mp4": "film.mp4", "s3://b/out/a/b.ts": "a/b.ts", "s3://b/other/film.mp4": "", "s3://b/out/../x": "", "s3://b/out/a/../../x": "",
		"s3://b/out//etc/passwd": "", "s3://b/out/": "", "s3://b/out/a\x1b[2J": "", `s3://b/out/..\x`: "", "s3://b/out/.": "", "/etc/passwd": "", "s3://b/out/a//b": "",
	} {
		if got, err := nameBelow(location, "s3://b/out/"); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is fetched as %q, %v; want %q", location, got, err, want)
		}
	}
	destination, folder, outside := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(destination, "film", "3f2a"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"film.m3u8", "film/3f2a/init.mp4"} {
		if err := os.WriteFile(filepath.Join(destination, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(destination, "film/3f2a/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "film")); err != nil {
		t.Fatal(err)
	}
	c := &Client{endpoint: DefaultEndpoint}
	job := publishedJob(t, destination+"/")
	if _, err := c.Fetch(t.Context(), job, folder, func(Transfer) {}); err == nil {
		t.Error("a link of the folder was followed")
	}
	if list, _ := os.ReadDir(outside); len(list) > 0 {
		t.Errorf("outside of the folder is %v", list)
	}
	if err := os.Remove(filepath.Join(folder, "film")); err != nil {
		t.Fatal(err)
	}
	done, err := c.Fetch(t.Context(), job, folder, func(Transfer) {})
	if err != nil || !slices.Equal(done.Files, []string{"film.m3u8", "film/3f2a/init.mp4"}) || done.Unchecked != 0 {
		t.Errorf("%+v, %v; want two files, without the link", done, err)
	}
	for status, want := range map[string]string{Running: "mapreel watch x waits for its end", "FAILED": "mapreel status x says why"} {
		if _, err := c.Fetch(t.Context(), Job{Name: "x", Status: status}, folder, func(Transfer) {}); fault.HintOf(err) != want {
			t.Errorf("of a job that is %s: %v, hint %q", status, err, fault.HintOf(err))
		}
	}
}
