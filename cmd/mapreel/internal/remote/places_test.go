package remote

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/client"
)

func TestFilesThatAServerCannotReadAreSentToIt(t *testing.T) {
	t.Parallel()
	root, dir := t.TempDir(), t.TempDir()
	inside, outside := filepath.Join(root, "in.mov"), filepath.Join(dir, "out.mov")
	for _, path := range []string{inside, outside} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(root, "link.mov")); err != nil {
		t.Fatal(err)
	}
	there := client.Places{Roots: []string{root, "https://example.com/films/"}, Uploads: root}
	for _, test := range []struct {
		name   string
		here   bool
		places client.Places
		source string
		want   string // "": an error
		sent   bool
	}{
		{"here, below a root", true, there, inside, inside, false},
		{"here, elsewhere", true, there, "out.mov", outside, true},
		{"here, a link that leads out", true, there, filepath.Join(root, "link.mov"), filepath.Join(root, "link.mov"), true},
		{"here, missing", true, there, "none.mov", filepath.Join(dir, "none.mov"), false},
		{"here, frames", true, there, "%03d.png", filepath.Join(dir, "%03d.png"), false},
		{"here, of a server that takes no uploads", true, client.Places{}, "out.mov", outside, false},
		{"a path there", false, there, root + "/none.mov", root + "/none.mov", false},
		{"a path here", false, there, outside, outside, true},
		{"a relative path", false, there, "out.mov", outside, true},
		{"a path like one there", false, client.Places{Roots: []string{dir}, Uploads: dir}, "out.mov", outside, true},
		{"a URL", false, there, "https://example.com/a.mov", "https://example.com/a.mov", false},
		{"frames there", false, there, root + "/%03d.png", root + "/%03d.png", false},
		{"frames here", false, there, "%03d.png", "", false},
		{"a scene here", false, there, "scene.blend", "", false},
		{"a relative path, without uploads", false, client.Places{}, "out.mov", "", false},
	} {
		p := serverPlaces{Places: test.places, here: test.here, dir: dir, send: map[string]bool{}}
		got, err := p.source(test.source)
		if (err != nil) != (test.want == "") || err == nil && got != test.want || p.send[got] != test.sent {
			t.Errorf("%s: %q, %v, sent: %v", test.name, got, err, p.send[got])
		}
	}
	p := serverPlaces{Places: there, dir: dir}
	for text, want := range map[string]string{"a.mp4": root + "/out/a.mp4", "/x/a.mp4": "/x/a.mp4", "../a.mp4": "", "s3://b/a.mp4": "s3://b/a.mp4"} {
		if got, err := p.destination(text); (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
