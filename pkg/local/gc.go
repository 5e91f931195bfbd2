package local

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/private"
	"github.com/mapreel/mapreel/pkg/work"
)

// Leftover is something in a scratch folder that no job will use any more.
type Leftover struct {
	Job   string `json:"job,omitempty"` // "" for the working files of a process that is gone
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`
}

// Collect removes from a scratch folder the records and artifacts of jobs whose retention is over, artifacts of jobs without a
// record, and the working files of processes that are gone, and returns what it removed. With dryRun it removes nothing. What a
// live process works on stays, however old it is; other processes may use the folder meanwhile.
func Collect(ctx context.Context, scratch string, dryRun bool) ([]Leftover, error) {
	home, found, err := findScratch(scratch)
	if err != nil || !found {
		return nil, err // where no job was ever run, the files are not ours
	}
	pieces, err := home.store()
	if err != nil {
		return nil, err
	}
	l, err := home.ledger(ctx)
	if err != nil {
		return nil, err
	}
	g := garbage{home, l, pieces, time.Now()}
	var list []Leftover
	if dryRun {
		list, err = g.find(ctx)
	} else {
		list, err = g.remove(ctx)
	}
	return list, errors.Join(err, l.Close())
}

// garbage finds and removes what is left over in a scratch folder at one point in time.
type garbage struct {
	home   scratch
	ledger *sqlite.Ledger
	pieces *dir.Store
	now    time.Time
}

// minimumAge is how long artifacts without a record must have been untouched: a job that is planned again under the same ID may
// be about to use them.
const minimumAge = time.Hour

// inUse reports whether a live process works on a job.
func (g garbage) inUse(j ledger.Job) bool {
	return j.State == ledger.JobRunning && g.home.alive(j.Execution)
}

// find lists what is left over.
func (g garbage) find(ctx context.Context) ([]Leftover, error) {
	// Folders first: a job is recorded before it has artifacts, so that none is mistaken for one without a record.
	sizes := map[string]int64{}
	for info, err := range g.pieces.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		id, _, _ := strings.Cut(info.Key, "/")
		sizes[id] += info.Size
	}
	unknown := maps.Clone(sizes)
	var list []Leftover
	add := func(id, why string) {
		path := filepath.Join(g.home.pieces, id)
		list = append(list, Leftover{Job: id, Path: path, Bytes: sizes[id], Why: why})
	}
	for record, err := range g.ledger.Jobs(ctx) {
		if err != nil {
			return nil, err
		}
		if record.Expires.Before(g.now) && !g.inUse(record) {
			add(record.ID, "its retention is over")
		}
		delete(unknown, record.ID)
	}
	for id := range unknown {
		at, err := g.touched(ctx, id)
		if err != nil {
			return nil, err
		}
		if g.now.Sub(at) > minimumAge {
			add(id, "there is no record of it")
		}
	}
	slices.SortFunc(list, func(a, b Leftover) int { return strings.Compare(a.Job, b.Job) })
	copies, err := g.spooled()
	if err != nil {
		return list, err
	}
	for _, path := range copies {
		list = append(list, Leftover{Path: path, Bytes: sizeOf(path), Why: "it is the copy of a source, and no job uses it"})
	}
	folders, err := leftFolders(g.home.locks)
	for _, folder := range folders {
		if lock, free := g.seize(folder); free {
			list = append(list, Leftover{Path: folder, Bytes: sizeOf(folder), Why: "its process is gone"})
			_ = lock.Close()
		}
	}
	return list, err
}

// spooled lists the copies of sources that are left over.
func (g garbage) spooled() ([]string, error) {
	if _, err := os.Lstat(filepath.Join(g.home.Path(), spooledFolder)); err != nil {
		return nil, nil //nolint:nilerr // most scratch folders have none
	}
	folder, err := g.home.Sub(spooledFolder)
	if err != nil {
		return nil, err
	}
	return leftSpooled(folder, g.now)
}

// touched returns when the newest of a job's artifacts was written.
func (g garbage) touched(ctx context.Context, id string) (newest time.Time, err error) {
	for info, err := range g.pieces.List(ctx, work.Prefix(id)) {
		if err != nil {
			return newest, err
		}
		path := filepath.Join(g.home.pieces, filepath.FromSlash(info.Key))
		if stat, err := os.Lstat(path); err == nil && stat.ModTime().After(newest) {
			newest = stat.ModTime()
		}
	}
	return newest, nil
}

// remove removes what is left over.
func (g garbage) remove(ctx context.Context) ([]Leftover, error) {
	list, err := g.find(ctx)
	if err != nil {
		return nil, err
	}
	expired, err := g.ledger.Expire(ctx, g.now, g.inUse)
	if err != nil {
		return nil, err
	}
	removed := list[:0]
	for _, left := range list {
		switch left.Job {
		case "":
			if filepath.Base(filepath.Dir(left.Path)) == spooledFolder {
				if err := os.RemoveAll(left.Path); err != nil {
					return removed, fault.Wrap(fault.KindOf(err), err, "remove the copy of a source")
				}
				break
			}
			lock, free := g.seize(left.Path)
			if !free {
				continue
			}
			// The lock goes last, while it is held: another process then makes a new one.
			err := errors.Join(os.RemoveAll(left.Path), os.Remove(lock.Name()), lock.Close())
			if err != nil {
				return removed, fault.Wrap(fault.KindOf(err), err, "remove working files")
			}
		default:
			// A job that was started again meanwhile has a record now.
			if _, err := g.ledger.Job(ctx, left.Job); !errors.Is(err, ledger.ErrNotFound) {
				if err != nil {
					return removed, err
				}
				continue
			}
			if err := g.clear(ctx, left.Job); err != nil {
				return removed, err
			}
			expired = slices.DeleteFunc(expired, func(id string) bool { return id == left.Job })
		}
		removed = append(removed, left)
	}
	for _, id := range expired { // they expired after find looked
		if err := g.clear(ctx, id); err != nil {
			return removed, err
		}
	}
	_, err = g.pieces.Sweep(ctx, "")
	return removed, errors.Join(err, g.removeLostLogs(ctx))
}

// clear removes a job's artifacts and logs.
func (g garbage) clear(ctx context.Context, id string) error {
	for info, err := range g.pieces.List(ctx, work.Prefix(id)) {
		if err == nil {
			err = g.pieces.Delete(ctx, info.Key)
		}
		if err != nil {
			return err
		}
	}
	return g.removeLogs(id)
}

// leftFolders lists the working folders of requests. Their paths are taken literally, whatever characters they contain.
func leftFolders(locks *private.Folder) (list []string, err error) {
	entries, err := os.ReadDir(locks.Path())
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".tmp") {
			list = append(list, filepath.Join(locks.Path(), entry.Name()))
		}
	}
	return list, fault.Wrap(fault.KindOf(err), err, "list working folders")
}

// seize takes the lock of the request that a working folder belongs to, if no process holds it. The caller closes the file.
func (g garbage) seize(folder string) (*os.File, bool) {
	f, err := g.home.locks.File(strings.TrimSuffix(filepath.Base(folder), ".tmp"))
	if err != nil {
		return nil, false
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = f.Close()
		return nil, false
	}
	mine, err := f.Stat()
	found, ferr := os.Lstat(f.Name())
	if err != nil || ferr != nil || !os.SameFile(mine, found) { // another process was faster
		_ = f.Close()
		return nil, false
	}
	return f, true
}

func sizeOf(folder string) (total int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error { // a size for people
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
