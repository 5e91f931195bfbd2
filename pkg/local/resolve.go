package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/private"
)

// resolveSource returns the folder and the name of a source. A link is followed: a folder's store follows none out of the folder.
func resolveSource(url string) (*dir.Store, string, error) {
	if err := checkAbsolute(url); err != nil {
		return nil, "", err
	}
	path := filepath.Clean(url)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	store, err := dir.New(filepath.Dir(path))
	return store, filepath.Base(path), err
}

// resolveOutput returns the folder and the name of an output. A link that lies in its place is replaced, and what it leads to
// stays as it is: somebody else may have placed it.
func resolveOutput(url string) (*dir.Store, string, error) {
	if err := checkAbsolute(url); err != nil {
		return nil, "", err
	}
	path, err := placeOf(url)
	if err != nil {
		return nil, "", err
	}
	store, err := dir.New(filepath.Dir(path))
	if err != nil {
		return nil, "", err
	}
	return store.IgnoreLinks(), filepath.Base(path), nil
}

// placeOf returns the path of an output with the links of its folder resolved. Those of other users are an error.
func placeOf(path string) (string, error) {
	folder, err := private.Resolve(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "output folder")
	}
	return filepath.Join(folder, filepath.Base(path)), nil
}

func checkAbsolute(url string) error {
	if filepath.IsAbs(url) {
		return nil
	}
	hint := "on one machine sources are absolute paths or URLs (https://, s3://), and destinations absolute paths or s3:// URLs"
	return fault.WithHint(fault.New(fault.Invalid, "%q is not an absolute path", url), hint)
}

// prepare makes sure that the destination can be written, before any work is done. It leaves nothing behind: the folder is made
// when an output is published.
func prepare(ctx context.Context, places *origin.Places, destination string) error {
	if origin.Remote(destination) {
		err := places.CheckWritable(ctx, destination)
		if fault.KindOf(err) == fault.NotFound { // the request names it
			err = fault.Wrap(fault.Invalid, err, "/destination")
		}
		return err
	}
	if !filepath.IsAbs(destination) {
		return fault.New(fault.Invalid, "/destination: %q is not an absolute path", destination)
	}
	folder, err := private.Resolve(destination)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "output folder")
	}
	probe, err := os.CreateTemp(existing(folder), ".mapreel-*")
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
