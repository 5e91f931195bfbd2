package many

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
)

// field matches what stands for a part of the source's path in the name of an output.
var field = regexp.MustCompile(`\{(name|ext|folder)\}`)

// unknownField matches what was probably meant as one.
var unknownField = regexp.MustCompile(`\{[A-Za-z]+\}`)

// HasField reports whether text is a pattern for the names of outputs.
func HasField(text string) bool { return field.MatchString(text) }

// Fill returns text with the fields of s: {name}, the name of its file without the extension; {ext}, the extension without its dot;
// {folder}, where it was found below the folder that was named.
func Fill(text string, s Source) string {
	base := filepath.Base(s.Path)
	switch {
	case s.Path == local.Pipe:
		base = origin.PipedName
	case origin.Remote(s.Path):
		base = origin.NameOf(s.Path)
	}
	ext := filepath.Ext(base)
	return field.ReplaceAllStringFunc(text, func(f string) string {
		switch f {
		case "{name}":
			if s.sequence {
				return requestflags.Stem(s.Path)
			}
			return strings.TrimSuffix(base, ext)
		case "{ext}":
			return strings.TrimPrefix(ext, ".")
		}
		return filepath.ToSlash(cmp.Or(s.Folder, ".")) // so that {folder}/a.mp4 is never absolute
	})
}

// CheckPattern returns an error if the text of -o cannot name the outputs of n sources.
func CheckPattern(output string, n int) error {
	if bad := unknownField.FindString(field.ReplaceAllString(output, "")); bad != "" {
		return fault.New(fault.Invalid, "--output: %s is not one of {name}, {ext}, {folder}", bad)
	}
	if output == "" || n < 2 || HasField(output) {
		return nil
	}
	folder := output
	if filepath.Ext(output) != "" && !isFolder(output) {
		folder = filepath.Dir(output)
	}
	return fault.WithHint(fault.New(fault.Invalid, "--output: %s is one name, and there are %d sources", output, n),
		"for example: -o '"+filepath.Join(folder, "{name}.mp4")+"'")
}

// FillRequest returns a request about s, whose destination and names of outputs may have fields.
func FillRequest(req film.Request, s Source) film.Request {
	req.Source = s.Location()
	req.Destination = Fill(req.Destination, s)
	if !origin.Remote(req.Destination) {
		req.Destination = filepath.Clean(req.Destination)
	}
	outputs := make([]film.Output, len(req.Outputs))
	for i, o := range req.Outputs {
		o.Name = Fill(o.Name, s)
		outputs[i] = o
	}
	req.Outputs = outputs
	return req
}

// Film is a source with the paths of everything that its job publishes.
type Film struct {
	Source
	Outputs []string
}

// CheckNames returns an error if a job would replace a source, or what another job makes, or if what it makes would be taken for a
// source when the same command runs again. Names that differ in case alone are the same on some file systems.
func (f Found) CheckNames(films []Film) error {
	resolve := resolver()
	makers, sources := map[string]string{}, map[string]bool{}
	var infos []os.FileInfo
	for _, m := range films {
		sources[resolve(m.Path)] = true
		if info, err := os.Stat(m.Path); err == nil {
			infos = append(infos, info)
		}
	}
	for _, m := range films {
		for _, path := range m.Outputs {
			at := resolve(path)
			if sources[at] || sameFile(path, infos) {
				return fault.WithHint(fault.New(fault.Invalid, "the output of %s would replace the source %s", m.Path, path),
					"choose another folder or another name with -o")
			}
			key := strings.ToLower(at)
			if other, ok := makers[key]; ok {
				return fault.WithHint(fault.New(fault.Invalid, "%s and %s would both become %s", other, m.Path, path),
					"tell them apart by {folder} or {ext}, for example: -o 'out/{folder}/{name}-{ext}.mp4'")
			}
			makers[key] = m.Path
			for _, p := range f.places {
				if p.finds(path) {
					return fault.WithHint(fault.New(fault.Invalid, "%s would be a source when the same command runs again", path),
						fmt.Sprintf("choose a folder outside of %s", p.where()))
				}
			}
		}
	}
	return nil
}

func (p place) where() string {
	if p.pattern != "" {
		return filepath.Dir(p.pattern)
	}
	return p.folder
}

// resolver returns a function that replaces the folder of a path by what symbolic links make of it.
func resolver() func(path string) string {
	known := map[string]string{}
	return func(path string) string {
		if origin.Remote(path) {
			return path
		}
		folder, base := filepath.Split(path)
		real, ok := known[folder]
		if !ok {
			var err error
			if real, err = filepath.EvalSymlinks(folder); err != nil {
				real = filepath.Clean(folder)
			}
			known[folder] = real
		}
		return filepath.Join(real, base)
	}
}

// sameFile reports whether a file is at path, and is one of list.
func sameFile(path string, list []os.FileInfo) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, other := range list {
		if os.SameFile(info, other) {
			return true
		}
	}
	return false
}
