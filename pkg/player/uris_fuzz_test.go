package player

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// FuzzNamed reads a playlist that somebody else wrote, for the files that are served with it. All lie below its folder.
func FuzzNamed(f *testing.F) {
	for _, text := range []string{
		"#EXTM3U\n#EXT-X-MEDIA:URI=\"a/b.m3u8\"\nv.m3u8\n", "../../etc/passwd\n/etc/passwd\nfile:///etc/passwd\nhttp://x/y\n", "film.m3u8\n", "a%2f..%2f..%2fb.mp4\n",
		"#EXT-X-KEY:URI=\"\x00\"\n", "//host/x.ts\n", ".\n..\n\\..\\x\n",
		"<MPD><BaseURL>../a/</BaseURL><Representation id=\"1\"><SegmentTemplate media=\"$RepresentationID$/$Number%05d$.m4s\" initialization=\"$$/../i.mp4\"/></Representation></MPD>",
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"film.m3u8", "film.mpd"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		found := named(root, []Entry{{Name: "film.m3u8", Kind: "hls"}, {Name: "film.mpd", Kind: "dash"}}).files
		if len(found) > 2+len(text) || !found["film.m3u8"] {
			t.Errorf("%d names in %d bytes", len(found), len(text))
		}
		for name := range found {
			if !fs.ValidPath(name) {
				t.Errorf("the name %q leads out of the folder", name)
			}
		}
	})
}
