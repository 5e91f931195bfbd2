package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// Fetched is what Fetch has done.
type Fetched struct {
	Files     []string `json:"files"`               // names in the folder, with slashes
	Bytes     int64    `json:"bytes"`               // of all of them
	Kept      int      `json:"kept"`                // files that an earlier call fetched
	Unchecked int      `json:"unchecked,omitempty"` // files whose store knows no checksum of the whole: their size is right
}

// remoteFile is a file that a job published.
type remoteFile struct {
	name     string // below the folder that it is fetched into, with slashes
	size     int64
	version  string // changes with the content
	modified time.Time
	// open returns the bytes from an offset to the end, and the checksum of the whole file; nil where its store knows none. The
	// content must be that of the version.
	open func(ctx context.Context, offset int64) (io.ReadCloser, *checksum, error)
}

// Fetch copies the outputs of a job that is done into a folder. A file appears there when it is complete and its checksum is right;
// until then it has a hidden name in the same folder, and another call continues it. Every file is placed inside the folder, whatever
// its output is called. observe is called often, from several goroutines.
func (c *Client) Fetch(ctx context.Context, job Job, folder string, observe func(Transfer)) (Fetched, error) {
	if job.Status != Succeeded {
		hint := "mapreel watch " + job.Name + " waits for its end"
		if job.Ended() {
			hint = "mapreel status " + job.Name + " says why"
		}
		return Fetched{}, fault.WithHint(fault.New(fault.NotFound, "job %s has no outputs: it is %s", job.Name, job.Status), hint)
	}
	files, err := c.published(ctx, job)
	if err != nil {
		return Fetched{}, err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil { //nolint:gosec // the user's umask decides
		return Fetched{}, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return Fetched{}, err
	}
	defer root.Close()
	done := Fetched{Files: []string{}}
	for _, f := range files {
		done.Files, done.Bytes = append(done.Files, f.name), done.Bytes+f.size
	}
	var kept, unchecked atomic.Int64
	t := &transferred{total: done.Bytes, observe: observe}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	for _, f := range files {
		group.Go(func() error {
			result, err := f.fetch(gctx, root, t)
			switch result {
			case wasThere:
				kept.Add(1)
			case sizeOnly:
				unchecked.Add(1)
			}
			return err
		})
	}
	err = group.Wait()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	done.Kept, done.Unchecked = int(kept.Load()), int(unchecked.Load())
	return done, err
}

// transferred sums up what several goroutines have transferred.
type transferred struct {
	total   int64
	done    atomic.Int64
	observe func(Transfer)
}

func (t *transferred) add(n int64) { t.observe(Transfer{"fetching", t.done.Add(n), t.total}) }

// published returns the files of a job's outputs, each once.
func (c *Client) published(ctx context.Context, job Job) ([]remoteFile, error) {
	if _, here := c.OnServer(); c.cloud == nil && !here {
		return c.serverFiles(ctx, job)
	}
	var files []remoteFile
	for _, data := range job.Outputs {
		var facts film.OutputFacts
		if err := json.Unmarshal(data, &facts); err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "outputs of "+job.Name)
		}
		var list []remoteFile
		var err error
		if c.cloud != nil {
			list, err = c.objects(ctx, facts)
		} else {
			list, err = localFiles(ctx, facts)
			if errors.Is(err, fs.ErrNotExist) { // the address is that of a tunnel to another machine, or the file is gone there too
				return c.serverFiles(ctx, job)
			}
		}
		if err != nil {
			return nil, err
		}
		files = append(files, list...)
	}
	return named(files, job)
}

// named returns files, each once, with their names below the destination of their job.
func named(list []remoteFile, job Job) (files []remoteFile, err error) {
	seen := map[string]bool{}
	for _, f := range list {
		if f.name, err = nameBelow(f.name, job.Destination); err != nil {
			return nil, err
		}
		if !seen[f.name] { // previews of one name share a list
			seen[f.name], files = true, append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, fault.New(fault.NotFound, "job %s has published no file", job.Name)
	}
	return files, nil
}

// nameBelow returns the name of a file, a path or a URL, below the destination of its job. One that lies elsewhere, or that would
// leave the folder it is fetched into, is an error.
func nameBelow(location, destination string) (string, error) {
	name, ok := strings.CutPrefix(location, strings.TrimSuffix(destination, "/")+"/")
	switch {
	case !ok || name == "" || name == "." || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)):
		return "", fault.New(fault.Corrupt, "output %s does not lie in the destination of its job, %s", location, destination)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\\' }):
		return "", fault.New(fault.Corrupt, "output %s has a name that is not safe on every system", location)
	}
	return name, nil
}

