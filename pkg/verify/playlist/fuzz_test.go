package playlist

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzFiles reads the playlists and manifests of an output, which anybody may have made.
func FuzzFiles(f *testing.F) {
	f.Add("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"de\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n")
	f.Add("#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID=\"com.apple.hls.title\",VALUE=\"t\"\n#EXTINF:6,\n../../../../etc/passwd?x\n")
	f.Add("<MPD><BaseURL>$a$/$b$/$c$/*</BaseURL><SegmentTemplate media=\"$Number$.m4s\"/></MPD>")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "out.m3u8")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = CheckFiles(path) // a refusal is as good as none
		list, err := namesIn(path)
		if err != nil {
			list = nil
		}
		for _, name := range list {
			if name == "" || len(name) > len(text) {
				t.Errorf("the name %q", name)
			}
		}
	})
}
