package verify

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// named matches what a playlist or manifest names: a line that is no tag, a URI attribute, and the
// attributes and elements of a manifest that hold addresses.
var named = regexp.MustCompile(`(?m)^[^#<\s][^\r\n]*|(?:URI|media|initialization|sourceURL|href|index)="([^"]*)"|<(?:\w+:)?BaseURL[^>]*>\s*([^<]*)`)

// templates matches an identifier in an address of a manifest (ISO/IEC 23009-1, 5.3.9.4.4).
var templates = regexp.MustCompile(`\$[^$]*\$`)

// Bounds of what is looked at before a demuxer opens it.
const (
	maxPlaylists = 100
	maxNames     = 100_000
)

// checkRegular refuses a file that is not regular, and a playlist that names one: a pipe would block
// its reader for ever, and a device has no end. Names that nothing has are left to the demuxer.
func checkRegular(path string) error {
	names := 0
	seen := map[string]bool{}
	var check func(path string) error
	check = func(path string) error {
		info, err := os.Stat(path)
		switch {
		case err != nil || info.IsDir() || seen[path]:
			return nil //nolint:nilerr // whoever opens it says what is wrong
		case !info.Mode().IsRegular():
			return fault.New(fault.Invalid, "%s is not a regular file", filepath.Base(path))
		}
		seen[path] = true
		if len(seen) > maxPlaylists || info.Size() == 0 { // files of the kernel have no size, and reading some blocks
			return nil
		}
		for _, name := range namesIn(path) {
			if names++; names > maxNames {
				return nil
			}
			pattern := filepath.Join(filepath.Dir(path), filepath.FromSlash(name))
			if _, err := os.Stat(pattern); err == nil {
				if err := check(pattern); err != nil {
					return err
				}
				continue
			}
			if n := len(templates.FindAllString(name, 3)); n == 0 || n > 2 || strings.ContainsAny(name, `*?[\`) || strings.Contains(name, "..") {
				continue // not a template, or one that would search the disk
			}
			matches, _ := filepath.Glob(templates.ReplaceAllString(pattern, "*")) // the only error is a bad pattern
			for _, match := range matches {
				if info, err := os.Stat(match); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
					return fault.New(fault.Invalid, "%s names %s, which is not a regular file", filepath.Base(path), filepath.Base(match))
				}
			}
		}
		return nil
	}
	return check(path)
}

// namesIn returns the names in a file that is a playlist or a manifest; none of any other file.
func namesIn(path string) (names []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	if _, ok := sniffPlaylist(head[:n]); !ok {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), f), maxPlaylist))
	if err != nil {
		return nil
	}
	for _, found := range named.FindAllStringSubmatch(string(text), maxNames) {
		for i := len(found) - 1; i >= 0; i-- { // the group that matched, else the whole line
			if name, _, _ := strings.Cut(strings.TrimSpace(found[i]), "?"); name != "" {
				names = append(names, name)
				break
			}
		}
	}
	return names
}
