package local

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
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
	if len(roots) == 0 {
		return nil
	}
	if err := checkAbsolute(path); err != nil {
		return err
	}
	real, err := realPath(filepath.Clean(path))
	if err == nil {
		for _, root := range roots {
			if root, err := filepath.EvalSymlinks(root); err == nil && below(real, root) {
				return nil
			}
		}
	}
	return fault.WithHint(fault.New(fault.Invalid, "%s lies outside of the folders that this server may use", path),
		"they are "+strings.Join(roots, ", ")+"; --root adds one")
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
