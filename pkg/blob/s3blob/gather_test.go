package s3blob_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
)

// Files are sent concurrently, and memory does not grow with their size.
func TestComposeStreamsFromAFolderInBoundedMemory(t *testing.T) {
	server := s3test.Start(t)
	root := t.TempDir()
	local, err := dir.New(root)
	if err != nil {
		t.Fatal(err)
	}
	const size, bound = 200 << 20, 32 << 20
	if err := errors.Join(os.WriteFile(filepath.Join(root, "v"), nil, 0o600), os.Truncate(filepath.Join(root, "v"), size)); err != nil {
		t.Fatal(err)
	}
	var n network
	s := newStore(t, n.client(server), server.NewBucket(t), "")
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var mu sync.Mutex
	var highest uint64
	sending, most := 0, 0
	n.set(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Has("partNumber") {
			var stats runtime.MemStats
			mu.Lock()
			defer mu.Unlock()
			runtime.GC() // the garbage of other tests does not count
			runtime.ReadMemStats(&stats)
			sending++
			highest, most = max(highest, stats.HeapAlloc), max(most, sending)
		}
		return nil, nil //nolint:nilnil // the server answers
	}, func(r *http.Request, _ *http.Response) {
		if r.URL.Query().Has("partNumber") {
			mu.Lock()
			defer mu.Unlock()
			sending--
		}
	})
	var parts []blob.Part
	for at := int64(0); at < size; at += 1 << 20 {
		parts = append(parts, blob.Part{Bytes: []byte("audio")}, blob.Part{From: local, Key: "v", Offset: at, Length: 1 << 20})
	}
	info, err := s.Compose(t.Context(), "film", parts)
	if err != nil || info.Size != size+5*200 {
		t.Fatalf("%d bytes, %v", info.Size, err)
	}
	highest -= min(before.HeapAlloc, highest)
	t.Logf("at most %d MiB held, %d concurrent parts", highest>>20, most)
	if highest > bound || most < 2 {
		t.Errorf("%d MiB held, want at most %d; %d concurrent parts", highest>>20, bound>>20, most)
	}
}

func TestConcurrentComposesOfAKeyPublishOneWholeObject(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.NewBucket(t)
	s := newStore(t, server.Client(nil), bucket, "")
	body := randomBytes(7 << 20)
	put(t, s, "a", body)
	var parts []blob.Part
	want := sha256.New()
	for range 4 {
		parts = append(parts, blob.Part{From: s, Key: "a", Length: 7 << 20}, blob.Part{Bytes: []byte("between")})
		want.Write(body)
		want.Write([]byte("between"))
	}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if _, err := s.Compose(t.Context(), "film", parts); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r, err := s.Open(t.Context(), "film", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := sha256.New()
	if _, err := io.Copy(got, r); err != nil || string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("the object differs from its parts, %v", err)
	}
	wantNoOpenUploads(t, server, bucket)
}
