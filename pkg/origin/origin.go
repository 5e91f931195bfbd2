// Package origin finds what lies on other machines: files of web servers, and objects in S3 or in what speaks its protocol.
//
//	places := origin.New(origin.Settings{})
//	defer places.Close()
//	store, key, err := places.Resolve(ctx, "s3://bucket/film.mkv")
//
// A file that no server gives in parts, such as what comes through a pipe, is first stored on this machine. Settings.Spooled
// then says where.
package origin

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/blob/httpblob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Settings are what a process needs to find the same files as another one. They hold secrets: they are for no record.
type Settings struct {
	// Secrets are the parts of addresses that give access, by the address without them.
	Secrets map[string]httpblob.Secret `json:"secrets,omitempty"`
	// Spooled are the copies on this machine, by the URL of the file.
	Spooled map[string]Spooled `json:"spooled,omitempty"`
	// Endpoint is the URL of the server of s3:// URLs; "": as the settings of AWS say.
	Endpoint string `json:"endpoint,omitempty"`
	// Roots are URLs that alone may be read and written, where there are any: see Below. Web servers may then redirect only to hosts
	// among them.
	Roots []string `json:"roots,omitempty"`
}

// Spooled is a copy of a file on this machine.
type Spooled struct {
	Path    string `json:"path"`    // absolute
	Version string `json:"version"` // of what was copied
}

// Places finds stores. It is safe for concurrent use.
type Places struct {
	settings Settings

	mu      sync.Mutex
	account *s3blob.Account
	files   map[string]*httpblob.Store // by address
}

// New returns the places that settings describe. It asks nobody yet.
func New(settings Settings) *Places {
	return &Places{settings: settings, files: map[string]*httpblob.Store{}}
}

// Settings returns what New was given.
func (p *Places) Settings() Settings { return p.settings }

// Close ends what serves files to ffmpeg.
func (p *Places) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, address := range slices.Sorted(maps.Keys(p.files)) {
		errs = append(errs, p.files[address].Close())
	}
	clear(p.files)
	return errors.Join(errs...)
}

// The beginnings of URLs of other machines.
const (
	s3Scheme    = "s3://"
	httpsScheme = "https://"
	httpScheme  = "http://"
	pipeScheme  = "pipe:"
)

// Remote reports whether a source or a destination is not a path of this machine.
func Remote(location string) bool {
	return InS3(location) || OnWeb(location) || Piped(location)
}

// InS3 reports whether a location is an s3:// URL.
func InS3(location string) bool { return strings.HasPrefix(location, s3Scheme) }

// OnWeb reports whether a location is a file of a web server.
func OnWeb(location string) bool {
	return strings.HasPrefix(location, httpsScheme) || strings.HasPrefix(location, httpScheme)
}

// Piped reports whether a location is what came through a pipe.
func Piped(location string) bool { return strings.HasPrefix(location, pipeScheme) }

// PipeURL names what came through a pipe: bytes with this digest.
func PipeURL(digest string) string { return pipeScheme + digest }

// PipedName is the name of a file that came through a pipe.
const PipedName = "stdin"

// NameOf returns the name of the file at a location of another machine.
func NameOf(location string) string {
	switch {
	case Piped(location):
		return PipedName
	case OnWeb(location):
		return httpblob.KeyOf(location)
	}
	return path.Base(location)
}

// Conceal takes apart an address of a web server into what may be shown and recorded, and what gives access: user, password and query.
// Other locations are returned as they are.
func Conceal(location string) (public string, secret httpblob.Secret, err error) {
	if !OnWeb(location) {
		return location, secret, nil
	}
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		// The parser's own message has the whole address.
		return "", secret, fault.New(fault.Invalid, "the source is not a well-formed address: escape what is no letter, digit or -._~ in user, password and query as %%XX")
	}
	if u.User != nil {
		secret.User = u.User.Username()
		secret.Password, _ = u.User.Password()
	}
	secret.Query = u.RawQuery
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	u.Host = strings.ToLower(u.Host)
	return u.String(), secret, nil
}

// Resolve returns the store and the key of a URL. The stores are open until Close.
func (p *Places) Resolve(ctx context.Context, location string) (blob.Store, string, error) {
	if copied, ok := p.settings.Spooled[location]; ok {
		store, err := dir.New(filepath.Dir(copied.Path))
		return spooled{store, copied.Version}, filepath.Base(copied.Path), err
	}
	switch {
	case InS3(location):
		return p.object(ctx, location)
	case OnWeb(location):
		store, err := p.File(location)
		if err != nil {
			return nil, "", err
		}
		return store, store.Key(), nil
	case Piped(location):
		return nil, "", fault.WithHint(fault.New(fault.NotFound, "what came through the pipe is gone"), "give the same command with the same input again")
	}
	return nil, "", fault.New(fault.Invalid, "%q is not a URL of another machine", location)
}

