// Package dir implements blob.Store in a folder. A key is a path below the folder.
//
//	store, err := dir.New("/var/tmp/mapreel")
//
// An object is written to a temporary file in its final folder, synced to the disk, and renamed.
// So other processes see it whole or not at all, even if this one is killed. The writer holds an
// advisory lock on its temporary file; Sweep removes those whose writer has ended. Symbolic links
// may not lead out of the folder.
package dir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Store is a folder. It keeps no file open between calls.
type Store struct {
	root string // absolute
	keep bool   // replace no object
	bare bool   // a symbolic link is no object
}

var _ blob.Store = (*Store)(nil)

// New returns the store in the folder root. The folder need not exist; the first Put creates it. If
// root exists and is not a folder, New returns an error of kind fault.Invalid.
func New(root string) (*Store, error) {
	if root == "" {
		return nil, fault.New(fault.Invalid, "no folder given")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "find folder "+root)
	}
	s := &Store{root: abs}
	switch info, err := os.Stat(abs); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, s.fail("open folder", "", err)
	case !info.IsDir():
		return nil, fault.New(fault.Invalid, "%s is not a folder", abs)
	}
	return s, nil
}

// KeepExisting returns a store of the same folder whose Put and Compose fail with kind fault.Invalid where something is
// already.
func (s *Store) KeepExisting() *Store { return &Store{root: s.root, keep: true, bare: s.bare} }

// IgnoreLinks returns a store of the same folder to which a symbolic link is no object: it is not read, and what is written to
// its key replaces the link, not what it leads to.
func (s *Store) IgnoreLinks() *Store { return &Store{root: s.root, keep: s.keep, bare: true} }

// Root returns the folder's absolute path.
func (s *Store) Root() string { return s.root }

// Stat describes the object at key.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := s.begin(ctx, key); err != nil {
		return blob.Info{}, err
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return blob.Info{}, s.fail("stat", key, err)
	}
	defer root.Close()
	info, err := s.statRegular(root, key)
	if err != nil {
		return blob.Info{}, s.fail("stat", key, err)
	}
	return infoOf(key, info), nil
}

// Open reads length bytes at offset, or everything from offset if length is -1.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := s.begin(ctx, key); err != nil {
		return nil, err
	}
	if err := blob.CheckRange(key, offset, length); err != nil {
		return nil, err
	}
	f, size, err := s.openRegular(key)
	if err != nil {
		return nil, s.fail("read", key, err)
	}
	if rest := max(size-offset, 0); length < 0 || length > rest {
		length = rest
	}
	return &reader{ctx: ctx, store: s, key: key, file: f, rest: io.NewSectionReader(f, offset, length)}, nil
}

// Put writes r until its end and publishes it at key. It holds one copy buffer of 32 KiB; if r is an
// *os.File, the kernel copies and no buffer is needed.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (blob.Info, error) {
	if err := s.begin(ctx, key); err != nil {
		return blob.Info{}, err
	}
	return s.publish(ctx, "write", key, func(w *writer) error {
		return w.copyAll(ctx, r)
	})
}

// List yields the objects whose key begins with prefix, in ascending order of key. Symbolic links to
// files inside the folder count as objects. Links to folders are not followed.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return s.list(ctx, prefix, true)
}

// ListFolder does what blob.ListFolder does, and looks into no other folder.
func (s *Store) ListFolder(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return s.list(ctx, prefix, false)
}

// list lists the objects below a prefix. deep includes those of folders below.
func (s *Store) list(ctx context.Context, prefix string, deep bool) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		err := s.walk(ctx, prefix, deep, func(root *os.Root, key string, entry fs.DirEntry) (bool, error) {
			if strings.HasPrefix(path.Base(key), blob.Reserved) || !strings.HasPrefix(key, prefix) {
				return true, nil
			}
			if t := entry.Type(); !t.IsRegular() && t != fs.ModeSymlink {
				return true, nil
			}
			info, err := s.statRegular(root, key)
			if err != nil { // deleted meanwhile, or a link that is broken or leads outside: not an object
				return true, nil //nolint:nilerr // see above
			}
			return yield(infoOf(key, info), nil), nil
		})
		if err != nil {
			yield(blob.Info{}, err)
		}
	}
}

// Delete removes the object at key and those parent folders that become empty, except the store's
// own.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.begin(ctx, key); err != nil {
		return err
	}
	root, err := os.OpenRoot(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.fail("delete", key, err)
	}
	defer root.Close()
	info, err := root.Lstat(key)
	if isAbsent(err) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = root.Remove(key)
	}
	if err != nil && !isAbsent(err) {
		return s.fail("delete", key, err)
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if info, err := root.Lstat(dir); err != nil || !info.IsDir() || root.Remove(dir) != nil {
			break
		}
	}
	return nil
}

// Locate returns the absolute path of the object at key.
func (s *Store) Locate(ctx context.Context, key string) (string, error) {
	if _, err := s.Stat(ctx, key); err != nil {
		return "", err
	}
	return s.path(key), nil
}

// begin checks key and ctx. Every call with a key runs it first.
func (s *Store) begin(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return s.fail("use", key, fault.ContextError(ctx))
	}
	return nil
}

func (s *Store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

// openRegular opens the file at key for reading and returns its size in bytes.
func (s *Store) openRegular(key string) (*os.File, int64, error) {
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	if _, err := s.statRegular(root, key); err != nil { // before the open, which alters some devices
		return nil, 0, err
	}
	flags := os.O_RDONLY | syscall.O_NONBLOCK // a FIFO that has just been placed there would block
	if s.bare {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := root.OpenFile(key, flags, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is not a regular file", key)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// statRegular describes the file at key. A folder is not an object, so it counts as absent.
func (s *Store) statRegular(root *os.Root, key string) (fs.FileInfo, error) {
	stat := root.Stat
	if s.bare {
		stat = root.Lstat
	}
	info, err := stat(key)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return nil, &fs.PathError{Op: "stat", Path: key, Err: fs.ErrNotExist}
	case errors.Is(err, syscall.ENOTDIR): // one of its parents is a file
		return nil, &fs.PathError{Op: "stat", Path: key, Err: fs.ErrNotExist}
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "stat", Path: key, Err: fs.ErrNotExist}
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, "%s is not a regular file", key)
	}
	return info, nil
}

func infoOf(key string, info fs.FileInfo) blob.Info {
	return blob.Info{
		Key:      key,
		Size:     info.Size(),
		Version:  strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36),
		Modified: info.ModTime(),
	}
}

// reader reads a range of an open file. Replacing the object does not affect it.
type reader struct {
	ctx   context.Context //nolint:containedctx // io.Reader has no parameter for it; ctx is the one that Open was given
	store *Store
	key   string
	file  *os.File
	rest  *io.SectionReader
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, r.store.fail("read", r.key, fault.ContextError(r.ctx))
	}
	n, err := r.rest.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.store.fail("read", r.key, err)
	}
	return n, err
}

func (r *reader) Close() error { return r.file.Close() }
