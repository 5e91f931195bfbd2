package httpblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	attempts      = 5 // of a request; pauses double
	maxRedirects  = 5
	dialTimeout   = 15 * time.Second // also of TLS
	maxRetryAfter = 10 * time.Second // that a server may ask for
)

// newClient returns a client that follows no redirect. control looks at each address before it is connected to; nil: all are allowed.
func newClient(control func(network, address string, _ syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: control}
	proxy := http.ProxyFromEnvironment
	if control != nil {
		proxy = nil // the proxy would connect, to whatever address it finds
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: proxy, DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errPrivate says why a redirect is not followed.
var errPrivate = errors.New("it redirects to an address that is not public")

// refusePrivate refuses connections into this machine and its networks: a server must not be able to have them asked.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}
	ip := at.Addr().Unmap()
	// 100.64.0.0/10 is shared address space (RFC 6598); 64:ff9b::/96 leads to IPv4 (RFC 6052).
	for _, network := range []string{"100.64.0.0/10", "64:ff9b::/96", "0.0.0.0/8", "240.0.0.0/4"} {
		if netip.MustParsePrefix(network).Contains(ip) {
			return errPrivate
		}
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return errPrivate
	}
	return nil
}

// get requests a range of the file, or with "" all of it, and repeats that where it may help. If version is not "", the server is asked
// for that version alone. The response is a 200, 206 or 416. The caller closes its body.
func (s *Store) get(ctx context.Context, span, version string) (*http.Response, error) {
	pause := s.options.Pause
	for n := 1; ; n++ {
		resp, wait, err := s.once(ctx, span, version)
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read %s: %w", s, fault.ContextError(ctx))
		}
		if fault.KindOf(err) != fault.Transient || n == attempts {
			return nil, err
		}
		timer := time.NewTimer(max(pause, min(wait, maxRetryAfter)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("read %s: %w", s, fault.ContextError(ctx))
		case <-timer.C:
		}
		pause *= 2
	}
}

// once makes a request and follows its redirects. wait is how long the server asks to wait.
func (s *Store) once(ctx context.Context, span, version string) (_ *http.Response, wait time.Duration, err error) {
	at := s.full()
	for range maxRedirects + 1 {
		resp, err := s.ask(ctx, at, span, version)
		if err != nil {
			return nil, 0, err
		}
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			_ = resp.Body.Close() // of no use
			if at, err = s.redirected(at, resp.Header.Get("Location")); err != nil {
				return nil, 0, err
			}
			continue
		case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
			return resp, 0, nil
		}
		_ = resp.Body.Close()
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date is not waited for
		return nil, time.Duration(max(seconds, 0)) * time.Second, s.refused(resp.StatusCode)
	}
	return nil, 0, fault.New(fault.Invalid, "read %s: it redirects more than %d times", s, maxRedirects)
}

// redirected returns the address that a response leads to.
func (s *Store) redirected(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || location == "" || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "read %s: it redirects to something that is no address of a web server", s)
	}
	if from.Scheme == "https" && to.Scheme == "http" {
		return nil, fault.New(fault.Invalid, "read %s: it redirects from https to http", s)
	}
	to.User = nil
	if !s.atHome(to) && s.options.Follow != nil && !s.options.Follow(to) {
		return nil, fault.New(fault.Invalid, "read %s: it redirects to another host, %s, which is not allowed here", s, to.Host)
	}
	return to, nil
}

// atHome reports whether an address is on the server that the store was made for.
func (s *Store) atHome(u *url.URL) bool {
	return strings.EqualFold(u.Host, s.address.Host) && u.Scheme == s.address.Scheme
}

// ask makes one request. A server that is silent for too long ends it, also while the body is read.
func (s *Store) ask(ctx context.Context, at *url.URL, span, version string) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		cancel()
		return nil, fault.New(fault.Invalid, "read %s: the address is malformed", s)
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "mapreel")
	if span != "" {
		req.Header.Set("Range", span)
	}
	switch {
	case strings.HasPrefix(version, `"`):
		req.Header.Set("If-Match", version)
	case version != "":
		req.Header.Set("If-Unmodified-Since", version)
	}
	client := s.others
	if s.atHome(at) {
		client = s.same
		if s.secret.User != "" || s.secret.Password != "" {
			req.SetBasicAuth(s.secret.User, s.secret.Password)
		}
	}
	silence := time.AfterFunc(s.options.Idle, cancel)
	resp, err := client.Do(req)
	if err != nil {
		silent := !silence.Stop()
		cancel()
		return nil, s.failed(err, silent)
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, store: s, idle: s.options.Idle, timer: silence, cancel: cancel}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		_ = resp.Body.Close()
		return nil, fault.New(fault.Unsupported, "read %s: the server sends it compressed (%q), although it was asked not to", s, encoding)
	}
	return resp, nil
}

// watchedBody ends a request whose server is silent.
type watchedBody struct {
	io.ReadCloser
	store  *Store
	idle   time.Duration
	timer  *time.Timer
	cancel context.CancelFunc
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	silent := !b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.store.failed(err, silent)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	b.cancel()
	return b.ReadCloser.Close()
}

// failed returns the error of a request that got no answer, or not all of it. The error of net/http names the whole address.
func (s *Store) failed(err error, silent bool) error {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	what := "read " + s.String()
	switch {
	case silent:
		return fault.New(fault.Transient, "%s: the server was silent for %v", what, s.options.Idle)
	case errors.Is(err, errPrivate):
		return fault.Wrap(fault.Invalid, errPrivate, what)
	case isCertificate(err):
		return fault.WithHint(fault.Wrap(fault.Invalid, err, what), "the server's certificate is not trusted on this machine")
	}
	var resolve *net.DNSError
	if errors.As(err, &resolve) && resolve.IsNotFound {
		return fault.New(fault.Invalid, "%s: there is no host %s", what, resolve.Name)
	}
	return fault.Wrap(fault.Transient, err, what)
}

// refused returns the error of a status that is no answer to a request for a file.
func (s *Store) refused(status int) error {
	what := fmt.Sprintf("read %s: the server answers %d %s", s, status, http.StatusText(status))
	switch {
	case status == http.StatusPreconditionFailed:
		return s.changed()
	case status == http.StatusNotFound, status == http.StatusGone:
		return fault.WithHint(fault.New(fault.NotFound, "%s", what), "check the address of the source")
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return fault.WithHint(fault.New(fault.Invalid, "%s", what),
			"check user and password, as in https://user:password@host/film.mkv, and whether a signed address has expired")
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return fault.New(fault.Transient, "%s", what)
	}
	return fault.New(fault.Invalid, "%s", what)
}

// changed returns the error of a file that is no longer the one that was read before.
func (s *Store) changed() error {
	return fault.WithHint(fault.New(fault.Invalid, "%s has changed since the job began", s),
		"run the same command again: it begins a new job. If several servers answer there, which disagree about the same file, pass it through a pipe: curl … | mapreel transcode - -o film.mp4")
}
