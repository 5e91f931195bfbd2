// Package playlist looks at a playlist or manifest that anybody may have made before a demuxer opens it: which files it names, and
// whether any of them is a pipe or a device.
package playlist

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// Bounds of what is looked at before a demuxer opens it.
const (
	maxPlaylists  = 100
	maxChecked    = 32 << 20  // bytes of a playlist: a day of segments of a second
	maxNames      = 1_000_000 // in a playlist
	maxNameLength = 4096      // bytes: PATH_MAX
	maxFolders    = 100       // that playlists name
	maxEntries    = 100_000   // of folders
	maxDepth      = 100       // of elements; an MPD has 8
)

var (
	// values matches everything in an HLS playlist that may be a name: values with and without quotes, and lines.
	values = regexp.MustCompile(`"((?:[^"\\\r\n]|\\.)*)"|=([^",\s]+)|(?m:^([^#\r\n][^\r\n]*))`)
	// escapes matches a character that a backslash precedes within quotes, as FFmpeg reads them.
	escapes = regexp.MustCompile(`\\(.)`)
	// templates matches an identifier in an address of a manifest (ISO/IEC 23009-1, 5.3.9.4.4).
	templates = regexp.MustCompile(`\$[^$/]*\$`)
)

// CheckFiles refuses a file that is not regular, and a playlist or manifest that names a pipe or a device: a pipe would block
// its reader for ever, and a device has no end. Names that nothing has are left to the demuxer.
//
// It does not understand a playlist as a demuxer does. Whatever could be a name is taken for one, and a pipe in a folder that a
// playlist lies in or names is refused where its own name occurs, because addresses are joined from several parts.
func CheckFiles(file string) error {
	info, err := os.Stat(file)
	if err != nil || info.IsDir() {
		return nil //nolint:nilerr // whoever opens it says what is wrong
	}
	if isPipe(info) {
		return notRegular(file, "")
	}
	s := scan{files: map[string]bool{}, folders: map[string]bool{}, words: map[string]bool{}}
	if err := s.playlist(file); err != nil {
		return err
	}
	return s.search(file)
}

// isPipe reports whether reading the file may block, or never end.
func isPipe(info fs.FileInfo) bool { return !info.Mode().IsRegular() && !info.IsDir() }

func notRegular(file, namedBy string) error {
	if namedBy == "" {
		return fault.New(fault.Invalid, "%s is not a regular file", filepath.Base(file))
	}
	return fault.New(fault.Invalid, "%s names %s, which is not a regular file", filepath.Base(namedBy), filepath.Base(file))
}

// scan is what was found in a playlist and in those that it names.
type scan struct {
	files   map[string]bool // playlists
	folders map[string]bool // in which they lie, and that they name
	words   map[string]bool // last parts of names
	globs   []string        // last parts of names that have identifiers, which stand for any text
}

// playlist looks at the names in a file, if it is a playlist or a manifest.
func (s *scan) playlist(file string) error {
	info, err := os.Stat(file)
	if err != nil || s.files[file] || len(s.files) >= maxPlaylists || info.Size() == 0 { // files of the kernel have no size, and reading some blocks
		return nil //nolint:nilerr // whoever opens it says what is wrong
	}
	s.files[file] = true
	list, err := namesIn(file)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		s.folder(filepath.Dir(file))
	}
	for _, name := range list {
		if err := s.name(file, name); err != nil {
			return err
		}
	}
	return nil
}

