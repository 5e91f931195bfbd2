package audio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/work"
)

// failingStore is a store whose first Put fails.
type failingStore struct {
	blob.Store
	failed bool
}

func (s *failingStore) Put(ctx context.Context, key string, r io.Reader) (blob.Info, error) {
	if !s.failed {
		s.failed = true
		return blob.Info{}, fault.New(fault.Internal, "the store failed")
	}
	return s.Store.Put(ctx, key, r)
}

// What the storing of a copied track fails with says nothing about its packets: the attempt fails, and
// the next one copies.
func TestATrackThatCannotBeStoredIsNotEncoded(t *testing.T) {
	t.Parallel()
	found, files := filmtest.Source(t, "in.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
	for _, mux := range []film.Container{film.MP4, film.Matroska} {
		doc, err := json.Marshal(film.Job{ID: filmtest.Job, Source: found.Source, AudioRenditions: []film.AudioRendition{{
			Codec: film.AudioCopy, Mux: mux, Parts: 1, Fallback: film.AudioFallback{Codec: film.AAC, Bitrate: 64_000, Layout: "mono", Channels: 1},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		env := &work.Env{
			Job: filmtest.Job, Doc: doc, Unit: film.AudioUnit(0), Attempt: 1, Dir: t.TempDir(), Scratch: &failingStore{Store: filmtest.Store(t)},
			Resolve:  func(_ context.Context, url string) (blob.Store, string, error) { return files, url, nil },
			Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
		}
		part, err := json.Marshal(film.AudioPart{Whole: true, Last: true})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Kind{Tools: filmtest.Tools(t)}.Run(t.Context(), env, work.Unit{Name: film.AudioUnit(0), Spec: part})
		if err == nil || len(r.Warnings) > 0 {
			t.Errorf("%s: error %v, warnings %q; want an error and no warning", mux, err, r.Warnings)
		}
	}
}
