package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/private"
)

// lockOutputs keeps other runs away from the outputs until the function that it returns is called, whatever their scratch
// folder is.
func lockOutputs(ctx context.Context, opts Options, home scratch, places *origin.Places) (_ func(), err error) {
	var held []*os.File
	unlock := func() {
		for _, f := range held {
			_ = os.Remove(f.Name())
			_ = f.Close()
		}
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	for _, path := range opts.Outputs {
		f, err := lockOutput(path, home)
		if errors.Is(err, errLocked) {
			return nil, busy("another job is writing "+path, "wait for it, or choose another name; mapreel jobs shows how far it is")
		}
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "lock the output "+path)
		}
		held = append(held, f)
		if !opts.KeepOutputs {
			continue
		}
		if there, err := exists(ctx, places, path); err != nil {
			return nil, err
		} else if there {
			return nil, fault.WithHint(fault.New(fault.Invalid, "%s exists, and is not to be replaced", path),
				"choose another name, or leave out --no-overwrite (-n)")
		}
	}
	return unlock, nil
}

// Exists reports whether there is something where an output is to be. Settings say how what lies on other machines is found.
func Exists(ctx context.Context, settings origin.Settings, location string) (bool, error) {
	places := origin.New(settings)
	defer places.Close() //nolint:errcheck // nothing is written there
	return exists(ctx, places, location)
}

func exists(ctx context.Context, places *origin.Places, location string) (bool, error) {
	if !origin.Remote(location) {
		_, err := os.Lstat(location)
		return !errors.Is(err, fs.ErrNotExist), nil
	}
	store, key, err := places.Resolve(ctx, location)
	if err == nil {
		_, err = store.Stat(ctx, key)
	}
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}

// lockOutput locks the output at path, by a file in the user's part of the system's temporary folder. If that cannot be used,
// the file is in the scratch folder.
func lockOutput(path string, home scratch) (*os.File, error) {
	if !origin.Remote(path) {
		place, err := placeOf(path)
		if err != nil {
			return nil, err
		}
		path = place
	}
	sum := sha256.Sum256([]byte(path))
	name := "output-" + hex.EncodeToString(sum[:10])
	shared, err := private.Make(filepath.Join(os.TempDir(), fmt.Sprintf("mapreel-%d", os.Getuid())))
	if err == nil {
		var f *os.File
		if f, err = flock(shared, name); err == nil || errors.Is(err, errLocked) {
			return f, err
		}
	}
	f, herr := flock(home.locks, name)
	if herr != nil && !errors.Is(herr, errLocked) {
		herr = errors.Join(err, herr)
	}
	return f, herr
}

// kept returns the outputs that are not to be replaced.
func (o Options) kept() []string {
	if !o.KeepOutputs {
		return nil
	}
	return o.Outputs
}

// files finds the files of a job. What exists at the locations of kept is not replaced, and what lies outside of all roots is refused.
type files struct {
	source      string
	kept, roots []string
	places      *origin.Places
	buckets     bool // whether the request names something in S3
}

// resolve is a work.Resolver.
func (f files) resolve(ctx context.Context, url string) (blob.Store, string, error) {
	if err := CheckPath(url, f.roots); err != nil {
		return nil, "", err
	}
	if origin.Remote(url) {
		store, key, err := f.places.Resolve(ctx, url)
		if err == nil && slices.Contains(f.kept, url) {
			store = origin.KeepExisting(store)
		}
		return store, key, err
	}
	if url == f.source {
		return resolveSource(url)
	}
	store, name, err := resolveOutput(url)
	if err == nil && slices.Contains(f.kept, filepath.Clean(url)) {
		store = store.KeepExisting()
	}
	return store, name, err
}
