package requestflags

import "testing"

func TestStemOfASequence(t *testing.T) {
	for source, want := range map[string]string{
		"/a/film.mp4": "film", "/a/film": "film", "/a/shot_%05d.png": "shot", "/frames/%05d.png": "frames", "/a/*.exr": "a", "*.png": "sequence", "/%d.png": "sequence",
	} {
		if got := Stem(source); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}
