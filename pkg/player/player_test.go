package player

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
)

const multivariant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfilm/video.m3u8\n"

// folder creates a folder with the given files, next to a file that must never be served.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	outer := t.TempDir()
	dir := filepath.Join(outer, "out")
	files["../secret.mp4"] = "secret"
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func serve(t *testing.T, location string) (*Player, *httptest.Server) {
	t.Helper()
	p, err := Open(location)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() { server.Close(); p.Close() })
	return p, server
}

// reply is a response whose body was read.
type reply struct {
	StatusCode int
	Status     string
	Header     http.Header
}

func get(t *testing.T, address string, header map[string]string) (reply, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		request.Header.Set(k, v)
		if k == "Host" {
			request.Host = v
		}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Status, answer.Header}, string(body)
}

func TestMediaIsServedWithItsTypeAndRanges(t *testing.T) {
	dir := folder(t, map[string]string{"film.m3u8": multivariant, "film/video.m3u8": "#EXTM3U\n", "film/1.m4s": "0123456789", "film/text.vtt": "WEBVTT\n", "film.mpd": "<MPD/>"})
	_, server := serve(t, dir)
	for name, kind := range map[string]string{
		"film.m3u8": "application/vnd.apple.mpegurl", "film/1.m4s": "video/iso.segment", "film/text.vtt": "text/vtt; charset=utf-8", "film.mpd": "application/dash+xml",
	} {
		answer, _ := get(t, server.URL+"/media/"+name, nil)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %s, %q; want %q", name, answer.Status, answer.Header.Get("Content-Type"), kind)
		}
	}
	answer, body := get(t, server.URL+"/media/film/1.m4s", map[string]string{"Range": "bytes=2-4"})
	if answer.StatusCode != http.StatusPartialContent || body != "234" || answer.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("a range: %s, %q, %q", answer.Status, body, answer.Header.Get("Content-Range"))
	}
}

func TestOnlyMediaFilesOfTheFolderAreServed(t *testing.T) {
	dir := folder(t, map[string]string{"film.mp4": "film", "other.mp4": "other", "notes.txt": "notes", "sub/x.mp4": "x"})
	if err := os.Symlink(filepath.Join("..", "secret.mp4"), filepath.Join(dir, "link.mp4")); err != nil {
		t.Fatal(err)
	}
	_, server := serve(t, dir)
	for _, path := range []string{
		"/media/../secret.mp4", "/media/%2e%2e/secret.mp4", "/media/..%2fsecret.mp4", "/media/sub/%2e%2e/%2e%2e/secret.mp4", "/media//etc/passwd",
		"/media/link.mp4", "/media/notes.txt", "/media/", "/media/sub", "/media/sub/", "/secret.mp4", "/page.go", "/hls.LICENSE",
	} {
		if answer, body := get(t, server.URL+path, nil); answer.StatusCode == http.StatusOK {
			t.Errorf("%s is served: %q", path, body)
		}
	}
	if answer, body := get(t, server.URL+"/", map[string]string{"Host": "evil.example"}); answer.StatusCode != http.StatusForbidden {
		t.Errorf("request with a foreign Host: %s, %q", answer.Status, body)
	}
	_, alone := serve(t, filepath.Join(dir, "film.mp4"))
	if answer, _ := get(t, alone.URL+"/media/film.mp4", nil); answer.StatusCode != http.StatusOK {
		t.Errorf("the file: %s", answer.Status)
	}
	if answer, _ := get(t, alone.URL+"/media/other.mp4", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("a file next to the only one: %s", answer.Status)
	}
}

func TestPageLoadsNothingFromOtherServers(t *testing.T) {
	dir := folder(t, map[string]string{"film.mp4": "film"})
	_, server := serve(t, dir)
	for _, path := range []string{"/", "/page.js", "/page.css", "/hls.min.js", "/entries.json"} {
		answer, body := get(t, server.URL+path, nil)
		if answer.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: %s", path, answer.Status)
		}
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if path != "/hls.min.js" && (strings.Contains(body, "http://") || strings.Contains(body, "https://")) {
			t.Errorf("%s contains a URL", path)
		}
	}
}

func TestEntriesArePlaylistsOrElseFiles(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []Entry
	}{
		"a package":    {map[string]string{"film.m3u8": multivariant, "film.mpd": "<MPD/>", "film-audio.m3u8": "#EXTM3U\n#EXTINF:1,\nx\n", "film-720p.mp4": "x"}, []Entry{{"film.m3u8", "hls"}, {"film.mpd", "dash"}}},
		"files":        {map[string]string{"b.webm": "x", "a.mp4": "x", "notes.txt": "x"}, []Entry{{"a.mp4", "file"}, {"b.webm", "file"}}},
		"two packages": {map[string]string{"a.m3u8": multivariant, "b.m3u8": multivariant}, []Entry{{"a.m3u8", "hls"}, {"b.m3u8", "hls"}}},
	} {
		p, server := serve(t, folder(t, c.files))
		if diff := cmp.Diff(c.want, p.Entries()); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		_, body := get(t, server.URL+"/entries.json", nil)
		var got []Entry
		if err := json.Unmarshal([]byte(body), &got); err != nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: the page gets %s, %v", name, body, err)
		}
	}
}

func TestOpenRefusesLocationsWithoutMedia(t *testing.T) {
	dir := folder(t, map[string]string{"notes.txt": "x"})
	for location, want := range map[string]fault.Kind{
		filepath.Join(dir, "missing"): fault.NotFound, dir: fault.Invalid, filepath.Join(dir, "notes.txt"): fault.Invalid,
	} {
		if _, err := Open(location); fault.KindOf(err) != want {
			t.Errorf("%s: %v, want %v", location, err, want)
		}
	}
}

func TestOnlyFilesThatNeverChangeAreCachedForLong(t *testing.T) {
	const forever, briefly = "public, max-age=31536000, immutable", "public, max-age=6"
	dir := folder(t, map[string]string{
		"film.m3u8": multivariant, "film.mpd": "<MPD/>", "film/3f2a90c1/1080p.m3u8": "x", "film/3f2a90c1/1080p/1.m4s": "x", "film/3f2a90c1/a.vtt": "x",
		"film/more/1.m4s": "x", "other/3f2a90c1/1.m4s": "x", "film/3f2a90c1.m4s": "x", "film/20261121x/1.mp4": "x", "clip.mp4": "x",
	})
	_, all := serve(t, dir)
	_, one := serve(t, filepath.Join(dir, "clip.mp4"))
	for address, want := range map[string]string{
		all.URL + "/": "no-store", all.URL + "/entries.json": "no-store", one.URL + "/media/clip.mp4": "no-store",
		all.URL + "/media/film.m3u8": briefly, all.URL + "/media/film.mpd": briefly,
		all.URL + "/media/film/3f2a90c1/1080p.m3u8": forever, all.URL + "/media/film/3f2a90c1/1080p/1.m4s": forever, all.URL + "/media/film/3f2a90c1/a.vtt": forever,
		all.URL + "/media/film/more/1.m4s": "no-store", all.URL + "/media/other/3f2a90c1/1.m4s": "no-store", all.URL + "/media/film/3f2a90c1.m4s": "no-store",
		all.URL + "/media/film/20261121x/1.mp4": "no-store", all.URL + "/media/clip.mp4": "no-store", all.URL + "/media/film/3f2a90c1/missing.m4s": "no-store",
	} {
		if answer, _ := get(t, address, nil); answer.Header.Get("Cache-Control") != want {
			t.Errorf("%s: %q, want %q", address, answer.Header.Get("Cache-Control"), want)
		}
	}
}
