package local

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/work"
)

// CheckRoots returns an error of kind Invalid where the source or the destination of a request lies outside of all roots.
// Without roots they may lie anywhere.
func CheckRoots(request json.RawMessage, roots []string) error {
	var envelope work.Envelope
	if err := json.Unmarshal(request, &envelope); err != nil {
		return fault.Wrap(fault.Invalid, err, "request")
	}
	return checkEnvelope(envelope, roots)
}

// checkEnvelope is CheckRoots for a request that has been read.
func checkEnvelope(envelope work.Envelope, roots []string) error {
	if err := CheckPath(envelope.Source, roots); err != nil {
		return fault.Wrap(fault.Invalid, err, "/source")
	}
	return fault.Wrap(fault.Invalid, CheckPath(envelope.Destination, roots), "/destination")
}

// CheckPath returns an error of kind Invalid where a path, or what its links lead to, lies outside of all roots. It is asked
// again for each file that is opened, because a link may have changed since.
func CheckPath(path string, roots []string) error {
	switch {
	case len(roots) == 0, origin.Piped(path): // of which only a copy in the scratch folder is read
		return nil
	case !origin.Remote(path):
		_, _, err := within(path, roots)
		return err
	case origin.Below(path, roots):
		return nil
	}
	public, _, err := origin.Conceal(path)
	if err != nil {
		return err
	}
	if public != path {
		return fault.WithHint(fault.New(fault.Invalid, "%s was given with a user or a query, which this server would record", public),
			"give the address without them")
	}
	return outside(path, roots)
}

// within returns the root that a path lies below, after links are followed, and the path from there.
func within(path string, roots []string) (root, rest string, err error) {
	if err := checkAbsolute(path); err != nil {
		return "", "", err
	}
	real, err := realPath(filepath.Clean(path))
	if err == nil {
		for _, root := range roots {
			if root, err := filepath.EvalSymlinks(root); err == nil && below(real, root) {
				rest, err := filepath.Rel(root, real)
				return root, rest, err
			}
		}
	}
	return "", "", outside(path, roots)
}

// outside returns the error of a location below no root.
func outside(location string, roots []string) error {
	return fault.WithHint(fault.New(fault.Invalid, "%s lies outside of the folders that this server may use", location),
		"they are "+strings.Join(roots, ", ")+"; --root adds one")
}

// OpenFolder opens a folder that lies below one of the roots: also a link that changes at that moment leads nowhere else. An error of
// kind Invalid says that it lies outside.
func OpenFolder(path string, roots []string) (*os.Root, error) {
	if len(roots) == 0 {
		return os.OpenRoot(path)
	}
	root, rest, err := within(path, roots)
	if err != nil {
		return nil, err
	}
	base, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	return base.OpenRoot(rest)
}

// realPath resolves the links of a path, as far as the path exists. A link that leads nowhere is an error: it may lead somewhere
// later.
func realPath(path string) (string, error) {
	there := path
	for {
		_, err := os.Lstat(there)
		if !errors.Is(err, fs.ErrNotExist) || there == filepath.Dir(there) {
			break
		}
		there = filepath.Dir(there)
	}
	real, err := filepath.EvalSymlinks(there)
	if err != nil {
		return "", err
	}
	rest, err := filepath.Rel(there, path)
	return filepath.Join(real, rest), err
}

// below reports whether a path is a folder or lies in it.
func below(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
