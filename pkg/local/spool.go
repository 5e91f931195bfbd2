package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/httpblob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/private"
)

// Pipe is the source of a request that comes through a pipe, until Receive has stored it.
const Pipe = "-"

// Input is what Receive reads a source from.
type Input struct {
	Stdin io.Reader    // what Pipe means
	Say   func(string) // is told in a line what is stored before the work begins; may be nil
}

// places returns what finds files of other machines.
func (o Options) places() *origin.Places {
	settings := o.Places
	for _, root := range o.Roots {
		if origin.Remote(root) {
			settings.Roots = append(settings.Roots[:len(settings.Roots):len(settings.Roots)], root)
		}
	}
	return origin.New(settings)
}

// Conceal moves what gives access from the source of a request, such as the password of an address, to settings. The request
// that it returns is the one to record.
func Conceal(request json.RawMessage, settings origin.Settings) (json.RawMessage, origin.Settings, error) {
	source, err := sourceOf(request)
	if err != nil {
		return nil, settings, err
	}
	public, secret, err := origin.Conceal(source)
	if err != nil || public == source {
		return request, settings, err
	}
	settings.Secrets = maps.Clone(settings.Secrets)
	if settings.Secrets == nil {
		settings.Secrets = map[string]httpblob.Secret{}
	}
	settings.Secrets[public] = secret
	request, err = withSource(request, public)
	return request, settings, err
}

func sourceOf(request json.RawMessage) (string, error) {
	var envelope struct {
		Source string `json:"source"`
	}
	err := json.Unmarshal(request, &envelope)
	return envelope.Source, fault.Wrap(fault.Invalid, err, "request")
}

func withSource(request json.RawMessage, source string) (json.RawMessage, error) {
	return edit(request, func(fields, _ map[string]json.RawMessage) {
		fields["source"], _ = json.Marshal(source) // text
	})
}

// Receive makes a request ready for Run: it calls Conceal, and stores a source in the scratch folder that cannot be read in parts, such
// as what comes through a pipe. It returns the request to record and to run, and the options to run it with.
func Receive(ctx context.Context, request json.RawMessage, opts Options, in Input) (json.RawMessage, Options, error) {
	request, settings, err := Conceal(request, opts.Places)
	if err != nil {
		return nil, opts, err
	}
	opts.Places = settings
	source, err := sourceOf(request)
	if err == nil {
		err = CheckPath(source, opts.Roots)
	}
	if err != nil || source != Pipe && !origin.OnWeb(source) {
		return request, opts, err
	}
	home, err := makeScratch(opts.Scratch)
	if err != nil {
		return nil, opts, err
	}
	look := opts.Disk
	if look == nil {
		look = disk
	}
	s := spooler{home, in, look}
	var copied origin.Spooled
	if source == Pipe {
		if source, copied, err = s.pipe(ctx); err == nil {
			request, err = withSource(request, source)
		}
	} else {
		copied, err = s.file(ctx, opts.places(), source)
	}
	if err != nil || copied.Path == "" {
		return request, opts, err
	}
	opts.Places.Spooled = map[string]origin.Spooled{source: copied}
	return request, opts, nil
}

// spooledFolder is the folder of copies in a scratch folder: a folder for each, and unfinished files.
const spooledFolder = "spooled"

// spooler stores sources in a scratch folder.
type spooler struct {
	home scratch
	in   Input
	disk func(string) (Disk, error)
}

func (s spooler) say(format string, args ...any) {
	if s.in.Say != nil {
		s.in.Say(fmt.Sprintf(format, args...))
	}
}

// pipe stores what comes through the pipe, and returns its URL.
func (s spooler) pipe(ctx context.Context) (string, origin.Spooled, error) {
	if s.in.Stdin == nil {
		return "", origin.Spooled{}, fault.New(fault.Invalid, "there is no standard input here")
	}
	s.say("reading standard input into %s, because segments are read side by side", s.home.Path())
	const what = "standard input"
	file, digest, size, err := s.store(ctx, s.in.Stdin, what, -1)
	if err != nil {
		return "", origin.Spooled{}, err
	}
	if size == 0 {
		_ = os.Remove(file) // it is empty
		return "", origin.Spooled{}, fault.New(fault.Invalid, "nothing came through the pipe: standard input is empty")
	}
	s.say("%s has %s", what, megabytes(size))
	copied, err := s.keep(file, digest, origin.PipedName, "sha256:"+digest)
	return origin.PipeURL(digest), copied, err
}

// file stores a file of a web server that gives no parts of it. It returns the zero value for one that does.
func (s spooler) file(ctx context.Context, places *origin.Places, address string) (copied origin.Spooled, err error) {
	defer places.Close() //nolint:errcheck // nothing is written there
	web, err := places.File(address)
	if err != nil {
		return copied, err
	}
	facts, err := web.Look(ctx)
	if err != nil || facts.Readable() {
		return copied, asked(err)
	}
	why := "the server gives no parts of it"
	if facts.Ranges {
		why = "the server does not say how old or how large it is"
	}
	s.say("reading %s once into %s: %s", web, s.home.Path(), why)
	body, facts, err := web.Whole(ctx)
	if err != nil {
		return copied, asked(err)
	}
	defer body.Close() //nolint:errcheck // only read
	temp, digest, size, err := s.store(ctx, body, web.String(), facts.Size)
	if err != nil {
		return copied, err
	}
	if facts.Size >= 0 && size != facts.Size {
		_ = os.Remove(temp) // it is incomplete
		return copied, fault.New(fault.Transient, "%s ended after %d of %d bytes", web, size, facts.Size)
	}
	return s.keep(temp, digest, web.Key(), "sha256:"+digest)
}

