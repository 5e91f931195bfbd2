package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
)

// enoughSpace is the free space below which examineScratch warns: the intermediate files and the output of a film of two hours
// at 5 Mbit/s, 4.5 GB each. A job estimates its own need and is refused where it will not fit.
const enoughSpace = 10e9

// enoughFiles is the number of free inodes below which examineScratch warns: the media segments of a package of two hours with
// seven renditions, six seconds each, are 8,400 files.
const enoughFiles = 20_000

// volume is the file system of a folder.
type volume struct {
	kind   string // "ext4", or a number where the name is unknown
	remote bool   // a server's: locks and SQLite's shared memory may not work, or only on one machine
	memory bool   // its files take up memory
	limit  int64  // size of the largest file; 0: none that matters
	free   int64  // bytes
	files  int64  // free inodes; -1: without limit or unknown
	ulimit int64  // this process's own limit on the size of a file; 0: none
}

// examineScratch tries, in the scratch folder, everything that a job does there.
func (r *Report) examineScratch(ctx context.Context, folder string) {
	parent, err := existing(folder)
	if err != nil {
		r.add("scratch", Failure, text(err), "choose another folder with --scratch or MAPREEL_SCRATCH")
		return
	}
	tmp, err := os.MkdirTemp(parent, ".mapreel-doctor-")
	if err != nil {
		r.add("scratch", Failure, fmt.Sprintf("%s: cannot be written: %v", folder, cause(err)), "choose another folder with --scratch or MAPREEL_SCRATCH")
		return
	}
	defer os.RemoveAll(tmp)
	v, err := volumeOf(tmp)
	if err != nil {
		r.add("scratch", Warning, fmt.Sprintf("%s: free space unknown: %v", folder, cause(err)), "")
	} else {
		r.judge(folder, v)
	}
	r.tryFeatures(ctx, tmp)
}

// existing returns folder, or the nearest folder above it that exists.
func existing(folder string) (string, error) {
	for at := folder; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && info.IsDir():
			return at, nil
		case err == nil:
			return "", fmt.Errorf("%s: %s is not a folder", folder, at)
		case !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at):
			return "", fmt.Errorf("%s: %w", folder, cause(err))
		}
	}
}

// cause returns the error of the system call without the path, which the caller names.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// judge reports on a file system's kind and free space.
func (r *Report) judge(folder string, v volume) {
	text := fmt.Sprintf("%s: %s free, %s", folder, gigabytes(v.free), v.kind)
	const other = "choose another folder with --scratch or MAPREEL_SCRATCH"
	var hints []string
	if v.free < enoughSpace {
		hints = append(hints, fmt.Sprintf("a film of two hours takes about %s for intermediate files and output together", gigabytes(enoughSpace)))
	}
	if v.files >= 0 && v.files < enoughFiles {
		text += fmt.Sprintf(", %d more files", v.files)
		hints = append(hints, fmt.Sprintf("a package of two hours is up to %d files", enoughFiles))
	}
	if v.memory {
		hints = append(hints, "files in "+v.kind+" take up memory, which encoders need")
	}
	if v.remote {
		hints = append(hints, "use a network file system from one machine only: the record of jobs (SQLite) is not safe on more")
	}
	if v.limit > 0 {
		hints = append(hints, fmt.Sprintf("a file in %s has at most %s; a larger output fails when it is merged", v.kind, gigabytes(v.limit)))
	}
	if len(hints) == 0 {
		r.add("scratch", OK, text, "")
	} else {
		r.add("scratch", Warning, text, strings.Join(append(hints, other), "; "))
	}
	if v.ulimit > 0 {
		r.add("file size", Warning, fmt.Sprintf("a file has at most %d bytes by the limit of this shell; a larger output fails when it is merged", v.ulimit),
			"ulimit -f unlimited")
	}
}

// feature is something that a job asks of the scratch folder's file system.
type feature struct {
	name  string
	level Level // where it is missing
	try   func(ctx context.Context, folder string) error
	hint  string // what mapreel does without it, or what to do
}

var features = []feature{
	{"atomic rename", Failure, tryRename, "mapreel publishes files by it: choose another folder with --scratch or MAPREEL_SCRATCH"},
	{"record of jobs", Failure, tryLedger, "SQLite needs locks and shared memory: choose a folder on a local disk with --scratch or MAPREEL_SCRATCH"},
	{"file locks", Warning, tryLock, "without them gc judges by age alone, and two commands at once may do the same work"},
	{"hard links", Warning, tryLink, "without them transcode --no-overwrite has a moment in which it may replace a file"},
	{"copies by the kernel", Warning, tryCopy, "without them a merge reads and writes every byte through mapreel, which takes longer"},
}

// tryFeatures tries each feature and reports them in one line, and each that is missing in one of its own.
func (r *Report) tryFeatures(ctx context.Context, folder string) {
	var have []string
	for i, f := range features {
		at := filepath.Join(folder, fmt.Sprint(i))
		err := os.Mkdir(at, 0o700)
		if err == nil {
			err = f.try(ctx, at)
		}
		if err != nil {
			r.add(f.name, f.level, strings.ReplaceAll(text(err), folder, "scratch"), f.hint)
			continue
		}
		have = append(have, f.name)
	}
	if shared, err := trySharing(folder); err == nil && shared {
		have = append(have, "shared blocks")
	}
	r.add("file system", OK, strings.Join(have, ", "), "")
}

// tryRename writes a file, syncs it and its folder, and renames it over another.
func tryRename(_ context.Context, folder string) error {
	before, after := filepath.Join(folder, "before"), filepath.Join(folder, "after")
	if err := os.WriteFile(after, []byte("old"), 0o600); err != nil {
		return err
	}
	f, err := os.Create(before)
	if err != nil {
		return err
	}
	_, err = f.WriteString("new")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(before, after); err != nil {
		return err
	}
	data, err := os.ReadFile(after)
	if err == nil && string(data) != "new" {
		err = fmt.Errorf("a renamed file has the content %q", data)
	}
	return err
}

// tryLedger opens a ledger as a job does.
func tryLedger(ctx context.Context, folder string) error {
	l, err := sqlite.Open(ctx, filepath.Join(folder, "ledger.db"))
	if err != nil {
		return err
	}
	return l.Close()
}

// tryLink makes a hard link, and expects that a second one of the name is refused.
func tryLink(_ context.Context, folder string) error {
	from, to := filepath.Join(folder, "from"), filepath.Join(folder, "to")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	switch err := os.Link(from, to); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return errors.New("a link replaced a file")
}

// tryLock locks a file and expects that a second lock is refused.
func tryLock(_ context.Context, folder string) error {
	name := filepath.Join(folder, "locked")
	first, err := os.Create(name)
	if err != nil {
		return err
	}
	defer first.Close() //nolint:errcheck // nothing was written
	second, err := os.Open(name)
	if err != nil {
		return err
	}
	defer second.Close() //nolint:errcheck // only read
	if err := unix.Flock(int(first.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	switch err := unix.Flock(int(second.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil
	case err != nil:
		return fmt.Errorf("flock of a locked file: %w", err)
	}
	return errors.New("a locked file can be locked again")
}
