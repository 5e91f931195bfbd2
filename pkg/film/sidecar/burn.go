package sidecar

import (
	"bytes"
	"context"
	"fmt"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/burnin"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// burn reads subtitles that are drawn into the picture, and stores them as the script that every segment draws.
func (a *attempt) burn(ctx context.Context, b film.BurntSubtitles) (work.Result, error) {
	facts, err := a.script(ctx, b)
	if err != nil {
		return work.Result{}, fmt.Errorf("subtitles of the picture: %w", err)
	}
	r := work.Result{Artifacts: a.artifacts, Done: work.Amount{Bytes: facts.Size}}
	if facts.Events == 0 {
		r.Warnings = append(r.Warnings, "the subtitles that are to be drawn into the picture are empty")
	}
	return r, r.SetFacts(facts)
}

// script stores the script.
func (a *attempt) script(ctx context.Context, b film.BurntSubtitles) (facts film.BurnFacts, err error) {
	src := a.job.Source
	files := burnin.Files(b.Stream, a.Dir)
	if b.File != "" {
		if files, err = a.openBeside(ctx, b.File, files); err != nil {
			return facts, err
		}
		files.Input.Origin = 0
	} else {
		if files.Input, err = input.Source(ctx, a.Resolve, src); err != nil {
			return facts, err
		}
		if files.Input.Jumps = input.Jumps(src, input.NoStream); files.Input.Jumps == nil { // with Jumps, ffmpeg subtracts the source's start itself
			files.Input.Origin = int64(src.WholeOrigin().In(media.Microseconds))
			if src.Cut != nil && src.Cut.Start != nil {
				files.Seek = new(int64(*src.Cut.Start) - cueReach)
			}
		}
	}
	declared, worker := input.Budget(a.Env, src)
	script, err := burnin.Read(ctx, a.tools, files, b.Codec != string(subtitle.ASS), ffmpeg.RunOptions{
		Dir: a.Dir, Limits: worker.Limit(ctx, budget.Sidecar(declared)),
		OnProgress: func(p ffmpeg.Progress) { a.Progress(work.Amount{Bytes: max(p.Bytes, 0)}) },
	})
	if err != nil {
		return facts, err
	}
	if facts.Events = script.Events(); facts.Events > 0 {
		facts.StoredObject, err = a.put(ctx, 0, "ass", bytes.NewReader(script.Moved(0)))
	}
	return facts, err
}
