package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/private"
)

// lock keeps two processes from working on the same request at once: both would be right, but each would do all the
// work. The kernel releases it however this process ends.
func lock(locks *private.Folder, request json.RawMessage) (*os.File, error) {
	// How wide it runs, how long its records are kept and what it may cost does not change what is asked for.
	data, err := edit(request, func(fields, compute map[string]json.RawMessage) {
		delete(fields, "retention")
		delete(compute, "concurrency")
		delete(compute, "budget")
	})
	if err == nil {
		data, err = canonical(data)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	f, err := flock(locks, hex.EncodeToString(sum[:10]))
	if errors.Is(err, errLocked) {
		return nil, busy("another process is working on the same request", "wait for it, or watch it with: mapreel jobs")
	}
	return f, fault.Wrap(fault.KindOf(err), err, "lock in the scratch folder")
}

// ErrBusy means that another run works on the same request or writes the same output. The run may succeed when that one has ended.
var ErrBusy = errors.New("another run is at work")

// busyError says in its own words what ErrBusy means.
type busyError string

func (e busyError) Error() string   { return string(e) }
func (busyError) Is(err error) bool { return err == ErrBusy } //nolint:errorlint // what Is is called for

func busy(what, hint string) error {
	return &fault.Error{Kind: fault.Transient, Hint: hint, Err: busyError(what)}
}

// errLocked reports that another process holds a lock.
var errLocked = errors.New("locked by another process")

// flock creates the file of that name in folder and locks it. The kernel releases the lock however this process ends. The holder
// removes the file before it closes it.
func flock(folder *private.Folder, name string) (*os.File, error) {
	for {
		f, err := folder.File(name)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = f.Close()
			return nil, errLocked
		}
		// The last holder removed the file when it ended. What was locked must be the file that others will find.
		mine, err := f.Stat()
		found, ferr := os.Lstat(f.Name())
		if err == nil && ferr == nil && os.SameFile(mine, found) {
			return f, nil
		}
		_ = f.Close()
	}
}

// canonical returns JSON with all fields in one order and without white space.
func canonical(data json.RawMessage) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	if err == nil {
		data, err = json.Marshal(v)
	}
	return data, fault.Wrap(fault.Internal, err, "request")
}

// edit returns a request after change has changed its fields and those of its "compute".
func edit(request json.RawMessage, change func(fields, compute map[string]json.RawMessage)) (json.RawMessage, error) {
	fields, compute := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	err := json.Unmarshal(request, &fields)
	if data, ok := fields["compute"]; ok && err == nil {
		err = json.Unmarshal(data, &compute)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request")
	}
	if fields == nil { // null
		return nil, fault.New(fault.Invalid, "the request is null")
	}
	if compute == nil {
		compute = map[string]json.RawMessage{}
	}
	change(fields, compute)
	if fields["compute"], err = json.Marshal(compute); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "request")
	}
	request, err = json.Marshal(fields)
	return request, fault.Wrap(fault.Internal, err, "request")
}