// name looks at a name in a playlist.
func (s *scan) name(file, name string) error {
	base := path.Base(name)
	switch glob := templates.ReplaceAllString(base, "*"); {
	case glob != base && len(s.globs) < maxFolders && !strings.ContainsAny(base, `*?[\`):
		s.globs = append(s.globs, glob)
	case len(s.words) < maxNames:
		s.words[base] = true
	}
	at := filepath.FromSlash(name)
	if !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(file), at)
	}
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return nil //nolint:nilerr // see CheckFiles
	case isPipe(info):
		return notRegular(at, file)
	case info.IsDir():
		s.folder(at)
		return nil
	}
	return s.playlist(at)
}

func (s *scan) folder(at string) {
	if len(s.folders) < maxFolders {
		s.folders[filepath.Clean(at)] = true
	}
}

// search looks for pipes that are called as something in a playlist is.
func (s *scan) search(file string) (err error) {
	entries := 0
	for folder := range s.folders {
		_ = filepath.WalkDir(folder, func(at string, entry fs.DirEntry, werr error) error {
			if entries++; err != nil || entries > maxEntries {
				return fs.SkipAll
			}
			if werr != nil || entry.IsDir() || entry.Type().IsRegular() || !s.named(entry.Name()) {
				return nil //nolint:nilerr // what cannot be read cannot be opened
			}
			if info, serr := os.Stat(at); serr == nil && isPipe(info) { // also through a link
				err = notRegular(at, file)
			}
			return nil
		})
	}
	return err
}

// named reports whether a file of that name may be meant by a playlist.
func (s *scan) named(name string) bool {
	if s.words[name] {
		return true
	}
	for _, glob := range s.globs {
		if ok, _ := path.Match(glob, name); ok { // the only error is a bad pattern
			return true
		}
	}
	return false
}

// namesIn returns whatever may be a name in a file that is a playlist or a manifest; nothing of any other file.
func namesIn(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil //nolint:nilerr // see CheckFiles
	}
	defer f.Close() //nolint:errcheck // it was only read
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	container, ok := Sniff(head[:n])
	if !ok {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), f), maxChecked+1))
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "read "+filepath.Base(file))
	}
	if len(text) > maxChecked {
		return nil, fault.New(fault.Unsupported, "%s is longer than %d MB", filepath.Base(file), maxChecked>>20)
	}
	var list []string
	if container.Demuxer == "dash" {
		if list, err = manifestNames(text); err != nil {
			return nil, fault.New(fault.Invalid, "%s is not a manifest: %v", filepath.Base(file), err)
		}
	} else {
		list = playlistNames(text)
	}
	if len(list) > maxNames {
		return nil, fault.New(fault.Unsupported, "%s names more than %d files", filepath.Base(file), maxNames)
	}
	return list, nil
}

// playlistNames returns what may be a name in an HLS playlist.
func playlistNames(text []byte) (list []string) {
	for _, found := range values.FindAllSubmatch(text, maxNames+1) {
		for i, value := range found[1:] {
			name := string(value)
			if i == 0 {
				name = escapes.ReplaceAllString(name, "$1")
			}
			list = addName(list, name)
		}
	}
	return list
}

// manifestNames returns what may be a name in an MPD: the values of attributes, and the texts of elements.
func manifestNames(text []byte) (list []string, err error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var open [][]byte // the texts of the elements that have begun
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				list = addName(list, a.Value)
			}
			if open = append(open, nil); len(open) > maxDepth {
				return nil, fmt.Errorf("its elements are nested more than %d deep", maxDepth)
			}
		case xml.CharData: // may be divided by comments
			if len(open) > 0 {
				open[len(open)-1] = append(open[len(open)-1], token...)
			}
		case xml.EndElement:
			if len(open) > 0 {
				list = addName(list, string(open[len(open)-1]))
				open = open[:len(open)-1]
			}
		case xml.Directive: // it may define entities, of which a parser makes any text
			return nil, errors.New("it has a document type declaration")
		}
		if len(list) > maxNames {
			return list, nil
		}
	}
}

// addName adds a name to a list, also without what a demuxer may take off it.
func addName(list []string, name string) []string {
	if len(name) > maxNameLength || strings.TrimSpace(name) == "" {
		return list
	}
	whole, _, _ := strings.Cut(name, "?")
	for _, form := range []string{name, whole, strings.TrimSpace(name), strings.TrimSpace(whole)} {
		form = strings.TrimPrefix(form, "file:")
		if form != "" && (len(list) == 0 || list[len(list)-1] != form) {
			list = append(list, form)
		}
	}
	return list
}

// Sniff recognises HLS playlists and DASH manifests by their first bytes. Their demuxers
// may open local files only.
func Sniff(head []byte) (probe.Container, bool) {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("#EXTM3U")):
		return probe.Container{Name: "HLS", Demuxer: "hls"}, true
	case bytes.HasPrefix(text, []byte("<")) && bytes.Contains(text[:min(len(text), 4096)], []byte("<MPD")):
		return probe.Container{Name: "DASH", Demuxer: "dash"}, true
	}
	return probe.Container{}, false
}
