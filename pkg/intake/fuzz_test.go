package intake_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/intake"
)

// outside returns a service whose sources lie in a folder, and that can start nothing.
func outside(f *testing.F) (*intake.Service, *dir.Store) {
	f.Helper()
	store, err := dir.New(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	return &intake.Service{
		Region: "eu-west-1", Sources: []intake.Place{{Bucket: "media", Prefix: "in/"}}, Destinations: []intake.Place{{Bucket: "media", Prefix: "out/"}},
		Resolve: func(_ context.Context, url string) (blob.Store, string, error) {
			key, ok := strings.CutPrefix(url, "s3://media/")
			if !ok || !strings.HasSuffix(key, intake.Sidecar) { // no source is there, so no execution begins
				return nil, "", fault.New(fault.NotFound, "%s does not exist", url)
			}
			return store, "sidecar.json", nil
		},
	}, store
}

// FuzzAPI posts what a caller may send. Every answer is JSON with a status of its own.
func FuzzAPI(f *testing.F) {
	s, _ := outside(f)
	for _, body := range []string{
		`{"source": "s3://media/in/a.mkv", "destination": "s3://media/out/", "outputs": [{"name": "a"}]}`, `{"source": 1}`, "[]", "", "\x00", "e30=",
		strings.Repeat("[", 200),
	} {
		f.Add(body, "key", false)
		f.Add(body, "\x1b[2J", true)
	}
	f.Fuzz(func(t *testing.T, body, key string, encoded bool) {
		event, err := json.Marshal(map[string]any{
			"routeKey": intake.RouteSubmit, "headers": map[string]string{"idempotency-key": key}, "body": body, "isBase64Encoded": encoded,
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.API(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			StatusCode int
			Body       string
		}
		if err := json.Unmarshal(data, &got); err != nil || got.StatusCode < http.StatusBadRequest || got.StatusCode >= 500 || !json.Valid([]byte(got.Body)) {
			t.Errorf("%v: %s", err, data)
		}
	})
}

// FuzzUpload reads the events of a bucket and the sidecars of uploads.
func FuzzUpload(f *testing.F) {
	s, store := outside(f)
	for _, sidecar := range []string{
		`{"outputs": [{"name": "a"}]}`, `{"source": "s3://other/x"}`, `{"destination": "s3://media/in/"}`, "[]", "", "{", `{"outputs": null}`,
	} {
		f.Add(sidecar, "in/film.mkv")
		f.Add(sidecar, "out/film.mkv") // starts nothing, and is no error
		f.Add(sidecar, "in/\"},\\\n\x1b.mkv")
	}
	f.Fuzz(func(t *testing.T, sidecar, key string) {
		if _, err := store.Put(t.Context(), "sidecar.json", strings.NewReader(sidecar)); err != nil {
			t.Fatal(err)
		}
		event, err := json.Marshal(map[string]any{"detail": map[string]any{"bucket": map[string]any{"name": "media"}, "object": map[string]any{"key": key}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Upload(t.Context(), event)
		switch kind := fault.KindOf(err); {
		case err == nil && strings.HasPrefix(key, intake.Watched) && !strings.HasSuffix(key, intake.Sidecar):
			t.Error("something was started")
		case err != nil && kind != fault.Invalid && kind != fault.NotFound && key != "":
			t.Errorf("an error of kind %s: %v", kind, err)
		}
	})
}
