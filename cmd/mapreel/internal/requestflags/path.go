package requestflags

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
)

// urlScheme matches the beginning of a URL; a single letter is a Windows drive.
var urlScheme = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]+)://`)

// SourceLocation returns the location that s names: a path as LocalPath does, an https, http or s3 URL, or local.Pipe.
func SourceLocation(s, dir string) (string, error) {
	switch m := urlScheme.FindStringSubmatch(s); {
	case s == local.Pipe:
		return s, nil
	case m != nil && (strings.EqualFold(m[1], "https") || strings.EqualFold(m[1], "http")):
		at := strings.ToLower(m[1]) + s[len(m[1]):]
		_, _, err := origin.Conceal(at)
		return at, err
	}
	return OutputLocation(s, dir)
}

// OutputLocation returns the location that s names: a path as LocalPath does, or an s3 URL.
func OutputLocation(s, dir string) (string, error) {
	if m := urlScheme.FindStringSubmatch(s); m != nil && strings.EqualFold(m[1], "s3") {
		at := strings.ToLower(m[1]) + s[len(m[1]):]
		bucket, _, _ := strings.Cut(strings.TrimPrefix(at, "s3://"), "/")
		if bucket == "" {
			return "", fmt.Errorf("%s names no bucket", s)
		}
		return at, nil
	}
	return LocalPath(s, dir)
}

// LocalPath returns the absolute path that s names: a path relative to dir, taken literally, or a file:// URL, whose
// escapes are decoded. A URL of another machine is an error.
func LocalPath(s, dir string) (string, error) {
	m := urlScheme.FindStringSubmatch(s)
	switch {
	case m == nil && filepath.IsAbs(s):
		return filepath.Clean(s), nil
	case m == nil:
		return filepath.Join(dir, s), nil
	case !strings.EqualFold(m[1], "file"):
		return "", fmt.Errorf("%s is not a file on this machine; give a path, or a file://, https:// or s3:// URL", s)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not a URL: in a file:// URL write %%25 for %%, or give a path instead", s)
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("%s is on another machine; a file:// URL has three slashes: file:///folder/film.mp4", s)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("%s: in a file:// URL write %%3F for ? and %%23 for #, or give a path instead", s)
	case !filepath.IsAbs(filepath.FromSlash(u.Path)):
		return "", fmt.Errorf("%s names no file", s)
	}
	return filepath.Clean(filepath.FromSlash(u.Path)), nil
}
