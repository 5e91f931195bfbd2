package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
)

// resolve returns the folder and the name of a file on this machine.
func resolve(_ context.Context, url string) (blob.Store, string, error) {
	if !filepath.IsAbs(url) {
		hint := "on one machine sources and destinations are absolute paths"
		return nil, "", fault.WithHint(fault.New(fault.Invalid, "%q is not an absolute path", url), hint)
	}
	path := filepath.Clean(url)
	if target, err := filepath.EvalSymlinks(path); err == nil { // a folder's store follows no link out of the folder
		path = target
	}
	store, err := dir.New(filepath.Dir(path))
	return store, filepath.Base(path), err
}

// prepare makes sure that the destination can be written, before any work is done. It leaves nothing behind: the folder is made
// when an output is published.
func prepare(destination string) error {
	if !filepath.IsAbs(destination) {
		return fault.New(fault.Invalid, "/destination: %q is not an absolute path", destination)
	}
	probe, err := os.CreateTemp(existing(destination), ".mapreel-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err == nil {
		return nil
	}
	kind := fault.KindOf(err)
	if kind != fault.OutOfSpace {
		kind = fault.Invalid
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fault.WithHint(fault.Wrap(kind, err, "cannot write to the output folder "+filepath.Clean(destination)),
		"choose another folder for the output, or make this one writable")
}
