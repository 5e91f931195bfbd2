package player_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/player"
)

func TestPreviewsAreServedWithTheirPageAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"film.preview.json": `{"previews": []}`, "film.preview/3f2a90c1/film-000001.jpg": "still", "film.preview/3f2a90c1/film-000000.gif": "slice",
		"secret.jpg": "secret", "notes.json": "secret", "other/film.jpg": "secret", "film.preview/3f2a90c1/notes.txt": "secret",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, location := range []string{dir, filepath.Join(dir, "film.preview.json")} {
		p, err := player.Open(location)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(p)
		get := func(path string) (int, string, string) {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, answer.Header.Get("Content-Type"), string(body)
		}
		if _, _, body := get("/"); !strings.Contains(body, "previews.js") {
			t.Errorf("%s: the page is not that of previews:\n%s", location, body)
		}
		for path, want := range map[string]string{
			"/media/film.preview.json": "application/json", "/media/film.preview/3f2a90c1/film-000001.jpg": "image/jpeg",
			"/media/film.preview/3f2a90c1/film-000000.gif": "image/gif",
		} {
			if code, kind, _ := get(path); code != http.StatusOK || kind != want {
				t.Errorf("%s: %s gives %d, %s", location, path, code, kind)
			}
		}
		for _, path := range []string{
			"/media/secret.jpg", "/media/notes.json", "/media/other/film.jpg", "/media/film.preview/3f2a90c1/notes.txt", "/media/film.preview/../secret.jpg",
		} {
			if code, _, body := get(path); code == http.StatusOK || strings.Contains(body, "secret\n") {
				t.Errorf("%s: %s is served", location, path)
			}
		}
		server.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