// localFiles returns the files of an output of a server on this machine.
func localFiles(ctx context.Context, facts film.OutputFacts) (files []remoteFile, err error) {
	add := func(path string) error {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() { // a link may lead anywhere
			return err
		}
		files = append(files, fileHere(path, info))
		return ctx.Err()
	}
	for _, url := range []string{facts.URL, facts.Manifest} {
		if url == "" {
			continue
		}
		if err := add(strings.TrimPrefix(url, "file://")); err != nil {
			return nil, err
		}
	}
	if facts.Folder == "" {
		return files, nil
	}
	err = filepath.WalkDir(strings.TrimPrefix(facts.Folder, "file://"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		return add(path)
	})
	return files, err
}

// fileHere returns a file of this machine, whose checksum is computed.
func fileHere(path string, info fs.FileInfo) remoteFile {
	return remoteFile{
		name: filepath.ToSlash(path), size: info.Size(), version: info.ModTime().UTC().String(), modified: info.ModTime(),
		open: func(_ context.Context, offset int64) (io.ReadCloser, *checksum, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, nil, err
			}
			whole := sha256.New()
			if _, err = io.Copy(whole, f); err == nil {
				_, err = f.Seek(offset, io.SeekStart)
			}
			if err != nil {
				return nil, nil, errors.Join(err, f.Close())
			}
			return f, &checksum{"SHA-256", sha256.New(), whole.Sum(nil)}, nil
		},
	}
}

// How a file was fetched.
const (
	checked = iota
	sizeOnly
	wasThere
)

// fetch copies a file into the folder.
func (f remoteFile) fetch(ctx context.Context, root *os.Root, t *transferred) (result int, err error) {
	name := filepath.FromSlash(f.name)
	if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() == f.size && info.ModTime().Equal(f.modified) {
		t.add(f.size) // fetch sets the time once the checksum was right
		return wasThere, nil
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // the user's umask decides
			return checked, err
		}
	}
	version := sha256.Sum256([]byte(f.version))
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+hex.EncodeToString(version[:4])+".part")
	out, err := root.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666) //nolint:gosec // the user's umask decides
	if err != nil {
		return checked, err
	}
	result, err = f.fill(ctx, out, t)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		if fault.KindOf(err) == fault.Corrupt {
			_ = root.Remove(part) // another call begins anew
		}
		return result, err
	}
	if err := root.Chtimes(part, f.modified, f.modified); err != nil {
		return result, err
	}
	return result, root.Rename(part, name)
}

// fill writes what is missing of a file, and checks the whole.
func (f remoteFile) fill(ctx context.Context, out *os.File, t *transferred) (result int, err error) {
	have, err := out.Seek(0, io.SeekEnd)
	if err == nil && have > f.size {
		have, err = 0, out.Truncate(0)
	}
	if err != nil {
		return checked, err
	}
	body, sum, err := f.open(ctx, have)
	if err != nil {
		return checked, err
	}
	defer body.Close()
	var both io.Writer = out
	if sum != nil {
		if _, err := io.Copy(sum.hash, io.NewSectionReader(out, 0, have)); err != nil {
			return checked, err
		}
		both = io.MultiWriter(out, sum.hash)
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return checked, err
	}
	t.add(have)
	n, err := io.Copy(both, &counting{ctx, io.LimitReader(body, f.size-have+1), t})
	switch {
	case err != nil:
		return checked, fault.Wrap(fault.KindOf(err), err, "fetch "+f.name)
	case have+n != f.size:
		return checked, fault.New(fault.Corrupt, "fetch %s: %d bytes came, not %d", f.name, have+n, f.size)
	case sum != nil && !sum.right():
		return checked, fault.WithHint(fault.New(fault.Corrupt, "fetch %s: its %s is not that of the output", f.name, sum.name), "the same command fetches it anew")
	case sum == nil:
		result = sizeOnly
	}
	return result, out.Sync()
}

// counting counts what is read, and ends with ctx.
type counting struct {
	ctx context.Context //nolint:containedctx // of one copy
	r   io.Reader
	t   *transferred
}

func (c *counting) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.r.Read(p)
	c.t.add(int64(n))
	return n, err
}