// asked returns the error of a file that the request names.
func asked(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return fault.Wrap(fault.Invalid, err, "cannot read the source")
	}
	return err
}

const (
	// spaceLeft is what a copy leaves of a disk: the work that follows needs some, and a full disk stops others too.
	spaceLeft = 256 << 20
	// spaceEvery is after how many bytes the free space is looked at again.
	spaceEvery = 64 << 20
)

// store writes r to an unfinished file, whose lock it holds meanwhile. size is how many bytes are to be expected; -1: nobody knows.
func (s spooler) store(ctx context.Context, r io.Reader, what string, size int64) (file, digest string, n int64, err error) {
	folder, err := s.home.Sub(spooledFolder)
	if err != nil {
		return "", "", 0, err
	}
	if size >= 0 {
		if err := s.room(what, size); err != nil {
			return "", "", 0, err
		}
	}
	f, err := os.CreateTemp(folder.Path(), blob.Reserved)
	if err != nil {
		return "", "", 0, fault.Wrap(fault.KindOf(err), err, "store "+what)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = fault.Wrap(fault.KindOf(cerr), cerr, "store "+what)
		}
		if err != nil {
			_ = os.Remove(f.Name()) // it is of no use
		}
	}()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return "", "", 0, fault.Wrap(fault.KindOf(err), err, "lock "+f.Name())
	}
	sum := sha256.New()
	for {
		copied, err := io.CopyN(io.MultiWriter(f, sum), reading{ctx, r}, spaceEvery)
		n += copied
		switch {
		case ctx.Err() != nil:
			return "", "", n, fmt.Errorf("read %s: %w", what, fault.ContextError(ctx))
		case errors.Is(err, io.EOF):
			return f.Name(), hex.EncodeToString(sum.Sum(nil)[:20]), n, nil
		case err != nil:
			return "", "", n, fault.Wrap(fault.KindOf(err), err, "store "+what)
		}
		if err := s.room(what, 0); err != nil {
			return "", "", n, fmt.Errorf("after %s: %w", megabytes(n), err)
		}
	}
}

// reading ends when ctx does. A read of a pipe that waits for its writer is left to itself.
type reading struct {
	ctx context.Context //nolint:containedctx // io.Reader has no parameter for it; a reading lives within one call
	r   io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	if _, ok := r.r.(*os.File); !ok { // what is read over the network has the context itself
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		return r.r.Read(p)
	}
	buf, done := make([]byte, len(p)), make(chan result, 1)
	go func() {
		n, err := r.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case got := <-done:
		return copy(p, buf[:got.n]), got.err
	}
}

// room returns an error if the scratch folder has no room for so many more bytes.
func (s spooler) room(what string, bytes int64) error {
	free, err := s.disk(s.home.Path())
	if err != nil || free.Free >= bytes+spaceLeft {
		return nil //nolint:nilerr // then the copy finds out by trying
	}
	return &fault.Error{
		Kind: fault.OutOfSpace,
		What: fmt.Sprintf("not enough space in %s to store %s: %s are free, and %s must stay free", s.home.Path(), what, megabytes(free.Free), megabytes(spaceLeft)),
		Hint: "free some space, or choose another folder with --scratch",
	}
}

// keep gives a finished copy its name. A copy of the same bytes may be there already: a job that was interrupted continues with it.
func (s spooler) keep(temp, digest, name, version string) (origin.Spooled, error) {
	folder := filepath.Join(filepath.Dir(temp), digest)
	to := filepath.Join(folder, name)
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = os.Rename(temp, to)
	}
	if err != nil {
		_ = os.Remove(temp) // it is of no use
	}
	return origin.Spooled{Path: to, Version: version}, fault.Wrap(fault.KindOf(err), err, "store "+name)
}

// discardSpooled removes the copies of a job that is done.
func (s scratch) discardSpooled(settings origin.Settings) {
	for _, copied := range settings.Spooled {
		if strings.HasPrefix(copied.Path, filepath.Join(s.Path(), spooledFolder)+string(filepath.Separator)) {
			_ = os.RemoveAll(filepath.Dir(copied.Path)) // garbage removes what stays
		}
	}
}

// spooledAge is how long the copy of an unfinished job is kept after it was made: as long as such a job can be continued by default.
const spooledAge = 7 * 24 * time.Hour

// leftSpooled lists copies that no job will use any more: unfinished ones whose process is gone, and old ones.
func leftSpooled(folder *private.Folder, now time.Time) (list []string, err error) {
	entries, err := os.ReadDir(folder.Path())
	for _, entry := range entries {
		path := filepath.Join(folder.Path(), entry.Name())
		info, ierr := entry.Info()
		switch {
		case errors.Is(ierr, fs.ErrNotExist):
		case ierr != nil:
			err = errors.Join(err, ierr)
		case entry.IsDir():
			if now.Sub(info.ModTime()) > spooledAge {
				list = append(list, path)
			}
		case strings.HasPrefix(entry.Name(), blob.Reserved):
			if f, oerr := os.Open(path); oerr == nil && now.Sub(info.ModTime()) > time.Minute { // a new one may not be locked yet
				if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
					list = append(list, path)
				}
				_ = f.Close() // only locked
			} else if oerr == nil {
				_ = f.Close() // only opened
			}
		}
	}
	return list, fault.Wrap(fault.KindOf(err), err, "list copies of sources")
}
