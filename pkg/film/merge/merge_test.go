package merge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// plan records the film's job, with its segments done. store receives the output.
func (f *fakeFilm) plan(t *testing.T, store blob.Store) {
	t.Helper()
	f.job.Request.Destination = "s3://bucket"
	f.Resolve = func(context.Context, string) (blob.Store, string, error) { return store, "out.mp4", nil }
	doc, err := json.Marshal(f.job)
	if err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(work.Plan{ID: "film", Doc: doc})
	if err != nil {
		t.Fatal(err)
	}
	output := []ledger.Unit{{Job: "film", ID: film.OutputKind + "/out", Spec: json.RawMessage(unitSpec)}}
	err = errors.Join(
		f.Ledger.PutJob(t.Context(), ledger.Job{ID: "film", State: ledger.JobRunning, Doc: record, Expires: time.Now().Add(time.Hour)}),
		f.Ledger.Plan(t.Context(), "film", slices.Values(output), time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	for i, facts := range f.video {
		f.complete(t, film.VideoUnit(i), facts)
	}
}

// publish runs the unit of the output.
func (f *fakeFilm) publish(ctx context.Context) error {
	_, err := f.Run(ctx, engine.RunInput{Job: "film", Unit: film.OutputKind + "/out"})
	return err
}

// reopen has the next publish write the output again.
func (f *fakeFilm) reopen(t *testing.T) {
	t.Helper()
	u, err := f.Ledger.Unit(t.Context(), "film", film.OutputKind+"/out")
	if err == nil && u.State == ledger.Done {
		err = f.Ledger.Reopen(t.Context(), "film", u.ID, u.Attempt)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unfinished returns the uploads to a bucket that were neither completed nor aborted.
func unfinished(t *testing.T, client *s3.Client, bucket string) []string {
	t.Helper()
	uploads, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, u := range uploads.Uploads {
		ids = append(ids, *u.UploadId)
	}
	return ids
}

// connection is a connection to S3 that fails for good at a request: before the request arrives, or
// before its response does.
type connection struct {
	mu      sync.Mutex
	sent    int  // requests so far
	failAt  int  // the request; negative: none
	arrives bool // the request does, its response does not
}

func (c *connection) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	n := c.sent
	c.sent++
	failAt, arrives := c.failAt, c.arrives
	c.mu.Unlock()
	if failAt >= 0 && (n > failAt || n == failAt && !arrives) {
		return nil, errors.New("the process was killed")
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if n == failAt && err == nil {
		_ = response.Body.Close()
		return nil, errors.New("the process was killed")
	}
	return response, err
}

func (c *connection) set(failAt int, arrives bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent, c.failAt, c.arrives = 0, failAt, arrives
}

// A killed merge sends no more requests to S3, and so does not abort its upload.
func TestAMergeKilledAtAnyRequestWritesTheSameBytesWhenRunAgain(t *testing.T) {
	server := s3test.Start(t)
	conn := &connection{failAt: -1}
	name := server.NewBucket(t)
	store, err := s3blob.New(server.Client(func(o *s3.Options) { o.HTTPClient, o.Retryer = conn, aws.NopRetryer{} }), name, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	observer := server.Client(nil)
	f := newFilm(t, 2, 6e6)
	f.store(t, store, true)
	f.plan(t, store)
	conn.set(-1, false)
	if err := f.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests := conn.sent
	info, err := store.Stat(t.Context(), "out.mp4")
	if err != nil {
		t.Fatal(err)
	}
	want := sumOf(t, store, "out.mp4", info.Size)
	published, abandoned := 0, 0
	for n := range 2 * requests {
		if err := store.Delete(t.Context(), "out.mp4"); err != nil {
			t.Fatal(err)
		}
		f.reopen(t)
		conn.set(n/2, n%2 == 1)
		if err := f.publish(t.Context()); err == nil {
			t.Fatalf("a merge that was killed at request %d of %d succeeded", n/2, requests)
		}
		conn.set(-1, false)
		if _, err := store.Stat(t.Context(), "out.mp4"); err == nil {
			published++
			if sumOf(t, store, "out.mp4", info.Size) != want {
				t.Fatalf("a merge that was killed at request %d published other bytes", n/2)
			}
		}
		for _, id := range unfinished(t, observer, name) { // as the bucket's lifecycle rule does after a day
			abandoned++
			if _, err := observer.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{
				Bucket: &name, Key: aws.String("out.mp4"), UploadId: &id,
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sumOf(t, store, "out.mp4", info.Size) != want {
			t.Fatalf("other bytes after a merge that was killed at request %d", n/2)
		}
	}
	t.Logf("%d kills at %d requests: %d left an unfinished upload, %d had published", 2*requests, requests, abandoned, published)
	if abandoned == 0 || published == 0 {
		t.Error("no kill left an upload, or none came after the publication")
	}
}

func TestTwoMergesAtOncePublishTheSameOutput(t *testing.T) {
	store, _ := bucket(t, s3test.Start(t)) // which checks that no upload is left
	f := newFilm(t, 3, 6e6)
	f.store(t, store, true)
	f.plan(t, store)
	if err := f.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := store.Stat(t.Context(), "out.mp4")
	if err != nil {
		t.Fatal(err)
	}
	want := sumOf(t, store, "out.mp4", info.Size)
	f.reopen(t)
	if err := store.Delete(t.Context(), "out.mp4"); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := f.publish(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if sumOf(t, store, "out.mp4", info.Size) != want {
		t.Error("the output has other bytes")
	}
	if u, err := f.Ledger.Unit(t.Context(), "film", film.OutputKind+"/out"); err != nil || u.State != ledger.Done {
		t.Errorf("the output is %s, %v", u.State, err)
	}
}

func TestAnOutputThatDiffersFromTheReportsIsNotPublished(t *testing.T) {
	for name, corrupt := range map[string]func(t *testing.T, f *fakeFilm){
		"one frame more is reported": func(_ *testing.T, f *fakeFilm) {
			f.video[1].Chunks[0].Frames++
		},
		"a later last frame is reported": func(_ *testing.T, f *fakeFilm) {
			f.video[2].Chunks[0].Last++
		},
		"one segment more is planned": func(_ *testing.T, f *fakeFilm) {
			f.job.Segments++
		},
		"two segments are swapped": func(_ *testing.T, f *fakeFilm) {
			f.video[0].Chunks[0].StoredObject, f.video[1].Chunks[0].StoredObject = f.video[1].Chunks[0].StoredObject, f.video[0].Chunks[0].StoredObject
		},
		"a chunk is truncated": func(t *testing.T, f *fakeFilm) {
			overwrite(t, f, 1, f.video[1].Chunks[0].Size-1, 0)
		},
		"a chunk has another size": func(_ *testing.T, f *fakeFilm) {
			f.video[1].Chunks[0].Size++
		},
		"a chunk lacks its last frame": func(t *testing.T, f *fakeFilm) {
			c := f.videoChunk(1)
			last := c.Samples[len(c.Samples)-1]
			c.Samples, c.Bytes = c.Samples[:len(c.Samples)-1], c.Bytes-int64(last.Size)
			stored := &f.video[1].Chunks[0].StoredObject
			*stored = putChunk(t, f.Scratch, stored.Key, c, pattern(2), 0)
		},
		"a chunk is zeros": func(t *testing.T, f *fakeFilm) {
			overwrite(t, f, 1, 0, f.video[1].Chunks[0].Size)
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			f := newFilm(t, 3, 1e5)
			f.store(t, folder(t, t.TempDir()), true)
			corrupt(t, f)
			f.plan(t, folder(t, out))
			if err := f.publish(t.Context()); fault.KindOf(err) != fault.Corrupt {
				t.Errorf("got %v, want an error of kind Corrupt", err)
			} else {
				t.Log(err)
			}
			for _, path := range []string{out, f.Temp} {
				if files, err := os.ReadDir(path); err != nil || len(files) > 0 {
					t.Errorf("%v left in %s, %v", files, filepath.Base(path), err)
				}
			}
		})
	}
}

// overwrite replaces the chunk of a segment with its first bytes and zeros.
func overwrite(t *testing.T, f *fakeFilm, segment int, keep, zeros int64) {
	t.Helper()
	key := f.video[segment].Chunks[0].Key
	data, err := blob.ReadRange(t.Context(), f.Scratch, key, 0, keep)
	if err == nil {
		_, err = f.Scratch.Put(t.Context(), key, bytes.NewReader(append(data, make([]byte, zeros)...)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskIsOutOfSpace(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	out := folder(t, t.TempDir())
	f := newFilm(t, 3, 1e5)
	f.store(t, folder(t, t.TempDir()), true)
	m, track := f.attempt(t)
	if err := os.Symlink("/dev/full", filepath.Join(m.Dir, headerFile)); err != nil {
		t.Fatal(err)
	}
	_, err := m.writeMovie(t.Context(), out, "out.mp4", []audioTrack{track})
	if fault.KindOf(err) != fault.OutOfSpace {
		t.Errorf("got %v, want an error of kind OutOfSpace", err)
	}
	if info, err := out.Stat(t.Context(), "out.mp4"); err == nil {
		t.Errorf("%d bytes were published", info.Size)
	}
}
