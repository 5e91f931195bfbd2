package console

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/process"
)

const (
	// submittedFolder is the folder in that for uploads with the files that mapreel submit sends: SHA-256/NAME.
	submittedFolder = "submitted"
	// MaxSubmittedPart is the most bytes that one request of such an upload may bring: what package guard reads to check a signature.
	MaxSubmittedPart = 2 << 20
)

// submissions are the uploads of mapreel submit. They come in requests of MaxSubmittedPart bytes, one after the other, each appended to
// a hidden file. Neither an interruption nor the end of the server loses more than one of them.
type submissions struct {
	// locks let one request at a time work on a file; which of them follows from its checksum.
	locks [64]sync.Mutex
	// slots bound the requests that are in memory.
	slots chan struct{}
}

// submission is one file that mapreel submit sends.
type submission struct {
	name string
	size int64
	sum  [sha256.Size]byte
}

// Submitted is how much of a file the server has.
type Submitted struct {
	Have int64  `json:"have"`           // bytes from its beginning
	Path string `json:"path,omitempty"` // of the whole file on the server, once its checksum was found to be right
}

// submissionOf reads what a request is about.
func submissionOf(r *http.Request) (f submission, err error) {
	q := r.URL.Query()
	f.name = q.Get("file")
	if err := checkFileName(f.name); err != nil {
		return f, err
	}
	if f.size, err = strconv.ParseInt(q.Get("size"), 10, 64); err != nil || f.size <= 0 {
		return f, &refusal{http.StatusUnprocessableEntity, "size must be the number of bytes of the file, and more than 0"}
	}
	sum, err := hex.DecodeString(q.Get("sha256"))
	if err != nil || len(sum) != len(f.sum) {
		return f, &refusal{http.StatusUnprocessableEntity, "sha256 must be the checksum of the file, in 64 hexadecimal digits"}
	}
	copy(f.sum[:], sum)
	return f, nil
}

func (f submission) folder() string { return path.Join(submittedFolder, hex.EncodeToString(f.sum[:])) }
func (f submission) final() string  { return path.Join(f.folder(), f.name) }
func (f submission) part() string   { return path.Join(f.folder(), partPrefix+f.name+partSuffix) }

// uploadsRoot opens the folder for uploads, which nothing that is opened in it leads out of.
func (s *Server) uploadsRoot() (*os.Root, error) {
	if s.opts.Uploads == "" {
		return nil, &refusal{http.StatusNotFound, "this server has no folder for uploads"}
	}
	root, err := os.OpenRoot(s.opts.Uploads)
	if err != nil {
		return nil, fmt.Errorf("open the folder for uploads: %w", err)
	}
	return root, nil
}

// submitted answers how much of a file is there.
func (s *Server) submitted(w http.ResponseWriter, r *http.Request) error {
	f, err := submissionOf(r)
	if err != nil {
		return err
	}
	root, err := s.uploadsRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	lock := s.lockOf(f)
	lock.Lock()
	defer lock.Unlock()
	there, err := isWhole(w, r, root, f, f.final())
	if err != nil {
		return err
	}
	if there {
		reply(w, http.StatusOK, Submitted{f.size, s.pathOf(f)})
		return nil
	}
	have, err := sizeOf(root, f.part())
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, Submitted{Have: have})
	return nil
}

// submit appends the body of a request to a file, if that has as many bytes as the request says. The last bytes complete the file.
func (s *Server) submit(w http.ResponseWriter, r *http.Request) error {
	f, err := submissionOf(r)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil || offset < 0 || offset > f.size {
		return &refusal{http.StatusUnprocessableEntity, "offset must be a number of bytes of the file"}
	}
	root, err := s.uploadsRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	select {
	case s.submissions.slots <- struct{}{}:
		defer func() { <-s.submissions.slots }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxSubmittedPart))
	if err != nil {
		return &refusal{http.StatusBadRequest, "the part could not be read: " + err.Error()}
	}
	if int64(len(data)) > f.size-offset {
		return &refusal{http.StatusUnprocessableEntity, "the part reaches beyond the end of the file"}
	}
	lock := s.lockOf(f)
	lock.Lock()
	defer lock.Unlock()
	have, err := s.appendPart(root, f, offset, data)
	if err != nil {
		return err
	}
	if have < f.size || have != offset+int64(len(data)) { // the second: another request has sent these bytes
		reply(w, http.StatusOK, Submitted{Have: have})
		return nil
	}
	if err := complete(w, r, root, f); err != nil {
		return err
	}
	reply(w, http.StatusOK, Submitted{f.size, s.pathOf(f)})
	return nil
}

