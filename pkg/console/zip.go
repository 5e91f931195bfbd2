package console

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"github.com/mapreel/mapreel/pkg/fault"
)

// archive sends an output of many files as one zip file, which is written while it is sent: nothing is compressed, because media are
// already, and the memory that it takes is that of the names.
func (s *Server) archive(w http.ResponseWriter, r *http.Request) error {
	m, err := s.output(r)
	if err != nil {
		return err
	}
	root, at, err := s.destination(m.job)
	if err != nil {
		return err
	}
	defer root.Close()
	list, err := listPublished(r.Context(), root, at, []outputFacts{m.facts})
	if err != nil {
		return err
	}
	names, err := archiveNames(list, at)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(noDeadline) // a package may take hours
	title := strings.TrimSuffix(filepath.Base(m.path), filepath.Ext(m.path)) + ".zip"
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": title}))
	out := zip.NewWriter(w)
	for i, f := range list {
		if err = archiveFile(r.Context(), out, root, relative(at, f.Path), names[i], f); err != nil {
			break
		}
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		if r.Context().Err() == nil {
			s.opts.Log.WarnContext(r.Context(), "download broke off", "job", m.job.Name, "output", m.path, "error", err)
		}
		panic(http.ErrAbortHandler) // the status is sent; a connection that ends early tells the browser that the file is not complete
	}
	return nil
}

// archiveFile adds a file that was listed. One that was replaced since then is an error: a package of two jobs would play, and be wrong.
func archiveFile(ctx context.Context, out *zip.Writer, root *os.Root, path, name string, listed published) error {
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it does not wait for the writer of a FIFO
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, listed.info) || etag(info) != listed.ETag {
		return fault.New(fault.Transient, "%s was replaced meanwhile", path)
	}
	to, err := out.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: info.ModTime()})
	if err != nil {
		return err
	}
	_, err = io.CopyN(to, untilDone{ctx, f}, info.Size())
	return err
}

// archiveNames returns the names of files in an archive: their paths below the job's destination.
func archiveNames(list []published, at string) ([]string, error) {
	names, seen := make([]string, len(list)), make(map[string]bool, len(list))
	for i, f := range list {
		name := archiveName(relative(at, f.Path))
		if !filepath.IsLocal(name) || seen[name] {
			return nil, &refusal{http.StatusConflict, fmt.Sprintf("%s cannot have a name in an archive: copy the files from the server", f.Path)}
		}
		names[i], seen[name] = name, true
	}
	return names, nil
}

// archiveName returns a path that is safe as a name in an archive. It replaces backslashes, which separate folders on Windows, and the
// control and bidirectional characters with which a name can pose as another.
func archiveName(path string) string {
	return strings.Map(func(r rune) rune {
		if r == '\\' || r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(filepath.ToSlash(path), "_"))
}
