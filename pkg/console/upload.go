package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/process"
)

const (
	// maxUploads is how many uploads run at once. More would not be faster.
	maxUploads = 4
	// uploadReserve is how many bytes of the disk an upload leaves free, for the job that follows and for everything else.
	uploadReserve = 1 << 30
	// uploadStall is how long an upload may bring nothing.
	uploadStall = time.Minute
	// maxFileName is the longest name in bytes: file systems have 255, and a temporary name is longer.
	maxFileName = 200
	// partPrefix and partSuffix enclose the temporary name of an incomplete file. The dot hides it from programs that watch the
	// folder, such as mapreel serve --watch.
	partPrefix, partSuffix = ".", ".upload.part"
	// maxPartAge is how old a file may be that an interrupted server has left.
	maxPartAge = 24 * time.Hour
)

// upload takes a file into the folder for uploads. It has its own name when it is complete, not before, and replaces nothing.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) error {
	name := r.URL.Query().Get("file")
	if err := checkFileName(name); err != nil {
		return err
	}
	if r.ContentLength <= 0 {
		return &refusal{http.StatusLengthRequired, "the length of the file is not known, or it is empty"}
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return &refusal{http.StatusTooManyRequests, fmt.Sprintf("%d uploads are running; wait for one to end", maxUploads)}
	}
	body, err := s.arriving.admit(s.opts.Uploads, r.ContentLength, r.Body)
	if err != nil {
		return err
	}
	defer body.close()
	root, err := os.OpenRoot(s.opts.Uploads)
	if err != nil {
		return fmt.Errorf("open the folder for uploads: %w", err)
	}
	defer root.Close()
	part := partPrefix + rand.Text() + partSuffix
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("make a file in the folder for uploads: %w", err)
	}
	defer func() { _ = root.Remove(part) }() // it is there only if something failed
	err = errors.Join(receive(f, http.NewResponseController(w), body, r.ContentLength), f.Close())
	if err != nil {
		return &refusal{http.StatusInsufficientStorage, "the upload was not completed: " + err.Error()}
	}
	final, err := publish(root, part, name)
	if err != nil {
		return fmt.Errorf("name the uploaded file: %w", err)
	}
	reply(w, http.StatusOK, map[string]string{"path": filepath.Join(s.opts.Uploads, final)})
	return nil
}

// receive copies length bytes to f and has them on the disk when it returns.
func receive(f *os.File, control *http.ResponseController, from io.Reader, length int64) error {
	buffer := make([]byte, 1<<20)
	for left := length; left > 0; {
		now := time.Now()
		_ = control.SetReadDeadline(now.Add(uploadStall)) // every server that this runs in supports it
		_ = control.SetWriteDeadline(now.Add(2 * uploadStall))
		n, err := from.Read(buffer[:min(left, int64(len(buffer)))])
		if _, werr := f.Write(buffer[:n]); werr != nil {
			return werr
		}
		left -= int64(n)
		if err != nil && left > 0 {
			return err
		}
	}
	return f.Sync()
}

// publish gives a complete file its name, or one like it where that is taken, and returns the name.
func publish(root *os.Root, part, name string) (string, error) {
	const tries = 1000
	ext := filepath.Ext(name)
	for i := range tries {
		final := name
		if i > 0 {
			final = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), i+1, ext)
		}
		err := root.Link(part, final) // unlike Rename it replaces nothing
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = root.Remove(part)
		}
		return final, err
	}
	return "", fmt.Errorf("%d files are named like %s", tries, name)
}

// checkFileName refuses names that lead elsewhere, that are hidden, or that a person cannot read.
func checkFileName(name string) error {
	refuse := func(why string) error {
		return &refusal{http.StatusUnprocessableEntity, fmt.Sprintf("the name %q %s", name, why)}
	}
	switch {
	case name == "":
		return refuse("is empty")
	case len(name) > maxFileName:
		return refuse(fmt.Sprintf("has more than %d bytes", maxFileName))
	case !utf8.ValidString(name), printable.Line(name) != name:
		return refuse("has characters that cannot be shown")
	case strings.ContainsAny(name, `/\`):
		return refuse("is a path")
	case strings.HasPrefix(name, "."):
		return refuse("begins with a dot")
	case strings.TrimSpace(name) != name:
		return refuse("begins or ends with a space")
	}
	return nil
}

// arriving is how many bytes the uploads that are running have still to bring.
type arriving struct {
	mu    sync.Mutex
	bytes int64
}

func (a *arriving) add(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += n
}

// arrival is the body of an upload, for which there is room.
type arrival struct {
	from io.Reader
	of   *arriving
	left int64
}

func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.of.add(-int64(n))
	a.left -= int64(n)
	return n, err
}

// close gives back the room for what did not come.
func (a *arrival) close() { a.of.add(-a.left) }

// admit takes an upload of a size, and refuses one that would fill the disk together with the others that are arriving.
func (a *arriving) admit(folder string, size int64, from io.Reader) (*arrival, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	free, err := process.FreeDisk(folder)
	if err != nil {
		return nil, fmt.Errorf("free space of the folder for uploads: %w", err)
	}
	if left := max(free-uploadReserve-a.bytes, 0); size > left {
		return nil, &refusal{
			http.StatusInsufficientStorage, fmt.Sprintf("the file has %d MB, and only %d MB are free for uploads", size/1e6, left/1e6),
		}
	}
	a.bytes += size
	return &arrival{from, a, size}, nil
}

// removeOldParts removes the incomplete files that an earlier server has left in the folder for uploads.
func (s *Server) removeOldParts(ctx context.Context) {
	root, err := os.OpenRoot(s.opts.Uploads)
	if err != nil {
		s.opts.Log.WarnContext(ctx, "folder for uploads not opened", "folder", s.opts.Uploads, "error", err)
		return
	}
	defer root.Close()
	folders := []string{"."}
	submitted, err := fs.ReadDir(root.FS(), submittedFolder)
	for _, f := range submitted {
		if f.IsDir() {
			folders = append(folders, path.Join(submittedFolder, f.Name()))
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, folder := range folders {
		err = errors.Join(err, removeParts(root, folder))
	}
	if err != nil {
		s.opts.Log.WarnContext(ctx, "folder for uploads not read", "folder", s.opts.Uploads, "error", err)
	}
}

// removeParts removes the old incomplete files of a folder, and the folder itself if it was for one of them.
func removeParts(root *os.Root, folder string) error {
	files, err := fs.ReadDir(root.FS(), folder)
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(f.Name(), partPrefix) || !strings.HasSuffix(f.Name(), partSuffix) {
			continue
		}
		if time.Since(info.ModTime()) < maxPartAge {
			continue
		}
		_ = root.Remove(path.Join(folder, f.Name())) // the next server tries again
		if len(files) == 1 && folder != "." {
			_ = root.Remove(folder)
		}
	}
	return err
}
