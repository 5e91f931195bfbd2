package merge

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// recorder records the order in which objects are written.
type recorder struct {
	blob.Store
	mu   sync.Mutex
	keys []string
}

func (r *recorder) record(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, key)
}

func (r *recorder) Put(ctx context.Context, key string, from io.Reader) (blob.Info, error) {
	info, err := r.Store.Put(ctx, key, from)
	r.record(key)
	return info, err
}

func (r *recorder) Compose(ctx context.Context, key string, parts []blob.Part) (blob.Info, error) {
	info, err := r.Store.Compose(ctx, key, parts)
	r.record(key)
	return info, err
}

// Until the file that players open is there, the package does not exist. So it refers to nothing that
// is missing, whenever a merge is killed.
func TestTheFileThatPlayersOpenIsPublishedLast(t *testing.T) {
	f := newFilm(t, 60, 1e5)
	f.store(t, folder(t, t.TempDir()), false)
	out := &f.job.Outputs[0]
	out.Container, out.File, out.Manifest, out.Folder = film.CMAF, "out.m3u8", "out.mpd", "out/1"
	out.Renditions, f.video, f.job.Segments = nil, nil, 0 // audio only
	f.job.Request.Outputs = []film.Output{{Name: "out", Package: &film.Package{Seconds: film.Seconds(6 * time.Second)}}}
	store := &recorder{Store: folder(t, t.TempDir())}
	f.plan(t, store)
	f.Resolve = func(_ context.Context, url string) (blob.Store, string, error) {
		return store, strings.TrimPrefix(url, "s3://bucket/"), nil
	}
	if err := f.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rest []string // after the media
	for _, key := range store.keys {
		if media := strings.HasSuffix(key, ".m4s") || strings.HasSuffix(key, "init.mp4"); !media {
			rest = append(rest, key)
		} else if len(rest) > 0 {
			t.Errorf("%s is written after %s", key, rest[0])
		}
	}
	if n := len(rest); n < 3 || rest[n-1] != "out.m3u8" || rest[0] != "out.mpd" {
		t.Errorf("the manifests are written in the order %v", rest)
	}

	u, err := f.Ledger.Unit(t.Context(), "film", film.OutputKind+"/out")
	var r work.Result
	var facts film.OutputFacts
	if err == nil {
		err = json.Unmarshal(u.Facts, &r)
	}
	if err == nil {
		err = json.Unmarshal(r.Facts, &facts)
	}
	if err != nil {
		t.Fatal(err)
	}
	var artifacts []work.Artifact
	for _, name := range []string{"out.mpd", "out.m3u8"} {
		info, err := store.Stat(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := blob.Digest(t.Context(), store, name, info.Size)
		if err != nil {
			t.Fatal(err)
		}
		artifacts = append(artifacts, work.Artifact{URL: "s3://bucket/" + name, Size: info.Size, Version: info.Version, Digest: digest})
	}
	want := []work.Artifact{artifacts[0], {Folder: "s3://bucket/out/1", Size: facts.Media}, artifacts[1]}
	if diff := cmp.Diff(want, r.Artifacts); diff != "" {
		t.Errorf("artifacts (-want +got):\n%s", diff)
	}
	if r.URL != facts.URL || facts.URL != "s3://bucket/out.m3u8" || facts.Manifest != "s3://bucket/out.mpd" || facts.Digest != artifacts[1].Digest {
		t.Errorf("result at %q, facts %+v", r.URL, facts)
	}
}

// A player shows a hole between media segments, or closes it and shows the next frames early.
func TestMediaSegmentsWithHolesAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		segments []film.MediaSegment
		kind     fault.Kind
	}{
		"none":       {nil, ""},
		"contiguous": {[]film.MediaSegment{{Start: 10, End: 16}, {Start: 16, End: 20}, {Start: 20, End: 21}}, ""},
		"a hole":     {[]film.MediaSegment{{Start: 10, End: 15}, {Start: 16, End: 20}}, fault.Corrupt},
		"an overlap": {[]film.MediaSegment{{Start: 10, End: 17}, {Start: 16, End: 20}}, fault.Corrupt},
	} {
		if err := checkContiguous(c.segments); fault.KindOf(err) != c.kind && (err != nil || c.kind != "") {
			t.Errorf("%s: %v, want kind %q", name, err, c.kind)
		}
	}
}
