package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/origin"
)

// StatSource returns an error of package os if the source is not there. Of an image sequence, it looks at the folder: Analyse names
// the frames that are missing.
func StatSource(path string) error {
	if path == Pipe {
		return nil
	}
	_, err := os.Stat(path)
	if _, ok := media.ParsePattern(path); ok && errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(path))
	}
	return err
}

// checkSource returns an error for people if the source cannot be opened.
func checkSource(ctx context.Context, places *origin.Places, path string) error {
	if origin.Remote(path) {
		return checkElsewhere(ctx, places, path)
	}
	err := StatSource(path)
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		path = pe.Path
	}
	return sourceError(err, path)
}

// checkElsewhere is checkSource for what lies on another machine.
func checkElsewhere(ctx context.Context, places *origin.Places, location string) error {
	store, key, err := places.Resolve(ctx, location)
	if err != nil {
		return err
	}
	if pattern, ok := media.ParsePattern(key); ok {
		for _, err := range blob.ListFolder(ctx, store, pattern.Prefix()) {
			return err
		}
	}
	if _, err = store.Stat(ctx, key); fault.KindOf(err) == fault.NotFound { // the request names it
		err = fault.WithHint(fault.Wrap(fault.Invalid, err, "cannot read the source"), "check the address of the source")
	}
	return err
}

// sourceError says why a source cannot be opened.
func sourceError(err error, path string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	kind := fault.KindOf(err)
	if kind == fault.NotFound { // the request names it
		kind = fault.Invalid
	}
	return fault.WithHint(fault.Wrap(kind, err, "cannot read "+path), "check the path of the source")
}

// sourceSize returns the size of a source in bytes: of an image sequence, that of all its frames.
func sourceSize(ctx context.Context, places *origin.Places, source string) (size int64) {
	if origin.Remote(source) {
		store, key, err := places.Resolve(ctx, source)
		if err != nil {
			return 0
		}
		info, _ := store.Stat(ctx, key)
		return info.Size
	}
	if info, err := os.Stat(source); err == nil {
		return info.Size()
	}
	pattern, ok := media.ParsePattern(source)
	if !ok {
		return 0
	}
	folder, _, err := resolveSource(source)
	if err != nil {
		return 0
	}
	for info, err := range blob.ListFolder(ctx, folder, pattern.Prefix()) {
		if err == nil && pattern.Match(path.Base(info.Key)) {
			size += info.Size
		}
	}
	return size
}
