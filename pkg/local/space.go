package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/work"
)

// Disk is the file system that a folder lies on.
type Disk struct {
	ID   uint64 // the same for folders on the same file system
	Free int64  // bytes that we may still write
}

// checked wraps the stage Analyse: it refuses a job that will run out of disk space, before anything is done for it. Phases
// that are planned later are part of the first estimate.
func (r *runner) checked(analyse engine.Handler) engine.Handler {
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		out, err := analyse(ctx, input)
		if err != nil {
			return nil, err
		}
		var in engine.AnalyseInput
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "input of Analyse")
		}
		if in.Job != "" {
			return out, nil
		}
		var next engine.Next
		if err := json.Unmarshal(out, &next); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "output of Analyse")
		}
		return out, r.checkSpace(ctx, next.Job)
	}
}

func (r *runner) checkSpace(ctx context.Context, id string) error {
	record, err := r.ledger.Job(ctx, id)
	if err != nil {
		return err
	}
	p, err := engine.DecodePlan(record)
	if err != nil {
		return err
	}
	groups, _, err := engine.ReadProgress(ctx, r.ledger, p)
	if err != nil {
		return err
	}
	look := r.opts.Disk
	if look == nil {
		look = disk
	}
	scratch, err := look(r.opts.Scratch)
	if err == nil && origin.Remote(r.destination) {
		need := needed(groups)
		return enough(work.Space{Scratch: need.Scratch}, r.opts.Scratch, scratch, r.destination, Disk{ID: scratch.ID + 1})
	}
	if err == nil {
		var destination Disk
		if destination, err = look(existing(r.destination)); err == nil {
			return enough(needed(groups), r.opts.Scratch, scratch, r.destination, destination)
		}
	}
	if r.opts.Log != nil { // then the job finds out by trying
		r.opts.Log.WarnContext(ctx, "free space unknown", "job", id, "error", err)
	}
	return nil
}

// Disk space of the ledger and the indexes, on top of the artifacts.
const (
	fixedSpace  = 1 << 20
	spaceMargin = 1.05
)

// needed returns the bytes that the units which are not done may yet write.
func needed(groups []engine.GroupProgress) work.Space {
	var scratch, destination float64
	for _, g := range groups {
		scratch += float64(g.Space.Scratch) * g.Left()
		destination += float64(g.Space.Destination) * g.Left()
	}
	whole := func(bytes float64) int64 { return int64(min(bytes*spaceMargin+fixedSpace, math.MaxInt64/4)) }
	return work.Space{Scratch: whole(scratch), Destination: whole(destination)}
}

// enough returns an error that names what is missing where the job does not fit.
func enough(need work.Space, scratch string, here Disk, destination string, there Disk) error {
	short := func(where string, bytes, free int64) error {
		if bytes <= free {
			return nil
		}
		return fault.New(fault.OutOfSpace, "not enough space in %s: the job may need %s there, %s are free", where, megabytes(bytes), megabytes(free))
	}
	var err error
	if here.ID == there.ID {
		err = short(scratch+" and "+destination+", which are on one disk", need.Scratch+need.Destination, here.Free)
	} else {
		err = errors.Join(short(scratch, need.Scratch, here.Free), short(destination, need.Destination, there.Free))
	}
	if err == nil {
		return nil
	}
	return &fault.Error{
		Kind: fault.OutOfSpace, Err: err,
		Hint: "free some space, choose another folder by --scratch or for the output, or try all the same with --ignore-space",
	}
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// existing returns the nearest folder of a path that exists.
func existing(path string) string {
	folder := filepath.Clean(path)
	for {
		_, err := os.Stat(folder)
		if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}
