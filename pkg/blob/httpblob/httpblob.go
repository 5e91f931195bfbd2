// Package httpblob reads one file of a web server as a blob.Store with one object, by ranges.
//
//	store, err := httpblob.New("https://example.com/film.mkv", httpblob.Secret{}, httpblob.Options{})
//	defer store.Close()
//	info, err := store.Stat(ctx, store.Key())
//
// The version of the object is its strong ETag, else its Last-Modified time. It is sent with every
// request and compared with every answer: a file that changes while it is read gives an error, never
// a mixture. ffmpeg reads through a server on the loopback interface, so that it gets the same
// guarantees, and neither the address nor what it keeps secret.
package httpblob

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Secret is the part of an address that gives access. It appears in no message.
type Secret struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Query    string `json:"query,omitempty"` // without the question mark: signatures and tokens
}

// Options change how a server is asked. The zero value is right for all but tests.
type Options struct {
	// Follow reports whether a redirect to another host may be followed; nil: to every host with a public address.
	Follow func(*url.URL) bool
	Idle   time.Duration // how long a server may be silent; 0: 30 s
	Pause  time.Duration // before the first repetition of a request; 0: 500 ms
}

const (
	// defaultIdle is how long ffmpeg waits for a silent server too: see ffmpeg.Input.
	defaultIdle  = 30 * time.Second
	defaultPause = 500 * time.Millisecond
)

// Store is a file of a web server. It only reads.
type Store struct {
	address url.URL // without what is secret
	secret  Secret
	key     string
	options Options
	same    *http.Client // for the address itself
	others  *http.Client // for other hosts, to which it redirects

	version string // that must be read; "": the one that Stat finds first
	shared  *shared
}

// shared is what the copies of a store have in common.
type shared struct {
	mu      sync.Mutex
	facts   *Facts // of the version that was found first
	gateway *gateway
}

var _ blob.Store = (*Store)(nil)

// New returns the store of the file at an http or https address, which holds neither a user nor a
// query: those are in secret. It makes no request yet.
func New(address string, secret Secret, options Options) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.New(fault.Invalid, "%q is not an address of a file on a web server", address)
	}
	if options.Idle == 0 {
		options.Idle = defaultIdle
	}
	if options.Pause == 0 {
		options.Pause = defaultPause
	}
	s := &Store{address: *u, secret: secret, key: KeyOf(address), options: options, shared: &shared{}}
	s.same, s.others = newClient(nil), newClient(refusePrivate)
	return s, nil
}

// KeyOf returns the key of the only object of an address's store: the last name of its path.
func KeyOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return noName
	}
	if key := path.Base(u.Path); key != "/" && key != "." && blob.CheckKey(key) == nil {
		return key
	}
	return noName
}

// noName stands for the name of a file whose address has none.
const noName = "source"

// Key returns the key of the only object.
func (s *Store) Key() string { return s.key }

// AtVersion returns a store of the same file that reads only the given version. See blob.AtVersion.
func (s *Store) AtVersion(version string) blob.Store {
	other := *s
	other.version = version
	return &other
}

// Close ends what serves the file to ffmpeg.
func (s *Store) Close() error {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.same.CloseIdleConnections()
	s.others.CloseIdleConnections()
	if s.shared.gateway == nil {
		return nil
	}
	g := s.shared.gateway
	s.shared.gateway = nil
	return g.close()
}

// Facts are what a server says of a file.
type Facts struct {
	Size    int64  // -1: unknown
	Version string // "": it says nothing by which a change would be noticed
	Ranges  bool   // whether it gives parts of the file
	// Modified is zero where the server does not say it.
	Modified time.Time
}

// Readable reports whether the file can be read in parts. Otherwise Whole reads it once.
func (f Facts) Readable() bool { return f.Ranges && f.Version != "" && f.Size >= 0 }

// Look asks the server for the file's facts.
func (s *Store) Look(ctx context.Context) (Facts, error) {
	// HEAD would be shorter, but a signature for GET does not hold for it.
	resp, err := s.get(ctx, "bytes=0-0", s.pinned())
	if err != nil {
		return Facts{}, err
	}
	defer resp.Body.Close()
	facts := factsOf(resp)
	if err := s.check(facts, s.pinned()); err != nil {
		return Facts{}, err
	}
	return facts, nil
}

// pinned returns the version that must be read; "": any.
func (s *Store) pinned() string {
	if s.version != "" {
		return s.version
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	if s.shared.facts == nil {
		return ""
	}
	return s.shared.facts.Version
}

// known returns the facts of the file, and asks for them the first time.
func (s *Store) known(ctx context.Context) (Facts, error) {
	s.shared.mu.Lock()
	facts := s.shared.facts
	s.shared.mu.Unlock()
	if facts != nil && (s.version == "" || s.version == facts.Version) {
		return *facts, nil
	}
	return s.find(ctx)
}

// find asks for the facts of the file, and keeps those that it finds first.
func (s *Store) find(ctx context.Context) (Facts, error) {
	found, err := s.Look(ctx)
	if err != nil {
		return found, err
	}
	if !found.Readable() {
		return found, fault.New(fault.Unsupported, "%s: the server gives no parts of the file, or does not say how large or how old it is", s)
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	if s.shared.facts == nil {
		s.shared.facts = &found
	}
	return found, nil
}

// Stat describes the file. It asks the server each time, so that a change is noticed.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := s.begin(ctx, key); err != nil {
		return blob.Info{}, err
	}
	facts, err := s.find(ctx)
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Key: key, Size: facts.Size, Version: facts.Version, Modified: facts.Modified}, nil
}

// Locate returns an address on this machine at which ffmpeg reads the file, for as long as the store
// is open. Only programs of this user may read there.
func (s *Store) Locate(ctx context.Context, key string) (string, error) {
	if _, err := s.Stat(ctx, key); err != nil {
		return "", err
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	if s.shared.gateway == nil {
		g, err := openGateway(context.WithoutCancel(ctx))
		if err != nil {
			return "", err
		}
		s.shared.gateway = g
	}
	return s.shared.gateway.serve(s), nil
}

// List yields nothing: a web server does not list its files.
func (s *Store) List(context.Context, string) iter.Seq2[blob.Info, error] {
	return func(func(blob.Info, error) bool) {}
}

// Put refuses: the store only reads.
func (s *Store) Put(context.Context, string, io.Reader) (blob.Info, error) {
	return blob.Info{}, s.readOnly()
}

// Compose refuses: the store only reads.
func (s *Store) Compose(context.Context, string, []blob.Part) (blob.Info, error) {
	return blob.Info{}, s.readOnly()
}

// Delete refuses: the store only reads.
func (s *Store) Delete(context.Context, string) error { return s.readOnly() }

func (s *Store) readOnly() error {
	return fault.New(fault.Invalid, "%s: files on web servers are only read", s)
}

// begin checks the key and ctx. A key of another object is NotFound.
func (s *Store) begin(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", s, fault.ContextError(ctx))
	}
	if key != s.key {
		return fault.New(fault.NotFound, "there is no %s at %s", key, s)
	}
	return nil
}

// String returns the address without what is secret, for messages.
func (s *Store) String() string { return s.address.String() }

// full returns the address with its query.
func (s *Store) full() *url.URL {
	u := s.address
	u.RawQuery = strings.TrimPrefix(s.secret.Query, "?")
	return &u
}
