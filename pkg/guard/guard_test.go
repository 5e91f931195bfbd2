package guard_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mapreel/mapreel/pkg/guard"
)

// reply is what a request gets.
type reply struct {
	status   int
	location string
	cookies  []*http.Cookie
}

// answer returns the reply to a request, and what the handler behind the guard read.
func answer(t *testing.T, o guard.Options, r *http.Request) (reply, string) {
	t.Helper()
	var read string
	w := httptest.NewRecorder()
	guard.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		read = string(body)
	}), o).ServeHTTP(w, r)
	result := w.Result()
	defer result.Body.Close()
	return reply{result.StatusCode, result.Header.Get("Location"), result.Cookies()}, read
}

func TestNamesAndOriginsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	here := guard.Options{Loopback: true, Hosts: []string{"media.example"}}
	network := guard.Options{Hosts: []string{"media.example"}}
	for _, c := range []struct {
		name    string
		options guard.Options
		method  string
		host    string
		headers string // "Name: value" lines
		want    int
	}{
		{"localhost", here, "POST", "localhost:8083", "", 200},
		{"an address", here, "POST", "127.0.0.1:8083", "", 200},
		{"an IPv6 address", here, "POST", "[::1]:8083", "", 200},
		{"a name that was given", here, "POST", "Media.Example:8083", "", 200},
		{"a name that points here", here, "POST", "evil.example:8083", "", 403},
		{"a name that begins like an address", here, "POST", "127.0.0.1.evil.example", "", 403},
		{"no name", here, "POST", "", "", 403},
		{"an address of the network, on loopback", here, "POST", "192.0.2.1:8083", "", 403},
		{"an address of the network", network, "POST", "192.0.2.1:8083", "", 200},
		{"another name in the network", network, "POST", "evil.example", "", 403},
		{"its own origin", here, "POST", "localhost:8083", "Origin: http://localhost:8083", 200},
		{"another origin", here, "POST", "localhost:8083", "Origin: http://evil.example", 403},
		{"another port", here, "POST", "localhost:8083", "Origin: http://localhost:8084", 403},
		{"an opaque origin", here, "POST", "localhost:8083", "Origin: null", 403},
		{"its own page", here, "GET", "localhost:8083", "Sec-Fetch-Site: same-origin", 200},
		{"typed into the address bar", here, "GET", "localhost:8083", "Sec-Fetch-Site: none", 200},
		{"a link from elsewhere", here, "GET", "localhost:8083", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", 200},
		{"a frame elsewhere", here, "GET", "localhost:8083", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe", 403},
		{"a picture elsewhere", here, "GET", "localhost:8083", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", 403},
		{"a form elsewhere", here, "POST", "localhost:8083", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", 403},
		{"another subdomain", here, "POST", "localhost:8083", "Sec-Fetch-Site: same-site", 403},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.Host = c.host
		for line := range strings.Lines(c.headers) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			r.Header.Set(name, value)
		}
		if got, _ := answer(t, c.options, r); got.status != c.want {
			t.Errorf("%s: %d, want %d", c.name, got.status, c.want)
		}
	}
}

const secret = "0123456789abcdef-secret"

// sign signs a request as AWS's clients do.
func sign(t *testing.T, r *http.Request, body, key string, at time.Time) {
	t.Helper()
	hash := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "id", SecretAccessKey: key}, r, hex.EncodeToString(hash[:]), "states", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
}

func TestATokenIsProved(t *testing.T) {
	t.Parallel()
	o := guard.Options{Token: secret, Loopback: true}
	const body = `{"name":"film"}`
	make := func(change func(r *http.Request)) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8083/", bytes.NewReader([]byte(body)))
		r.Header.Set("X-Amz-Target", "AWSStepFunctions.StartExecution")
		change(r)
		return r
	}
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		want   int
	}{
		{"nothing", func(*http.Request) {}, 401},
		{"the token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }, 200},
		{"a part of it", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret[:10]) }, 401},
		{"an empty one", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401},
		{"in the address of a POST", func(r *http.Request) { r.URL.RawQuery = "token=" + secret }, 401},
		{"a signature", func(r *http.Request) { sign(t, r, body, secret, time.Now()) }, 200},
		{"a signature with another key", func(r *http.Request) { sign(t, r, body, "another", time.Now()) }, 401},
		{"an old signature", func(r *http.Request) { sign(t, r, body, secret, time.Now().Add(-time.Hour)) }, 401},
		{"a signature of another body", func(r *http.Request) { sign(t, r, "{}", secret, time.Now()) }, 401},
		{"a signature of another operation", func(r *http.Request) {
			sign(t, r, body, secret, time.Now())
			r.Header.Set("X-Amz-Target", "AWSStepFunctions.StopExecution")
		}, 401},
		{"a broken signature", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }, 401},
		{"another cookie", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "mapreel", Value: secret}) }, 401},
	} {
		got, read := answer(t, o, make(c.change))
		if got.status != c.want || c.want == 200 && read != body {
			t.Errorf("%s: %d with %q, want %d", c.name, got.status, read, c.want)
		}
	}
}

func TestABrowserGetsACookieForTheToken(t *testing.T) {
	t.Parallel()
	o := guard.Options{Token: secret, Loopback: true}
	got, _ := answer(t, o, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8083/?token="+secret, nil))
	cookies := got.cookies
	if got.status != http.StatusSeeOther || got.location != "/" || len(cookies) != 1 {
		t.Fatalf("%d to %q with %v", got.status, got.location, cookies)
	}
	if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, secret) {
		t.Errorf("the cookie is %v", c)
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8083/", nil)
	r.AddCookie(cookies[0])
	if got, _ := answer(t, o, r); got.status != 200 {
		t.Errorf("with the cookie: %d", got.status)
	}
	if got, _ := answer(t, o, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8083/?token=x", nil)); got.status != 401 {
		t.Errorf("with another token: %d", got.status)
	}
}
