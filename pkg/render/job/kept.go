package job

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kept publishes the frames of a scene in a folder, and lists them in a file, which is written last.
type Kept struct{}

var _ work.Kind = Kept{}

// Name implements work.Kind.
func (Kept) Name() string { return film.KeptKind }

// list is the file that lists the frames of a folder.
type list struct {
	Version int     `json:"version"` // of this format: 1
	Look    string  `json:"look"`    // a digest of what decides what the frames show
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Frames  []entry `json:"frames"`
}

// entry is a frame in a list.
type entry struct {
	Number int    `json:"number"`
	Path   string `json:"path"` // relative to the list
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // "sha256:" and 64 hexadecimal digits
}

const (
	listVersion = 1
	maxList     = 64 << 20 // bytes; a list of MaxFrames frames has a quarter of it
	copies      = 8        // frames copied at once
)

// Run implements work.Kind. Every attempt publishes the same bytes.
func (Kept) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	var j film.Job
	if err := env.Decode(&j); err != nil {
		return work.Result{}, err
	}
	for i, out := range j.Outputs {
		if j.Render != nil && j.OutputUnit(i) == u.Name {
			k := kept{Env: env, job: j, folder: j.Request.URL(out.Name), file: j.Request.URL(out.File)}
			r, err := k.publish(ctx)
			return r, fault.Wrap(fault.KindOf(err), err, "keep frames in "+out.Name)
		}
	}
	return work.Result{}, fault.New(fault.Internal, "job %s keeps no frames as %q", env.Job, u.Name)
}

// kept is one attempt at a folder.
type kept struct {
	*work.Env
	job          film.Job
	folder, file string // URLs
}

func (k kept) publish(ctx context.Context) (r work.Result, err error) {
	blender.Program{}.Sharing(k.Session).Release() // all frames are rendered, and ending takes a while
	numbers, err := render.ParseFrames(k.job.Render.Frames, 1)
	if err != nil {
		return r, fault.Wrap(fault.Corrupt, err, "record of job "+k.Job)
	}
	store, key, err := k.Resolve(ctx, k.file)
	if err != nil {
		return r, err
	}
	before, err := readList(ctx, store, key)
	if err != nil {
		return r, err
	}
	if err := k.checkRedo(before); err != nil {
		return r, err
	}
	now := list{Version: listVersion, Look: k.job.Render.Look, Width: k.job.Render.Width, Height: k.job.Render.Height, Frames: make([]entry, len(numbers))}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(copies)
	for i, n := range numbers {
		group.Go(func() (err error) {
			now.Frames[i], err = k.copy(inner, i, n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return r, err
	}
	facts := film.OutputFacts{URL: k.file, Folder: k.folder, Frames: len(numbers)}
	for _, f := range now.Frames {
		r.Artifacts = append(r.Artifacts, work.Artifact{Folder: k.folder, Key: f.Path, Size: f.Size})
		facts.Media += f.Size
	}
	all, stale := merge(before, now)
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return r, fault.Wrap(fault.Internal, err, "list of frames")
	}
	info, err := store.Put(ctx, key, bytes.NewReader(append(data, '\n')))
	if err != nil {
		return r, err
	}
	for _, name := range stale {
		at, key, err := k.Resolve(ctx, k.folder+"/"+name)
		if err == nil {
			err = at.Delete(ctx, key)
		}
		if err != nil {
			return r, err
		}
	}
	facts.Size, facts.Version = info.Size, info.Version
	if facts.Digest, err = blob.Digest(ctx, store, key, info.Size); err != nil {
		return r, err
	}
	r.URL = facts.URL
	r.Artifacts = append(r.Artifacts, work.Artifact{URL: k.file, Size: info.Size, Version: info.Version, Digest: facts.Digest})
	r.Done = work.Amount{Count: int64(len(numbers)), Bytes: facts.Media}
	return r, r.SetFacts(facts)
}

// checkRedo refuses to replace frames of a folder whose others show something else: publishing would remove those.
func (k kept) checkRedo(before list) error {
	if k.job.Render.Settings.Redo == "" || len(before.Frames) == 0 || before.Look == k.job.Render.Look {
		return nil
	}
	return fault.WithHint(fault.New(fault.Invalid, "the folder has frames of another version of the scene, or of other settings; nothing was replaced"),
		"give the settings that the folder's frames were rendered with, or render all frames anew, without redo")
}

// copy publishes the frame at place i of the job's list.
func (k kept) copy(ctx context.Context, i, number int) (e entry, err error) {
	e = entry{Number: number, Path: render.FileName(number, k.job.Render.Settings.Format)}
	from, err := k.Scratch.Open(ctx, render.Key(k.Job, i, k.job.Render.Settings.Format), 0, -1)
	if err != nil {
		return e, err
	}
	defer from.Close() //nolint:errcheck // it was only read
	to, key, err := k.Resolve(ctx, k.folder+"/"+e.Path)
	if err != nil {
		return e, err
	}
	sum := sha256.New()
	info, err := to.Put(ctx, key, io.TeeReader(from, sum))
	e.Size, e.Digest = info.Size, "sha256:"+hex.EncodeToString(sum.Sum(nil))
	return e, err
}

// readList reads the list of frames that a folder has; none is an empty list, and so is one that this version cannot read.
func readList(ctx context.Context, store blob.Store, key string) (l list, err error) {
	// It is looked for in a list: on AWS, S3 does not tell a missing file from a forbidden one to who may list parts of a bucket only.
	sizes, err := work.Sizes(ctx, store, key)
	if _, found := sizes[key]; err != nil || !found {
		return l, err
	}
	r, err := store.Open(ctx, key, 0, maxList)
	if err != nil {
		return l, err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return l, fmt.Errorf("read the list of frames: %w", err)
	}
	if json.Unmarshal(data, &l) != nil || l.Version != listVersion {
		return list{}, nil //nolint:nilerr // a list that cannot be read is none
	}
	return l, nil
}

// merge returns the list of a folder after frames were added to it, and the names of the files that must go: frames of another version
// of the scene are never counted together with those of this one.
func merge(before, now list) (all list, stale []string) {
	all = now
	all.Frames = slices.Clone(now.Frames)
	has := map[string]bool{}
	for _, e := range now.Frames {
		has[e.Path] = true
	}
	for _, e := range before.Frames {
		switch {
		case !render.IsFileName(e.Path, e.Number) || has[e.Path]:
		case before.Look == now.Look:
			all.Frames = append(all.Frames, e)
		default:
			stale = append(stale, e.Path)
		}
	}
	slices.SortFunc(all.Frames, func(a, b entry) int { return a.Number - b.Number })
	return all, stale
}
