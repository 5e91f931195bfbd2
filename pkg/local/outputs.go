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
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
)

// lockOutputs keeps other runs away from the outputs until the function that it returns is called, whatever their scratch
// folder is.
func lockOutputs(opts Options) (_ func(), err error) {
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
		f, err := lockOutput(path, opts.Scratch)
		if errors.Is(err, errLocked) {
			return nil, fault.WithHint(fault.New(fault.Transient, "another job is writing %s", path),
				"wait for it, or choose another name; mapreel jobs shows how far it is")
		}
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "lock the output "+path)
		}
		held = append(held, f)
		if _, err := os.Lstat(path); opts.KeepOutputs && !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.WithHint(fault.New(fault.Invalid, "%s exists, and is not to be replaced", path),
				"choose another name, or leave out --no-overwrite (-n)")
		}
	}
	return unlock, nil
}

// lockOutput locks the output at path, by a file in the user's part of the system's temporary folder. If that cannot be used,
// the file is in the scratch folder.
func lockOutput(path, scratch string) (*os.File, error) {
	sum := sha256.Sum256([]byte(realPath(path)))
	name := hex.EncodeToString(sum[:10])
	folders := []string{
		filepath.Join(os.TempDir(), fmt.Sprintf("mapreel-%d", os.Getuid())),
		filepath.Join(scratch, "locks"),
	}
	var errs []error
	for _, folder := range folders {
		err := os.MkdirAll(folder, 0o700)
		if err == nil {
			var f *os.File
			if f, err = flock(filepath.Join(folder, "output-"+name)); err == nil || errors.Is(err, errLocked) {
				return f, err
			}
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// kept returns the outputs that are not to be replaced.
func (o Options) kept() []string {
	if !o.KeepOutputs {
		return nil
	}
	return o.Outputs
}

// realPath returns path without symbolic links, as far as it exists.
func realPath(path string) string {
	path = filepath.Clean(path)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(realPath(parent), filepath.Base(path))
	}
	return path
}

// resolver returns the function that finds the folder and the name of a file. What exists at the paths of kept is not replaced.
func resolver(kept []string) func(context.Context, string) (blob.Store, string, error) {
	return func(ctx context.Context, url string) (blob.Store, string, error) {
		store, name, err := resolve(ctx, url)
		if folder, ok := store.(*dir.Store); ok && err == nil && slices.Contains(kept, filepath.Clean(url)) {
			return folder.KeepExisting(), name, nil
		}
		return store, name, err
	}
}
