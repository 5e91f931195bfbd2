package player

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestPreviewsAreServedWithTheirPageAndNothingElse(t *testing.T) {
	dir := folder(t, map[string]string{
		"film.preview.json": `{"previews": []}`, "film.preview/3f2a90c1/film-000001.jpg": "still", "film.preview/3f2a90c1/film-000000.gif": "slice",
		"secret.jpg": "secret", "notes.json": "secret", "other/film.jpg": "secret", "film.preview/3f2a90c1/notes.txt": "secret",
	})
	for _, location := range []string{dir, filepath.Join(dir, "film.preview.json")} {
		_, server := serve(t, location)
		if _, body := get(t, server.URL+"/", nil); !strings.Contains(body, "previews.js") {
			t.Errorf("%s: the page is not that of previews:\n%s", location, body)
		}
		for path, want := range map[string]string{
			"film.preview.json": "application/json", "film.preview/3f2a90c1/film-000001.jpg": "image/jpeg", "film.preview/3f2a90c1/film-000000.gif": "image/gif",
		} {
			if r, _ := get(t, server.URL+"/media/"+path, nil); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != want {
				t.Errorf("%s: %s gives %d, %s", location, path, r.StatusCode, r.Header.Get("Content-Type"))
			}
		}
		for _, path := range []string{"secret.jpg", "notes.json", "other/film.jpg", "film.preview/3f2a90c1/notes.txt", "film.preview/../secret.jpg"} {
			if r, body := get(t, server.URL+"/media/"+path, nil); r.StatusCode == http.StatusOK || body == "secret" {
				t.Errorf("%s: %s is served", location, path)
			}
		}
	}
}
