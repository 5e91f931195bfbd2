package remote

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTheAddressOfASourceIsPassedOnWithoutSecrets(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://Example.com/films/a%20b.mkv": "https://example.com/films/a%20b.mkv",
		"https://user:word@example.com/a.mkv": "",
		"https://example.com/a.mkv?token=abc": "",
		"https://":                            "",
	} {
		got, err := webSource(address)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", address, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), "word@") || strings.Contains(err.Error(), "abc")) {
			t.Errorf("%s: a secret in %v", address, err)
		}
	}
}

func TestAFileOfAWebServerHasTheIdentityOfItsContent(t *testing.T) {
	t.Parallel()
	tag := `"1"`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/film.mkv" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("film"))
	}))
	defer server.Close()
	identity := func() string {
		t.Helper()
		got, err := webIdentity(t.Context(), server.URL+"/film.mkv")
		if err != nil || got == "" {
			t.Fatalf("%q, %v", got, err)
		}
		return got
	}
	first := identity()
	if again := identity(); again != first {
		t.Errorf("%q, then %q", first, again)
	}
	tag = `"2"`
	if changed := identity(); changed == first {
		t.Errorf("other content has the identity %q, too", changed)
	}
	if got, err := webIdentity(t.Context(), server.URL+"/none.mkv"); err == nil {
		t.Errorf("a file that is not there has the identity %q", got)
	}
}
