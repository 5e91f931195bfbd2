package stage

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
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// plan records the film's job, with its pieces done, and has its output go to a store.
func (f *fakeFilm) plan(t *testing.T, out blob.Store) {
	t.Helper()
	f.job.Request.Destination = "s3://bucket"
	f.Resolve = func(context.Context, string) (blob.Store, string, error) { return out, "out.mp4", nil }
	units := []ledger.Unit{{Job: "film", ID: film.OutputUnit("out")}}
	for i := range f.video {
		units = append(units, ledger.Unit{Job: "film", ID: film.VideoUnit(i)})
	}
	err := errors.Join(f.record(t.Context(), f.job, claim{}), f.Ledger.Plan(t.Context(), "film", slices.Values(units), time.Time{}))
	for i, facts := range f.video {
		data, merr := json.Marshal(facts)
		err = errors.Join(err, merr, f.Ledger.Complete(t.Context(), "film", film.VideoUnit(i), 1, data))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fakeFilm) publish(ctx context.Context) error {
	_, err := f.Merge(ctx, film.MergeItem{Job: "film", Output: "out"})
	return err
}

// again has the output made anew.
func (f *fakeFilm) again(t *testing.T) {
	t.Helper()
	u, err := f.Ledger.Unit(t.Context(), "film", film.OutputUnit("out"))
	if err == nil && u.State == ledger.Done {
		err = f.Ledger.Reopen(t.Context(), "film", u.ID, u.Attempt)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// left are the uploads to a bucket that were neither completed nor aborted.
func left(t *testing.T, client *s3.Client, bucket string) []string {
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

// cord is a line to S3 that is cut for good at a request: before it arrives, or before its answer does.
type cord struct {
	mu       sync.Mutex
	made     int
	cut      int  // the request; negative: none
	answered bool // it arrived
}

func (c *cord) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	n := c.made
	c.made++
	cut, answered := c.cut, c.answered
	c.mu.Unlock()
	if cut >= 0 && (n > cut || n == cut && !answered) {
		return nil, errors.New("nobody is there any more")
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if n == cut && err == nil {
		_ = response.Body.Close()
		return nil, errors.New("nobody is there any more")
	}
	return response, err
}

func (c *cord) set(cut int, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made, c.cut, c.answered = 0, cut, answered
}

// To S3 a killed Merge is one of which nothing more comes: no abort either.
func TestAMergeKilledAtAnyRequestEndsInTheSameBytesWhenRunAgain(t *testing.T) {
	server := s3test.Start(t)
	line := &cord{cut: -1}
	name := server.NewBucket(t)
	store, err := s3blob.New(server.Client(func(o *s3.Options) { o.HTTPClient, o.Retryer = line, aws.NopRetryer{} }), name, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	witness := server.Client(nil)
	f := newFilm(t, 2, 6e6)
	f.store(t, store, true)
	f.plan(t, store)
	line.set(-1, false)
	if err := f.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests := line.made
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
		f.again(t)
		line.set(n/2, n%2 == 1)
		if err := f.publish(t.Context()); err == nil {
			t.Fatalf("a merge that was killed at request %d of %d came to its end", n/2, requests)
		}
		line.set(-1, false)
		if _, err := store.Stat(t.Context(), "out.mp4"); err == nil {
			published++
			if sumOf(t, store, "out.mp4", info.Size) != want {
				t.Fatalf("a merge that was killed at request %d published something else", n/2)
			}
		}
		for _, id := range left(t, witness, name) { // as the bucket's lifecycle does after a day
			abandoned++
			if _, err := witness.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{
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
	t.Logf("%d kills at %d requests: %d left an upload, %d had published", 2*requests, requests, abandoned, published)
	if abandoned == 0 || published == 0 {
		t.Error("no kill was at a time that matters")
	}
}

func TestTwoMergesAtOncePublishOneWholeResult(t *testing.T) {
	store, _ := bucket(t, s3test.Start(t)) // which sees that no upload is left
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
	f.again(t)
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
		t.Error("the result has other bytes")
	}
	if u, err := f.Ledger.Unit(t.Context(), "film", film.OutputUnit("out")); err != nil || u.State != ledger.Done {
		t.Errorf("the output is %s, %v", u.State, err)
	}
}

func TestAResultThatDiffersFromThePlanIsNotPublished(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, f *fakeFilm){
		"a frame more reported than there is": func(_ *testing.T, f *fakeFilm) {
			f.video[1].Chunks[0].Frames++
		},
		"a later last frame reported": func(_ *testing.T, f *fakeFilm) {
			f.video[2].Chunks[0].Last++
		},
		"a segment more planned": func(_ *testing.T, f *fakeFilm) {
			f.job.Segments++
		},
		"two segments in each other's place": func(_ *testing.T, f *fakeFilm) {
			f.video[0].Chunks[0].StoredObject, f.video[1].Chunks[0].StoredObject = f.video[1].Chunks[0].StoredObject, f.video[0].Chunks[0].StoredObject
		},
		"a piece cut short": func(t *testing.T, f *fakeFilm) {
			put(t, f, 1, f.video[1].Chunks[0].Size-1, 0)
		},
		"a piece of another size": func(_ *testing.T, f *fakeFilm) {
			f.video[1].Chunks[0].Size++
		},
		"a piece whose last frame is missing": func(t *testing.T, f *fakeFilm) {
			p := f.picture(1)
			last := p.Samples[len(p.Samples)-1]
			p.Samples, p.Bytes = p.Samples[:len(p.Samples)-1], p.Bytes-int64(last.Size)
			facts := &f.video[1].Chunks[0].StoredObject
			info, err := putPiece(t.Context(), f.Scratch, facts.Key, p, pattern(2), []isobmff.Extent{{Length: p.Bytes}})
			if err != nil {
				t.Fatal(err)
			}
			facts.Size, facts.Header = info.Size, info.Size-p.Bytes
		},
		"a piece of zeros": func(t *testing.T, f *fakeFilm) {
			put(t, f, 1, 0, f.video[1].Chunks[0].Size)
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			f := newFilm(t, 3, 1e5)
			f.store(t, folder(t, t.TempDir()), true)
			spoil(t, f)
			f.plan(t, folder(t, out))
			if err := f.publish(t.Context()); fault.KindOf(err) != fault.Corrupt {
				t.Errorf("got %v, want an error of kind Corrupt", err)
			} else {
				t.Log(err)
			}
			for _, path := range []string{out, f.Temp} {
				if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
					t.Errorf("%v left in %s, %v", left, filepath.Base(path), err)
				}
			}
		})
	}
}

// put replaces the piece of a segment: by its first bytes, and zeros.
func put(t *testing.T, f *fakeFilm, segment int, keep, zeros int64) {
	t.Helper()
	key := f.video[segment].Chunks[0].Key
	data, err := readRange(t.Context(), f.Scratch, key, 0, keep)
	if err == nil {
		_, err = f.Scratch.Put(t.Context(), key, bytes.NewReader(append(data, make([]byte, zeros)...)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAHeaderThatFindsNoRoomIsOutOfSpace(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	out := folder(t, t.TempDir())
	f := newFilm(t, 3, 1e5)
	f.store(t, folder(t, t.TempDir()), true)
	m, sound := f.merger(t)
	if err := os.Symlink("/dev/full", filepath.Join(m.dir, headerFile)); err != nil {
		t.Fatal(err)
	}
	_, err := m.stitch(t.Context(), out, "out.mp4", []heard{sound})
	if fault.KindOf(err) != fault.OutOfSpace {
		t.Errorf("got %v, want an error of kind OutOfSpace", err)
	}
	if info, err := out.Stat(t.Context(), "out.mp4"); err == nil {
		t.Errorf("%d bytes were published", info.Size)
	}
}
