package merge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/manifest"
)

// destination takes what a merge publishes, counts its bytes, and serves the headers of the audio
// parts.
type destination struct {
	blob.Store
	film  *fakeFilm
	mu    *sync.Mutex
	files map[string]int64
}

func (d destination) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	var i int
	if _, err := fmt.Sscanf(key, "film/audio/%05d", &i); err != nil {
		return nil, err
	}
	c, _ := d.film.audioPart(i) // generated each time, so that the memory that is measured does not hold it
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(headerOf(c)), offset, length)), nil
}

func (d destination) Put(_ context.Context, key string, r io.Reader) (blob.Info, error) {
	n, err := io.Copy(io.Discard, r)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[key] = n
	return blob.Info{Key: key, Size: n}, err
}

func (d destination) Compose(_ context.Context, key string, parts []blob.Part) (blob.Info, error) {
	n, err := blob.CheckParts(parts)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[key] = n
	return blob.Info{Key: key, Size: n}, err
}

// The audio of a package is cut into media segments while its parts are read, so that 28 hours of
// it stay within the limit, too.
func TestPackagedAudioTakesLittleMemory(t *testing.T) {
	for _, single := range []bool{false, true} {
		f := newFilm(t, 10_080, 1e6)
		f.completeAudio(t)
		f.audioHeaders = nil
		store := destination{film: f, mu: new(sync.Mutex), files: map[string]int64{}}
		f.Scratch = store
		f.Resolve = func(_ context.Context, url string) (blob.Store, string, error) { return store, url, nil }
		f.job.Request = film.Request{
			Destination: "s3://bucket/", Outputs: []film.Output{{Name: "out", Package: &film.Package{Seconds: film.Seconds(6 * time.Second)}}},
		}
		out := &f.job.Outputs[0]
		out.Container, out.Folder, out.SingleFile = film.HLS, "out/1", single
		m, track := f.attempt(t)
		var got manifest.Audio
		var err error
		memory := peakMemory(func() { got, err = m.audioRendition(t.Context(), 0, track) })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("single file: %t, %d MB", single, memory>>20)
		var bytes, ticks int64
		for _, s := range got.Segments {
			bytes += s.Size
			ticks += s.Duration
			if longest := int64(7 * 48_000); s.Duration > longest || s.Duration <= 0 {
				t.Fatalf("a media segment of %d samples", s.Duration)
			}
			if stored := store.files["s3://bucket/"+s.Path]; !single && stored != s.Size {
				t.Fatalf("%s has %d bytes, reported are %d", s.Path, stored, s.Size)
			}
		}
		if single {
			bytes += got.Init.Size + got.Index.Size
			if stored := store.files["s3://bucket/"+got.Init.Path]; stored != bytes {
				t.Errorf("%s has %d bytes, want %d", got.Init.Path, stored, bytes)
			}
		}
		if packets := int64(track.Samples); ticks != packets*1024 {
			t.Errorf("the media segments last %d samples, want %d", ticks, packets*1024)
		}
		if memory > memoryLimit {
			t.Errorf("%d MB of memory", memory>>20)
		}
	}
}
