package player

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Private returns a handler that serves what inner does below a path that nobody can guess, and the path, which begins and
// ends with a slash. Every user of a machine can connect to 127.0.0.1; only who was told the path gets an answer.
//
// It is no cookie, because browsers send the cookies of 127.0.0.1 to every port, where other users' servers may listen.
func Private(inner http.Handler) (http.Handler, string) {
	token := rand.Text() // 128 bits at least
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			http.Error(w, "open the whole address that mapreel play has printed", http.StatusForbidden)
			return
		}
		http.StripPrefix("/"+token, inner).ServeHTTP(w, r)
	}), "/" + token + "/"
}
