package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// uploadTries is how often a part is sent before its upload fails, and uploadPause the first pause between them, which doubles:
	// together half a minute, in which a server is started again.
	uploadTries = 6
	uploadPause = time.Second
	// maxSubmittedPart is how many bytes a server takes at once: console.MaxSubmittedPart.
	maxSubmittedPart = 2 << 20
)

// Places are the folders of a server, by their paths on its machine.
type Places struct {
	Roots   []string `json:"roots"`   // that sources and outputs lie in; also URLs
	Uploads string   `json:"uploads"` // that uploads go to, below one of them
}

// Places returns the folders of the client's server. The error is of kind fault.NotFound where the server does not say.
func (c *Client) Places(ctx context.Context) (p Places, err error) {
	body, _, err := c.get(ctx, "settings", nil, nil)
	if err != nil {
		return p, err
	}
	defer body.Close()
	const longest = 4 << 20 // presets are among the settings
	return p, fault.Wrap(fault.Transient, json.NewDecoder(io.LimitReader(body, longest)).Decode(&p), "folders of "+c.endpoint)
}

// submitted is what a server has of an upload: console.Submitted.
type submitted struct {
	Have int64  `json:"have"`
	Path string `json:"path"` // of the whole file on the server, if that has it
}

// serverUpload is an upload to a server. Parts follow each other, and what the server has of the file is where the next one begins, so
// that any client continues what another one began.
type serverUpload struct {
	*Client
	file    *os.File
	query   url.Values
	size    int64
	observe func(Transfer)
	pause   time.Duration
}

// uploadToServer copies a file of this machine to the folder for uploads of a server, and returns its path there.
func (c *Client) uploadToServer(ctx context.Context, path string, observe func(Transfer)) (string, error) {
	f, before, err := openSource(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	sum, err := readSHA256(ctx, f, before.Size(), observe)
	if err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "read "+path)
	}
	u := &serverUpload{Client: c, file: f, size: before.Size(), observe: observe, pause: uploadPause}
	u.query = url.Values{"file": {serverName(path)}, "size": {strconv.FormatInt(u.size, 10)}, "sha256": {hex.EncodeToString(sum)}}
	there, err := u.run(ctx)
	if err != nil && ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	changed := fault.KindOf(err) == fault.Corrupt
	if after, serr := f.Stat(); serr == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
		changed = true
	}
	if changed {
		return "", fault.WithHint(fault.New(fault.Corrupt, "%s changed while it was uploaded", path), "give the same command again when it is complete")
	}
	return there, fault.Wrap(fault.KindOf(err), err, "upload "+path)
}

// openSource opens a file to upload it.
func openSource(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.WithHint(fault.New(fault.Invalid, "cannot read %s: no such file", path), "check the path of the source")
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "upload")
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fault.New(fault.Invalid, "%s is not a file", path)
	case info.Size() == 0:
		err = fault.New(fault.Invalid, "%s is empty", path)
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, nil, err
	}
	return f, info, nil
}

// readSHA256 reads a file and returns its checksum.
func readSHA256(ctx context.Context, f io.Reader, size int64, observe func(Transfer)) ([]byte, error) {
	hash, buffer := sha256.New(), make([]byte, 1<<20)
	for done := int64(0); ; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := f.Read(buffer)
		_, _ = hash.Write(buffer[:n]) // never fails
		done += int64(n)
		observe(Transfer{"reading", done, size})
		switch {
		case errors.Is(err, io.EOF) && done == size:
			return hash.Sum(nil), nil
		case errors.Is(err, io.EOF):
			return nil, errChanged
		case err != nil:
			return nil, err
		}
	}
}

// run sends what the server does not have.
func (u *serverUpload) run(ctx context.Context) (string, error) {
	state, err := u.retried(ctx, func() (submitted, error) { return u.exchange(ctx, http.MethodGet, u.query, nil) })
	buffer := make([]byte, maxSubmittedPart)
	for err == nil && state.Path == "" {
		u.observe(Transfer{"uploading", state.Have, u.size})
		if state.Have < 0 || state.Have > u.size {
			return "", fault.New(fault.Corrupt, "%s has %d bytes of a file of %d", u.endpoint, state.Have, u.size)
		}
		part := buffer[:min(int64(len(buffer)), u.size-state.Have)] // of no bytes if only its end was missed
		if _, err := u.file.ReadAt(part, state.Have); err != nil {
			if errors.Is(err, io.EOF) {
				err = fault.Wrap(fault.Corrupt, errChanged, "read")
			}
			return "", err
		}
		state, err = u.retried(ctx, func() (submitted, error) {
			query := url.Values{"offset": {strconv.FormatInt(state.Have, 10)}}
			for name, values := range u.query {
				query[name] = values
			}
			return u.exchange(ctx, http.MethodPost, query, part)
		})
	}
	if err == nil {
		u.observe(Transfer{"uploading", u.size, u.size})
	}
	return state.Path, err
}

// retried calls do again when what failed may succeed later.
func (u *serverUpload) retried(ctx context.Context, do func() (submitted, error)) (state submitted, err error) {
	pause := u.pause
	for try := 1; ; try++ {
		state, err = do()
		if fault.KindOf(err) != fault.Transient || try == uploadTries {
			return state, err
		}
		if err := sleep(ctx, pause); err != nil {
			return state, err
		}
		pause *= 2
	}
}

// exchange sends one request of an upload.
func (u *serverUpload) exchange(ctx context.Context, method string, query url.Values, content []byte) (state submitted, err error) {
	body, _, err := u.ask(ctx, method, "submitted", query, nil, content)
	if fault.KindOf(err) == fault.NotFound {
		return state, fault.WithHint(fault.Wrap(fault.Unsupported, err, u.endpoint+" takes no uploads"), "copy the film below its --root, and give its path there")
	}
	if err != nil {
		return state, err
	}
	defer body.Close()
	const longest = 64 << 10 // of a path
	return state, fault.Wrap(fault.Transient, json.NewDecoder(io.LimitReader(body, longest)).Decode(&state), "answer of "+u.endpoint)
}

// serverName returns the last element of a path as a name that a server gives to a file.
func serverName(path string) string {
	const longest = 200
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == '\\' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(filepath.Base(path), "_")))
	if strings.HasPrefix(name, ".") {
		name = "_" + name
	}
	if len(name) > longest {
		ext := filepath.Ext(name)
		if len(ext) > longest/2 {
			ext = ""
		}
		cut := longest - len(ext)
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = strings.TrimSpace(name[:cut]) + ext
	}
	return name
}
