package requestflags

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// urlScheme matches the beginning of a URL; a single letter is a Windows drive.
var urlScheme = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]+)://`)

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
		return "", fmt.Errorf("%s is not a file on this machine; give a path or a file:// URL", s)
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
