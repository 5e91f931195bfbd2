// Package guard decides which HTTP requests a server on this machine answers.
//
//	handler := guard.New(mux, guard.Options{Loopback: true})
//
// A web page must not use the server through the browser of a user: neither by requests across sites, which the headers Origin
// and Sec-Fetch-Site tell, nor through a DNS name that it controls and lets point here (DNS rebinding), which the header Host
// tells. With a token, a request needs proof of it: the header "Authorization: Bearer TOKEN", a signature of AWS (SigV4) with
// the token as secret access key, or the cookie that a browser gets for /?token=TOKEN.
package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Options say what a guard lets pass.
type Options struct {
	Loopback bool     // the server listens on this machine's own addresses only
	Hosts    []string // names under which it may be asked, besides localhost and addresses
	Token    string   // ""; none is needed
}

type guard struct {
	next http.Handler
	opts Options
}

// New returns a handler that passes on what it lets pass.
func New(next http.Handler, opts Options) http.Handler { return &guard{next, opts} }

// cookie is the name of the cookie that stands for the token.
const cookie = "mapreel"

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // an address may hold the token
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	switch {
	case !g.knows(r.Host):
		http.Error(w, "this server does not answer under the name in the header Host", http.StatusForbidden)
	case crosses(r):
		http.Error(w, "requests of other sites are refused", http.StatusForbidden)
	case g.opts.Token == "":
		g.next.ServeHTTP(w, r)
	case r.Method == http.MethodGet && r.URL.Path == "/" && same(r.URL.Query().Get("token"), g.opts.Token):
		http.SetCookie(w, &http.Cookie{
			Name: cookie, Value: g.cookieValue(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case g.proven(w, r):
		g.next.ServeHTTP(w, r)
	default:
		h.Set("WWW-Authenticate", `Bearer realm="mapreel"`)
		http.Error(w, "this server needs its token: Authorization: Bearer TOKEN, the secret access key of an AWS client, or /?token=TOKEN in a browser",
			http.StatusUnauthorized)
	}
}

// knows reports whether a Host header names this server. A name may belong to an attacker, whose DNS can make it lead
// here (DNS rebinding); an address cannot.
func (g *guard) knows(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || slices.ContainsFunc(g.opts.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
		return true
	}
	address := net.ParseIP(name)
	return address != nil && (address.IsLoopback() || !g.opts.Loopback)
}

// crosses reports whether a page of another origin made a request. A link to the server's own page may be followed.
func crosses(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || u.Host != r.Host
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// proven reports whether a request proves that its sender knows the token.
func (g *guard) proven(w http.ResponseWriter, r *http.Request) bool {
	header := r.Header.Get("Authorization")
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		return same(token, g.opts.Token)
	}
	if strings.HasPrefix(header, algorithm) {
		return signed(w, r, header, g.opts.Token)
	}
	c, err := r.Cookie(cookie)
	return err == nil && same(c.Value, g.cookieValue())
}

// cookieValue returns the value of the cookie. It does not tell the token.
func (g *guard) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(g.opts.Token))
	mac.Write([]byte(cookie))
	return hex.EncodeToString(mac.Sum(nil))
}

// same compares secrets in a time that does not tell where they differ.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
