// Package keyfile keeps the keys of a command line in a file that only this user can read, which a request can name.
package keyfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film/protection"
	"github.com/mapreel/mapreel/pkg/private"
)

// folder is the folder of such files in a scratch folder.
const folder = "keys"

// kept is how long the file of a job that was given up stays.
const kept = 7 * 24 * time.Hour

// Store writes keys of the form KID:KEY into the scratch folder, and returns the path of the file. Equal keys have the same path, so
// that a job that was interrupted is found again. remove removes the file.
func Store(scratch string, keys []string) (path string, remove func(), err error) {
	text := strings.Join(keys, "\n") + "\n"
	parsed, err := protection.Parse([]byte(text))
	if err != nil {
		return "", nil, fault.Wrap(fault.Invalid, err, "--key")
	}
	home, err := private.Make(scratch)
	if err != nil {
		return "", nil, err
	}
	sub, err := home.Sub(folder)
	if err != nil {
		return "", nil, err
	}
	clean(sub.Path())
	f, err := sub.File(parsed.Fingerprint())
	if err != nil {
		return "", nil, fault.Wrap(fault.KindOf(err), err, "store the keys")
	}
	_, err = f.WriteAt([]byte(text), 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	path = filepath.Join(sub.Path(), parsed.Fingerprint())
	now := time.Now()
	_ = os.Chtimes(path, now, now) // for clean
	return path, func() { _ = os.Remove(path) }, fault.Wrap(fault.KindOf(err), err, "store the keys")
}

// clean removes old files. One that stays is removed another time.
func clean(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > kept {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Given reports whether keys were given, and returns an error if they were also given in a file.
func Given(keys []string, file string) (bool, error) {
	if len(keys) > 0 && file != "" {
		return false, fault.New(fault.Invalid, "--key: %s has the keys; leave out one of the two", fmt.Sprintf("%q", file))
	}
	return len(keys) > 0, nil
}