// File returns the store of a file on a web server.
func (p *Places) File(address string) (*httpblob.Store, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if store, ok := p.files[address]; ok {
		return store, nil
	}
	var options httpblob.Options
	if len(p.settings.Roots) > 0 {
		options.Follow = func(to *url.URL) bool { return hostAmong(to, p.settings.Roots) }
	}
	store, err := httpblob.New(address, p.settings.Secrets[address], options)
	if err == nil {
		p.files[address] = store
	}
	return store, err
}

// Object returns the store and the key of an s3:// URL.
func (p *Places) object(ctx context.Context, location string) (blob.Store, string, error) {
	bucket, key, err := SplitS3(location)
	if err != nil {
		return nil, "", err
	}
	account, err := p.connect(ctx)
	if err != nil {
		return nil, "", err
	}
	store, err := account.Store(bucket)
	return store, key, err
}

// connect returns the account of s3:// URLs.
func (p *Places) connect(ctx context.Context) (*s3blob.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.account != nil {
		return p.account, nil
	}
	account, err := s3blob.Connect(ctx, p.settings.Endpoint)
	if err == nil {
		p.account = account
	}
	return account, err
}

// CheckWritable returns an error if nothing can be written below a destination, and leaves nothing there.
func (p *Places) CheckWritable(ctx context.Context, destination string) error {
	store, key, err := p.Resolve(ctx, strings.TrimSuffix(destination, "/")+"/.mapreel")
	if err != nil {
		return err
	}
	s, ok := store.(*s3blob.Store)
	if !ok {
		return fault.WithHint(fault.New(fault.Invalid, "cannot write to %s", destination), "outputs go to a folder of this machine, or to s3://bucket/folder")
	}
	return s.CheckWritable(ctx, key)
}

// KeepExisting returns a store whose objects are not replaced, if it is one of S3.
func KeepExisting(store blob.Store) blob.Store {
	if s, ok := store.(*s3blob.Store); ok {
		return s.KeepExisting()
	}
	return store
}

// SplitS3 returns bucket and key of an s3:// URL. Nothing in the key is escaped.
func SplitS3(location string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(location, s3Scheme)
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" || key == "" {
		return "", "", fault.New(fault.Invalid, "%q is not of the form s3://bucket/key", location)
	}
	return bucket, key, nil
}

// spooled is the folder of a copy, whose version is that of what was copied.
type spooled struct {
	*dir.Store
	version string
}

// Stat describes the copy.
func (s spooled) Stat(ctx context.Context, key string) (blob.Info, error) {
	info, err := s.Store.Stat(ctx, key)
	info.Version = s.version
	return info, err
}

// Below reports whether a URL lies below one of the roots that are URLs, such as s3://bucket/films/ and https://example.com/films/. Such
// a root ends with a slash.
func Below(location string, roots []string) bool {
	if strings.ContainsAny(location, "?#\\") || OnWeb(location) && !plain(location) {
		return false
	}
	for _, root := range roots {
		if Remote(root) && strings.HasSuffix(root, "/") && strings.HasPrefix(location, root) && !climbs(location) {
			return true
		}
	}
	return false
}

// hostAmong reports whether an address is on a host of one of the roots.
func hostAmong(u *url.URL, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		r, err := url.Parse(root)
		return err == nil && OnWeb(root) && r.Scheme == u.Scheme && strings.EqualFold(r.Host, u.Host)
	})
}

// Join returns the location of a file in a destination: a path, or a URL.
func Join(destination, name string) string {
	if Remote(destination) {
		return strings.TrimSuffix(destination, "/") + "/" + name
	}
	return filepath.Join(destination, name)
}

// plain reports whether an address is in the form that Conceal gives it, without a secret.
func plain(address string) bool {
	public, secret, err := Conceal(address)
	return err == nil && public == address && secret == httpblob.Secret{}
}

// climbs reports whether a URL has a name that leads upwards, also an escaped one.
func climbs(location string) bool {
	for _, text := range []string{location, unescaped(location)} {
		if slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool { return r == '/' || r == '\\' }), func(name string) bool { return name == ".." || name == "." }) {
			return true
		}
	}
	return false
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// Environment returns the variables by which a child process finds the credentials of this one.
func Environment() []string { return s3blob.Environment() }