func (s *Server) lockOf(f submission) *sync.Mutex {
	return &s.submissions.locks[int(f.sum[0])%len(s.submissions.locks)]
}

func (s *Server) pathOf(f submission) string {
	return filepath.Join(s.opts.Uploads, filepath.FromSlash(f.final()))
}

// appendPart appends data to the incomplete file if that has offset bytes, and returns how many it has then.
func (s *Server) appendPart(root *os.Root, f submission, offset int64, data []byte) (have int64, err error) {
	if have, err = sizeOf(root, f.part()); err != nil || have != offset {
		return have, err
	}
	free, err := process.FreeDisk(s.opts.Uploads)
	if err != nil {
		return have, fmt.Errorf("free space of the folder for uploads: %w", err)
	}
	if left := max(free-uploadReserve, 0); f.size-offset > left {
		return have, &refusal{
			http.StatusInsufficientStorage, fmt.Sprintf("%d MB of the file are left to upload, and only %d MB are free for uploads", (f.size-offset)/1e6, left/1e6),
		}
	}
	if err := root.MkdirAll(f.folder(), 0o755); err != nil {
		return have, fmt.Errorf("make a folder for an upload: %w", err)
	}
	file, err := root.OpenFile(f.part(), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return have, fmt.Errorf("make a file in the folder for uploads: %w", err)
	}
	n, err := file.WriteAt(data, offset)
	if err := errors.Join(err, file.Close()); err != nil { // what was written is right, and continued from
		return offset + int64(n), &refusal{http.StatusInsufficientStorage, "the upload could not be stored: " + err.Error()}
	}
	return offset + int64(n), nil
}

// complete gives a file its name when it has the right checksum. One that has not is removed, because nothing can be continued from it.
func complete(w http.ResponseWriter, r *http.Request, root *os.Root, f submission) error {
	there, err := isWhole(w, r, root, f, f.part())
	if err != nil {
		return err
	}
	if !there {
		return errors.Join(&refusal{http.StatusConflict, "the file has another checksum than was announced: it changed while it was uploaded, or on the way"}, root.Remove(f.part()))
	}
	file, err := root.OpenFile(f.part(), os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(file.Sync(), file.Close())
	}
	if err == nil {
		err = root.Rename(f.part(), f.final()) // which has the same content, or was damaged
	}
	if err != nil {
		return fmt.Errorf("name the uploaded file: %w", err)
	}
	return nil
}

// sizeOf returns the size of a file; 0 if there is none.
func sizeOf(root *os.Root, name string) (int64, error) {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look into the folder for uploads: %w", err)
	case !info.Mode().IsRegular():
		return 0, &refusal{http.StatusConflict, "something that is no file has the name of the upload"}
	}
	return info.Size(), nil
}

// isWhole reports whether a file is there with the right size and checksum. It reads all of it, however long that takes.
func isWhole(w http.ResponseWriter, r *http.Request, root *os.Root, want submission, name string) (bool, error) {
	if size, err := sizeOf(root, name); err != nil || size != want.size {
		return false, err
	}
	file, err := root.Open(name)
	if err != nil {
		return false, fmt.Errorf("read an upload: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	hash, control := sha256.New(), http.NewResponseController(w)
	for r.Context().Err() == nil {
		later := time.Now().Add(2 * requestTimeout)
		_ = control.SetReadDeadline(later) // whose end would cancel the request, although all of it was read
		_ = control.SetWriteDeadline(later)
		_, err := io.CopyN(hash, file, 64<<20)
		if errors.Is(err, io.EOF) {
			return [sha256.Size]byte(hash.Sum(nil)) == want.sum, nil
		}
		if err != nil {
			return false, fmt.Errorf("read an upload: %w", err)
		}
	}
	return false, r.Context().Err()
}
