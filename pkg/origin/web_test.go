package origin

import (
	"slices"
	"testing"
)

func TestWebRootsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil,
		"https://example.com/films/ https://media.example.com/": {"https://example.com/films/", "https://media.example.com/"},
	} {
		if got, err := ParseWebRoots(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"http://example.com/", "https://example.com", "https://example.com/films", "https://user:word@example.com/", "https://example.com/?a=/", "s3://bucket/",
		"https://example.com/../", "https://example.com/a/ /films/",
	} {
		if got, err := ParseWebRoots(text); err == nil {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}
