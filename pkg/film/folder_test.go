package film_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

func TestMediaFolderIsRecognised(t *testing.T) {
	if got, want := film.MediaFolder("film", "3f2a90c1d5e6f7081920"), "film/3f2a90c1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, want := range map[string]bool{
		"3f2a90c1": true, "00000000": true, "3f2a90c": false, "3f2a90c12": false, "3F2A90C1": false, "1080p": false, "": false, "3f2a90cg": false,
	} {
		if got := film.IsMediaFolder(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
