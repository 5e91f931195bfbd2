// Package watch starts a job for each film that is uploaded into a folder.
//
//	err := watch.Run(ctx, watch.Folder{Path: "/films/in", Start: start, Outcome: outcome, Log: log})
//
// A file is taken when its size and its time have not changed for a while. Its job has a name that follows from the file's path,
// size and time, so no file is taken twice, by a later run either, as long as names are remembered. The file of a job that is
// done is moved to the subfolder "done". Beside the file of one that failed lies NAME.error.txt, until the job succeeds after all.
package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Folder is a folder that is watched. Path, Start and Outcome are required.
type Folder struct {
	Path string
	// Start starts the job of a name for a file. A name that was started before is no error.
	Start func(ctx context.Context, name, file string) error
	// Outcome returns what became of the job of a name.
	Outcome func(ctx context.Context, name string) (Outcome, error)

	Interval time.Duration // between looks; 0: two seconds
	Settle   time.Duration // how long a file must not change; 0: five seconds
	Log      *slog.Logger  // may be nil
}

// Outcome is what became of a job.
type Outcome struct {
	Ended   bool
	Failure string // what a person should know of a job that failed; "" for one that is done
}

// Names of what this package makes in the folder.
const (
	doneFolder  = "done"
	errorSuffix = ".error.txt"
)

// sight is a file as it was seen.
type sight struct {
	size    int64
	changed time.Time // the file's time
	since   time.Time // when it was seen first like this
	started bool
}

// watcher is a watched folder and what was seen in it.
type watcher struct {
	Folder
	seen map[string]sight // by name
}

// Run watches until ctx ends. A look that fails is logged, and repeated.
func Run(ctx context.Context, f Folder) error {
	if f.Interval == 0 {
		f.Interval = 2 * time.Second
	}
	if f.Settle == 0 {
		f.Settle = 5 * time.Second
	}
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	info, err := os.Stat(f.Path)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "watch "+f.Path)
	}
	w := &watcher{f, map[string]sight{}}
	tick := time.NewTicker(f.Interval)
	defer tick.Stop()
	for {
		if err := w.look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			f.Log.ErrorContext(ctx, "folder not watched", "folder", f.Path, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look looks at every file once.
func (w *watcher) look(ctx context.Context, now time.Time) error {
	entries, err := os.ReadDir(w.Path)
	if err != nil {
		return err
	}
	present := map[string]sight{}
	var errs []error
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !candidate(info) { // it is gone, or no film
			continue
		}
		s := observe(w.seen[info.Name()], info, now)
		if now.Sub(s.since) >= w.Settle {
			taken, err := w.take(ctx, info, s)
			errs = append(errs, err)
			s.started = taken
		}
		present[info.Name()] = s
	}
	w.seen = present
	return errors.Join(errs...)
}

// candidate reports whether a file may be an upload that is complete: not hidden, as those of rsync are, and not named as one
// that is being written.
func candidate(info fs.FileInfo) bool {
	name := info.Name()
	if !info.Mode().IsRegular() || info.Size() == 0 || strings.HasPrefix(name, ".") {
		return false
	}
	for _, suffix := range []string{errorSuffix, ".part", ".partial", ".filepart", ".tmp", ".crdownload", "~"} {
		if strings.HasSuffix(strings.ToLower(name), suffix) {
			return false
		}
	}
	return true
}

// observe returns a file as it is seen now: since when it has been like this.
func observe(before sight, info fs.FileInfo, now time.Time) sight {
	if before.size == info.Size() && before.changed.Equal(info.ModTime()) && !before.since.IsZero() {
		return before
	}
	return sight{size: info.Size(), changed: info.ModTime(), since: now}
}

// take starts the job of a file, once, and then follows it.
func (w *watcher) take(ctx context.Context, info fs.FileInfo, s sight) (started bool, err error) {
	path := filepath.Join(w.Path, info.Name())
	name := jobName(path, info)
	if !s.started {
		if err := w.Start(ctx, name, path); err != nil {
			return false, err
		}
	}
	outcome, err := w.Outcome(ctx, name)
	switch {
	case err != nil || !outcome.Ended:
		return true, err
	case outcome.Failure != "":
		return true, w.note(path+errorSuffix, outcome.Failure)
	}
	if err := os.Remove(path + errorSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return true, w.moveDone(path, name)
}

// note writes the reason for a job's failure to a file next to its source, replacing the file of an earlier run. It does not follow
// a symbolic link there.
func (w *watcher) note(path, text string) error {
	text += "\n"
	if there, err := os.ReadFile(path); err == nil && string(there) == text {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// moveDone moves a file to the folder of those that are done, beside another of its name.
func (w *watcher) moveDone(path, name string) error {
	folder := filepath.Join(w.Path, doneFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	target := filepath.Join(folder, filepath.Base(path))
	if _, err := os.Lstat(target); err == nil {
		target = filepath.Join(folder, name+filepath.Ext(path))
	}
	w.Log.Info("file done", "file", path, "now", target) //nolint:sloglint // of no request
	return os.Rename(path, target)
}

// unsafe matches what the name of an execution does not have.
var unsafe = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// jobName returns the name of a file's job: the file's own, as far as that can be one, and a digest of path, size and time.
func jobName(path string, info fs.FileInfo) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", path, info.Size(), info.ModTime().UnixNano()))
	base := strings.Trim(unsafe.ReplaceAllString(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), "-"), "-")
	return base[:min(len(base), 60)] + "-" + hex.EncodeToString(sum[:6])
}
