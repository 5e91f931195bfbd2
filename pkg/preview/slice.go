// Package preview makes previews of a film: stills, and what is made of many pictures. The workers that encode segments take the
// pictures (pkg/film/encode) and store those of each segment as one object. This package makes files of them in two kinds of
// units:
//
//	slice/000012    some stills, or a file that is made of many pictures
//	preview/film    the document that lists all of them, FILM.preview.json, written last
//
// Which pictures there are follows from timestamps alone: picture k shows the last frame whose slot is at most k (film.Pictures). So
// the pictures are those of one pass over the film, wherever its segments meet.
package preview

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Slices is the kind that makes the files of previews.
type Slices struct{ Tools ffmpeg.Tools }

var _ work.Kind = Slices{}

// Name implements work.Kind.
func (Slices) Name() string { return film.SliceKind }

// Run implements work.Kind. Every attempt writes the same bytes to the same names, in a folder that belongs to the job.
func (k Slices) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	a := &attempt{Env: env, tools: k.Tools}
	if err := env.Decode(&a.job); err != nil {
		return work.Result{}, err
	}
	if err := json.Unmarshal(u.Spec, &a.slice); err != nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, err, "record of "+u.Name)
	}
	a.out = a.job.Outputs[a.slice.Output]
	a.plan = a.out.Previews[a.slice.Preview]
	a.pictures = a.job.Pictures[a.plan.Pictures]
	facts := film.SliceFacts{Output: a.slice.Output, Preview: a.slice.Preview}
	var err error
	if facts.Files, err = a.run(ctx); err != nil {
		return work.Result{Artifacts: a.artifacts}, fmt.Errorf("previews from %v: %w", media.Microseconds.Duration(a.pictures.Time(a.slice.From)), err)
	}
	facts.Frames = a.frames
	r := work.Result{Artifacts: a.artifacts, Done: work.Amount{Count: a.slice.To - a.slice.From}}
	for _, art := range a.artifacts {
		r.Done.Bytes += art.Size
	}
	if r.Announcements, err = a.announce(facts.Files); err != nil {
		return r, err
	}
	return r, r.SetFacts(facts)
}

// attempt is one attempt at a slice.
type attempt struct {
	*work.Env
	tools    ffmpeg.Tools
	job      film.Job
	slice    film.Slice
	out      film.OutputPlan
	plan     film.PreviewPlan
	pictures film.Pictures

	artifacts []work.Artifact
	frames    *film.FrameFile // of a sheet's thumbnails
}

func (a *attempt) run(ctx context.Context) ([]film.PreviewEntry, error) {
	list, err := a.find(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case a.plan.Form == film.Poster:
		return a.poster(ctx, list)
	case a.plan.Form != film.Stills:
		return a.assemble(ctx, list)
	case a.plan.Archive:
		return a.archive(ctx, list)
	}
	return a.stills(ctx, list)
}

// folder returns the URL of the folder of the job's previews.
func (a *attempt) folder() string { return a.job.Request.URL(a.out.Folder) }

// store returns where a file of the folder lies.
func (a *attempt) store(ctx context.Context, name string) (blob.Store, string, error) {
	store, key, err := a.Resolve(ctx, a.folder()+"/"+name)
	if err != nil {
		return nil, "", err
	}
	return blob.Cached(store, film.CacheForever), key, nil
}

// entry describes a still that shows picture from until picture to.
func (a *attempt) entry(name string, from, to int64, data []byte) film.PreviewEntry {
	return film.PreviewEntry{
		Path: name, Start: a.pictures.Time(from), End: min(a.pictures.Time(to), a.job.Source.Video.Length()),
		Size: int64(len(data)), Digest: digest(data),
	}
}
