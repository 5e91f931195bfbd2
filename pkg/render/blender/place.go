package blender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Resolver finds the store and the key of a URL.
type Resolver func(ctx context.Context, url string) (blob.Store, string, error)

// Place is where a scene lies on this machine.
type Place struct {
	Scene    string   // the path of its file
	Readable []string // what it may read: its folder and its support files
	Copied   bool     // whether all of that are copies of what a bucket has
}

// Folder returns the folder of the scene, at which its relative paths begin.
func (p Place) Folder() string { return filepath.Dir(p.Scene) }

// Stage returns where the scene at url lies, with its support files. Those of a bucket are copied to dir.
func Stage(ctx context.Context, resolve Resolver, url string, files []string, dir string) (Place, error) {
	store, key, err := resolve(ctx, url)
	if err != nil {
		return Place{}, err
	}
	location, err := store.Locate(ctx, key)
	if err != nil {
		return Place{}, err
	}
	if filepath.IsAbs(location) {
		return stageHere(ctx, resolve, location, files)
	}
	folder := filepath.Join(dir, "scene")
	p := Place{Scene: filepath.Join(folder, path.Base(key)), Readable: []string{folder}, Copied: true}
	if err := copyObject(ctx, store, key, p.Scene); err != nil {
		return p, err
	}
	prefix := strings.TrimSuffix(key, path.Base(key))
	var problems []string
	for _, name := range files {
		if path.IsAbs(name) {
			return p, fault.New(fault.Invalid, "/render/files: %s: a scene in a bucket reads files of its own folder only", name)
		}
		n, err := copyBelow(ctx, store, prefix, path.Clean(name), folder)
		if err != nil {
			return p, err
		}
		if n == 0 {
			problems = append(problems, name)
		}
	}
	if len(problems) > 0 {
		return p, fault.New(fault.Invalid, "support files do not exist: %s", strings.Join(problems, ", "))
	}
	return p, nil
}

// stageHere returns the place of a scene on this machine. Nothing is copied.
func stageHere(ctx context.Context, resolve Resolver, scene string, files []string) (Place, error) {
	p := Place{Scene: scene, Readable: []string{filepath.Dir(scene)}}
	var missing []string
	for _, name := range files {
		at := filepath.Clean(filepath.FromSlash(name))
		if !filepath.IsAbs(at) {
			at = filepath.Join(p.Folder(), at)
		}
		if _, _, err := resolve(ctx, at); err != nil { // it may lie outside of what a server may use
			return p, err
		}
		real, err := filepath.EvalSymlinks(at)
		if err != nil {
			missing = append(missing, name)
			continue
		}
		p.Readable = append(p.Readable, at)
		if real != at {
			p.Readable = append(p.Readable, real)
		}
	}
	if len(missing) > 0 {
		return p, fault.New(fault.Invalid, "support files do not exist: %s", strings.Join(missing, ", "))
	}
	return p, nil
}

// copyBelow copies the object at prefix+name, or those of the folder of that name, and returns how many there are.
func copyBelow(ctx context.Context, store blob.Store, prefix, name, folder string) (n int, err error) {
	for info, err := range store.List(ctx, prefix+name) {
		if err != nil {
			return n, err
		}
		rel := strings.TrimPrefix(info.Key, prefix)
		if rel != name && !strings.HasPrefix(rel, name+"/") || !filepath.IsLocal(filepath.FromSlash(rel)) {
			continue
		}
		if err := copyObject(ctx, store, info.Key, filepath.Join(folder, filepath.FromSlash(rel))); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func copyObject(ctx context.Context, store blob.Store, key, to string) error {
	from, err := store.Open(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "working folder of Blender")
	}
	file, err := os.Create(to)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "working folder of Blender")
	}
	_, err = io.Copy(file, from)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", path.Base(key), err)
	}
	return nil
}
