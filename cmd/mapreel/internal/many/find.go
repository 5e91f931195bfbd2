// Package many does the jobs of several sources: it finds them, names their outputs, runs a few at once, and shows how far they are.
//
//	found, err := many.Find([]string{"films", "'old/*.avi'"}, true, dir)
//	output := many.Fill("out/{folder}/{name}.mp4", found.List[0])
package many

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
)

// Source is a file that a job is to be about.
type Source struct {
	Path   string // absolute; of another machine the URL, without what gives access
	Folder string // where it is below the folder that was named, "" for that folder itself and for a file that was named

	sequence bool   // Path is the pattern of an image sequence
	location string // what names the source in a request, where that is not Path
}

// Location returns what names the source in a request.
func (s Source) Location() string { return cmp.Or(s.location, s.Path) }

// Found are the files that the SOURCEs of a command name.
type Found struct {
	List   []Source
	Others int // files in folders that are no videos by their extensions
	places []place
}

// place is where files are looked for: a folder, or what a pattern matches.
type place struct {
	folder    string
	recursive bool
	pattern   string // absolute; instead of a folder
}

// videos are the extensions of the files that a folder is searched for. A file that is named needs none of them.
var videos = []string{
	".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
	".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
}

// pictures are the extensions of pictures. A pattern of them is one source, a sequence of images.
var pictures = []string{".bmp", ".dpx", ".exr", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

func hasExtension(path string, list []string) bool {
	return slices.Contains(list, strings.ToLower(filepath.Ext(path)))
}

// isPattern reports whether a SOURCE is a pattern of several files. Where a file has this very name, it is that file.
func isPattern(path string) bool {
	if !strings.ContainsAny(path, "*?[") || hasExtension(path, pictures) {
		return false
	}
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Asked reports whether a command line is about several sources, or names its output by a pattern. Relative paths are relative to dir.
func Asked(sources []string, output string, recursive bool, dir string) bool {
	if len(sources) > 1 || recursive || len(sources) == 1 && HasField(output) {
		return true
	}
	for _, s := range sources {
		if path, err := requestflags.LocalPath(s, dir); err == nil && (isFolder(path) || isPattern(path)) {
			return true
		}
	}
	return false
}

// Find returns the files that sources name, each once: files, the videos in folders, and what patterns match. Relative paths are
// relative to dir. The error is of kind fault.Invalid.
func Find(sources []string, recursive bool, dir string) (Found, error) {
	var f Found
	seen := map[string]bool{}
	add := func(s Source) {
		if !seen[s.Path] {
			seen[s.Path] = true
			f.List = append(f.List, s)
		}
	}
	for _, text := range sources {
		path, err := requestflags.SourceLocation(text, dir)
		if err != nil {
			return f, fault.Wrap(fault.Invalid, err, "SOURCE")
		}
		switch {
		case path == local.Pipe && len(sources) > 1:
			err = fault.New(fault.Invalid, "standard input can only be the one source of a command")
		case path == local.Pipe, origin.Remote(path):
			var public string
			public, _, err = origin.Conceal(path)
			add(Source{Path: public, location: path})
		case isFolder(path):
			err = f.search(path, recursive, add)
		case isPattern(path):
			err = f.match(path, add)
		default:
			_, none := os.Stat(path)
			err = local.StatSource(path)
			add(Source{Path: path, sequence: none != nil})
		}
		if err != nil {
			var why *fs.PathError
			if errors.As(err, &why) {
				err = fmt.Errorf("cannot read %s: %w", why.Path, why.Err)
			}
			return f, fault.Wrap(fault.Invalid, err, "")
		}
	}
	return f, nil
}

// match adds the files that a pattern matches.
func (f *Found) match(pattern string, add func(Source)) error {
	if strings.Contains(pattern, "**") {
		return fault.WithHint(fault.New(fault.Invalid, "%s: ** is not supported", pattern), "name a folder, with --recursive")
	}
	f.places = append(f.places, place{pattern: pattern})
	list, err := filepath.Glob(pattern)
	if err != nil {
		return fault.New(fault.Invalid, "%s is not a pattern of names such as films/*.mkv", pattern)
	}
	any := false
	for _, path := range list {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			add(Source{Path: path})
			any = true
		}
	}
	if !any {
		return fault.New(fault.Invalid, "no file matches %s", pattern)
	}
	return nil
}

// search adds the videos of a folder. Hidden files and folders are passed over, and symbolic links to folders are not followed.
func (f *Found) search(folder string, recursive bool, add func(Source)) error {
	f.places = append(f.places, place{folder: folder, recursive: recursive})
	any, deeper := false, false
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == folder:
			return nil
		case strings.HasPrefix(entry.Name(), ".") && entry.IsDir(), entry.IsDir() && !recursive:
			deeper = deeper || !strings.HasPrefix(entry.Name(), ".")
			return fs.SkipDir
		case entry.IsDir(), strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // a dangling link is no video
		}
		if !hasExtension(path, videos) {
			f.Others++
			return nil
		}
		any = true
		below, err := filepath.Rel(folder, filepath.Dir(path))
		if below == "." {
			below = ""
		}
		add(Source{Path: path, Folder: below})
		return err
	})
	if err == nil && !any {
		err = fault.New(fault.Invalid, "no video is in the folder %s", folder)
		if deeper {
			err = fault.WithHint(err, "--recursive searches the folders in it too")
		}
	}
	return err
}

// finds reports whether the place would find path if it were a file. Below a folder that is searched with those in it, any output is
// one: beside a playlist are folders of media files with the extensions of videos.
func (p place) finds(path string) bool {
	if p.pattern != "" {
		ok, err := filepath.Match(p.pattern, path)
		return ok && err == nil
	}
	below, err := filepath.Rel(p.folder, path)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return false
	}
	return p.recursive || filepath.Dir(below) == "." && hasExtension(path, videos)
}
