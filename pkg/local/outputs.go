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
	"github.com/mapreel/mapreel/pkg/private"
)

// lockOutputs keeps other runs away from the outputs until the function that it returns is called, whatever their scratch
// folder is.
func lockOutputs(opts Options, home scratch) (_ func(), err error) {
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
		if _, err := os.Lstat(path); opts.KeepOutputs && !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.WithHint(fault.New(fault.Invalid, "%s exists, and is not to be replaced", path),
				"choose another name, or leave out --no-overwrite (-n)")
		}
	}
	return unlock, nil
}

// lockOutput locks the output at path, by a file in the user's part of the system's temporary folder. If that cannot be used,
// the file is in the scratch folder.
func lockOutput(path string, home scratch) (*os.File, error) {
	path, err := placeOf(path)
	if err != nil {
		return nil, err
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

// resolver returns the function that finds the folder and the name of a file. What exists at the paths of kept is not replaced,
// and what lies outside of all roots is refused.
func resolver(source string, kept, roots []string) func(context.Context, string) (blob.Store, string, error) {
	return func(_ context.Context, url string) (blob.Store, string, error) {
		if err := CheckPath(url, roots); err != nil {
			return nil, "", err
		}
		if url == source {
			return resolveSource(url)
		}
		store, name, err := resolveOutput(url)
		if err == nil && slices.Contains(kept, filepath.Clean(url)) {
			store = store.KeepExisting()
		}
		return store, name, err
	}
}
