package console

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
)

// published is a file of an output, for those who fetch it.
type published struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	ETag     string `json:"etag"`

	info fs.FileInfo
}

// maxPublished bounds the files of a job that are listed: three days of stills, one a second.
const maxPublished = 300_000

// destination opens the folder that a job published into. Nothing below it leads out of it.
func (s *Server) destination(x history.Execution) (*os.Root, string, error) {
	folder := filepath.Clean(rowOf(x).Destination)
	if err := local.CheckPath(folder, s.opts.Roots); err != nil {
		return nil, "", &refusal{http.StatusForbidden, err.Error()}
	}
	root, err := local.OpenFolder(folder, s.opts.Roots)
	if err != nil {
		return nil, "", &refusal{http.StatusNotFound, err.Error()}
	}
	return root, folder, nil
}

// names returns the paths of an output's own files, and of the folder with its media; "" where it has none.
func (o outputFacts) names() (files []string, folder string) {
	for _, url := range []string{o.URL, o.Manifest} {
		if url != "" {
			files = append(files, strings.TrimPrefix(url, "file://"))
		}
	}
	return files, strings.TrimPrefix(o.Folder, "file://")
}

// files lists what a job has published.
func (s *Server) files(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	root, at, err := s.destination(x)
	if err != nil {
		return err
	}
	defer root.Close()
	list, err := listPublished(r.Context(), root, at, outcomeOf(x).Outputs)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, list)
	return nil
}

// listPublished lists the files of outputs in the open folder at a path. Links are left out: one may lead anywhere.
func listPublished(ctx context.Context, root *os.Root, at string, outputs []outputFacts) ([]published, error) {
	list, seen := []published{}, map[string]bool{}
	add := func(path string, info fs.FileInfo) error {
		if !info.Mode().IsRegular() || seen[path] {
			return ctx.Err()
		}
		if len(list) == maxPublished {
			return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the job has published more than %d files: copy them from the server", maxPublished)}
		}
		seen[path] = true
		list = append(list, published{path, info.Size(), info.ModTime().UnixNano(), etag(info), info})
		return ctx.Err()
	}
	for _, o := range outputs {
		own, folder := o.names()
		for _, path := range own {
			info, err := root.Lstat(relative(at, path))
			if err == nil {
				err = add(path, info)
			}
			if err != nil {
				return nil, missing(err)
			}
		}
		if folder == "" {
			continue
		}
		folder = relative(at, folder)
		if info, err := root.Lstat(folder); err != nil || !info.IsDir() {
			return nil, missing(cmp.Or(err, fault.New(fault.NotFound, "%s is no folder", folder)))
		}
		err := fs.WalkDir(root.FS(), filepath.ToSlash(folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			return add(filepath.Join(at, filepath.FromSlash(path)), info)
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// missing returns the refusal of a file that a job has published and that is no longer there.
func missing(err error) error {
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return err
	}
	return &refusal{http.StatusNotFound, err.Error()}
}

// relative returns a path relative to a folder. One that lies elsewhere stays as it is, which no os.Root opens.
func relative(folder, path string) string {
	if rest, ok := strings.CutPrefix(filepath.Clean(path), strings.TrimSuffix(folder, "/")+"/"); ok {
		return rest
	}
	return path
}

// etag changes with the content of a file, because outputs are replaced as a whole.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano())
}

// file serves a file that a job has published, or ranges of it. Asked with Want-Repr-Digest, it computes the checksum of the whole
// before (RFC 9530).
func (s *Server) file(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	path := r.URL.Query().Get("path")
	if filepath.Clean(path) != path || !slices.ContainsFunc(outcomeOf(x).Outputs, func(o outputFacts) bool {
		own, folder := o.names()
		return slices.Contains(own, path) || folder != "" && strings.HasPrefix(path, folder+"/")
	}) {
		return &refusal{http.StatusNotFound, "the job has published no such file"}
	}
	root, at, err := s.destination(x)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(relative(at, path), os.O_RDONLY|syscall.O_NONBLOCK, 0) // it does not wait for the writer of a FIFO
	if err != nil {
		return &refusal{http.StatusNotFound, err.Error()}
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return &refusal{http.StatusNotFound, path + " is not a regular file"}
	}
	// A large file takes long to read and to send.
	_ = http.NewResponseController(w).SetWriteDeadline(noDeadline)
	h := w.Header()
	if strings.Contains(r.Header.Get("Want-Repr-Digest"), "sha-256") {
		sum := sha256.New()
		if _, err := io.Copy(sum, untilDone{r.Context(), f}); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum.Sum(nil))+":")
	}
	h.Set("ETag", etag(info))
	h.Set("Content-Type", "application/octet-stream") // it is not to be shown
	h.Set("Content-Disposition", "attachment")
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx  context.Context //nolint:containedctx // of one copy
	from io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
