package console

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAPackageIsDownloadedAsOneFile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	outside := filepath.Join(t.TempDir(), "secret.m4s")
	media := filepath.Join(s.root, "out", "film", "hostile\\..\u202egpj")
	if err := os.MkdirAll(media, 0o700); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("film"), 1<<18)
	for path, text := range map[string][]byte{
		outside: []byte("secret"), filepath.Join(s.root, "out", "film.m3u8"): []byte("hls"), filepath.Join(s.root, "out", "film.mpd"): []byte("dash"),
		filepath.Join(s.root, "out", "other.mp4"): []byte("other"), filepath.Join(s.root, "out", "film", ".part"): []byte("half"), filepath.Join(media, "1.m4s"): large,
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(media, "2.m4s")), os.Symlink(s.root, filepath.Join(media, "all")), syscall.Mkfifo(filepath.Join(media, "3.m4s"), 0o600),
		os.Symlink(filepath.Join(s.root, "out", "film"), filepath.Join(s.root, "out", "link")), os.Symlink(outside, filepath.Join(s.root, "out", "link.m3u8")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	input, err := json.Marshal(map[string]string{"destination": s.root + "/out"})
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.fake.Start(t.Context(), "film", input)
	if err != nil {
		t.Fatal(err)
	}
	out := s.root + "/out/"
	s.succeed(x, `{"outputs":[{"url":"`+out+`film.m3u8","manifest":"`+out+`film.mpd","folder":"`+out+`film/"},{"url":"`+out+`film.m3u8","folder":"`+out+`link"},
		{"url":"`+out+`link.m3u8"},{"url":"`+out+`film.m3u8","folder":"`+filepath.Dir(outside)+`"},{"url":"`+out+`film.m3u8","folder":"`+out+`.."}]}`)
	status, text, header := s.get("/play/film/0/package.zip")
	if _, named, err := mime.ParseMediaType(header.Get("Content-Disposition")); status != 200 || err != nil || named["filename"] != "film.zip" || header.Get("Content-Type") != "application/zip" {
		t.Fatalf("%d, %v", status, header)
	}
	archive, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range archive.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in) // with its checksum
		if err != nil || f.Method != zip.Store {
			t.Errorf("%s: %v, method %d", f.Name, err, f.Method)
		}
		got[f.Name] = string(content)
	}
	if want := (map[string]string{"film.m3u8": "hls", "film.mpd": "dash", "film/hostile_.._gpj/1.m4s": string(large)}); len(got) != len(want) ||
		got["film.m3u8"] != "hls" || got["film.mpd"] != "dash" || got["film/hostile_.._gpj/1.m4s"] != string(large) {
		t.Errorf("it has %d files, want %d", len(got), len(want))
		for name, text := range got {
			t.Errorf("%q: %.20q", name, text)
		}
	}
	if _, text, _ := s.get("/play/film/0/facts.json"); !strings.Contains(text, `"archive":"package.zip"`) {
		t.Errorf("the page of the output is told %s", text)
	}
	for _, path := range []string{"/play/film/1/package.zip", "/play/film/2/package.zip", "/play/film/3/package.zip", "/play/film/4/package.zip", "/play/film/9/package.zip", "/play/none/0/package.zip"} {
		if status, text, _ := s.get(path); status < 400 || strings.Contains(text, "secret") {
			t.Errorf("%s: %d %.80q", path, status, text)
		}
	}
}

// A file that is replaced while an archive is sent must not end up in it: the connection breaks off, so that no browser takes it for whole.
func TestAnArchiveOfAPackageThatIsReplacedIsNotWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := filepath.Join(s.root, "film.m3u8")
	if err := os.WriteFile(path, []byte("hls"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	list, err := listPublished(t.Context(), root, s.root, []outputFacts{{URL: path}})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := os.WriteFile(path+".new", []byte("HLS"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := archiveFile(t.Context(), zip.NewWriter(io.Discard), root, "film.m3u8", "film.m3u8", list[0]); err == nil {
		t.Error("a file that was replaced is sent")
	}
	if names, err := archiveNames([]published{{Path: s.root + "/a\\b"}, {Path: s.root + "/a_b"}}, s.root); err == nil {
		t.Errorf("two files have the names %q", names)
	}
}
