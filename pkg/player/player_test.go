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

// What is played is served, and not its neighbours.
func TestNeighboursOfAPackageAreNotServed(t *testing.T) {
	dir := folder(t, map[string]string{
		"film.m3u8": multivariant, "film.mpd": "<MPD/>", "film/video.m3u8": "#EXTM3U\n", "film/1.m4s": "x", "film2/1.m4s": "secret",
		"private.mp4": "secret", "other.m3u8": multivariant, "other/1.m4s": "secret",
		// Of another program, which keeps its segments beside the playlists.
		"live/index.m3u8": "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"sound.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n./low/list%201.m3u8?x=1\n",
		"live/sound.m3u8": "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:1,\na.m4s\n", "live/init.mp4": "x", "live/a.m4s": "x",
		"live/low/list 1.m3u8": "#EXTM3U\r\n#EXTINF:1,\r\n../seg/1.m4s\r\n#EXTINF:1,\r\n../../private.mp4\r\nhttp://host/2.m4s\r\n",
		"live/seg/1.m4s":       "x", "live/seg/2.m4s": "secret", "live/2.m4s": "secret",
		// The same by MPD: whole files, lists and templates.
		"dash/film.mpd": `<MPD><Period><BaseURL>m/</BaseURL><AdaptationSet><Representation id="a.b"><BaseURL>whole.mp4</BaseURL></Representation>
			<Representation id="low"><SegmentTemplate initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/$Number%05d$.m4s"/></Representation>
			<Representation id="c"><SegmentList><Initialization sourceURL="list.mp4"/><SegmentURL media="../one%201.m4s"/><SegmentURL media="http://host/m/2.m4s"/></SegmentList></Representation>
			</AdaptationSet></Period></MPD>`,
		"dash/m/whole.mp4": "x", "dash/m/low/init.mp4": "x", "dash/m/low/00012.m4s": "x", "dash/m/list.mp4": "x", "dash/one 1.m4s": "x",
		"dash/m/low/film.m4s": "secret", "dash/m/high/00012.m4s": "secret", "dash/m/aab/init.mp4": "secret", "dash/m/2.m4s": "secret", "dash/whole.mp4": "secret",
	})
	for location, c := range map[string]struct{ served, hidden []string }{
		"film.m3u8": {
			[]string{"film.m3u8", "film/video.m3u8", "film/1.m4s"},
			[]string{"private.mp4", "film2/1.m4s", "other.m3u8", "other/1.m4s", "live/a.m4s"},
		},
		"live": {
			[]string{"index.m3u8", "sound.m3u8", "init.mp4", "a.m4s", "low/list%201.m3u8", "seg/1.m4s"},
			[]string{"seg/2.m4s", "2.m4s", "%2e%2e/private.mp4"},
		},
		"dash/film.mpd": {
			[]string{"film.mpd", "m/whole.mp4", "m/low/init.mp4", "m/low/00012.m4s", "m/list.mp4", "one%201.m4s"},
			[]string{"m/low/film.m4s", "m/high/00012.m4s", "m/aab/init.mp4", "m/2.m4s", "whole.mp4"},
		},
		"private.mp4": {[]string{"private.mp4"}, []string{"film.m3u8", "film/1.m4s"}},
		"":            {[]string{"film.m3u8", "film.mpd", "other.m3u8", "film/1.m4s", "other/1.m4s"}, []string{"private.mp4", "film2/1.m4s", "live/a.m4s"}},
	} {
		_, server := serve(t, filepath.Join(dir, location))
		for _, name := range c.served {
			if answer, _ := get(t, server.URL+"/media/"+name, nil); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s is not served: %s", location, name, answer.Status)
			}
		}
		for _, name := range c.hidden {
			if answer, body := get(t, server.URL+"/media/"+name, nil); answer.StatusCode == http.StatusOK {
				t.Errorf("%s: %s is served: %q", location, name, body)
			}
		}
	}
}

// Other users of the machine can connect, but do not know the path.
func TestPrivateServesOnlyBelowItsPath(t *testing.T) {
	p, err := Open(folder(t, map[string]string{"film.mp4": "film"}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	handler, path := Private(p)
	_, other := Private(p)
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, at := range []string{"", "page.js", "entries.json", "media/film.mp4"} {
		if answer, _ := get(t, server.URL+path+at, nil); answer.StatusCode != http.StatusOK {
			t.Errorf("%q: %s", at, answer.Status)
		}
		for _, wrong := range []string{"/", other, path[:len(path)-2] + "/", "/x" + path, "//", strings.ToLower(path), "/./"} {
			answer, body := get(t, server.URL+wrong+at, map[string]string{"Cookie": "token=" + path, "Referer": server.URL + path})
			if answer.StatusCode != http.StatusForbidden || strings.Contains(body, path) {
				t.Errorf("%q: %s, %q", wrong+at, answer.Status, body)
			}
		}
	}
	if answer, _ := get(t, server.URL+path, map[string]string{"Host": "evil.example"}); answer.StatusCode != http.StatusForbidden {
		t.Errorf("with a foreign Host: %s", answer.Status)
	}
	if len(path) < 26 || path == other {
		t.Errorf("paths %s and %s", path, other)
	}
}

func TestPageLoadsNothingFromOtherServers(t *testing.T) {
	dir := folder(t, map[string]string{"film.mp4": "film"})
	_, server := serve(t, dir)
	for _, path := range []string{"/", "/shared.js", "/page.js", "/film.js", "/film.css", "/page.css", "/hls.min.js", "/entries.json"} {
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
