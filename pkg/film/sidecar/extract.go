package sidecar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// extract has ffmpeg write some of the files, all in one pass. Where that fails because of what a track holds, it
// tries each half of them, and so on, until it knows which cannot be extracted, and adds their
// errors to failed, by their place in files.Subtitles, then files.Attachments, then the cover. items are the places of those to write.
//
// All passes together take at most twice the CPU time of one: what is left after that counts as
// failed, so that a hundred hostile tracks cost no more than one.
func (a *attempt) extract(ctx context.Context, files remux.Sidecar, items []int, failed map[int]error) error {
	declared, worker := input.Budget(a.Env, a.job.Source)
	p := passes{attempt: a, files: files, limits: budget.Sidecar(declared), worker: worker, failed: failed}
	p.left = 2 * p.limits.CPU
	return p.try(ctx, items)
}

// passes extracts files in several runs of ffmpeg.
type passes struct {
	*attempt
	files  remux.Sidecar
	limits ffmpeg.Limits // of one pass
	worker budget.Worker
	left   time.Duration // CPU time for the passes that follow
	failed map[int]error
}

// leastTime is the CPU time without which a pass is not begun.
const leastTime = time.Second

// try extracts some of the files. A limit of CPU time is halved with the list, so that what is found
// guilty last has cost as much as the first pass.
func (p *passes) try(ctx context.Context, items []int) error {
	if len(items) == 0 {
		return nil
	}
	limits := p.limits
	limits.CPU = min(limits.CPU, p.left/2)
	var err error
	if limits.CPU < leastTime {
		err = p.limits.Exceeded("ffmpeg", process.CPU, nil)
	} else {
		var usage ffmpeg.Usage
		usage, err = ffmpeg.Run(ctx, p.tools.FFmpeg, remux.SidecarArgs(p.pick(items)), ffmpeg.RunOptions{
			Dir: p.Dir, Limits: p.worker.Limit(ctx, limits),
			OnProgress: func(r ffmpeg.Progress) {
				p.Progress(work.Amount{Media: media.Ticks(max(r.OutTime, 0)), Bytes: max(r.Bytes, 0)})
			},
		})
		p.left -= usage.CPU
	}
	switch {
	case err == nil:
		return nil
	case !p.dispensable(err):
		return err
	case len(items) == 1 || limits.CPU < leastTime:
		for _, i := range items {
			p.failed[i] = err
		}
		return nil
	}
	p.Log.WarnContext(ctx, "extracting subtitles and files failed, trying fewer at once", "count", len(items), "error", err)
	half := len(items) / 2
	return errors.Join(p.try(ctx, items[:half]), p.try(ctx, items[half:]))
}

// pick returns the files at some places.
func (p *passes) pick(items []int) remux.Sidecar {
	picked := remux.Sidecar{Input: p.files.Input, Seek: p.files.Seek, Part: p.files.Part}
	for _, i := range items {
		switch subtitles := len(p.files.Subtitles); {
		case i < subtitles:
			picked.Subtitles = append(picked.Subtitles, p.files.Subtitles[i])
		case i < subtitles+len(p.files.Attachments):
			picked.Attachments = append(picked.Attachments, p.files.Attachments[i-subtitles])
		default:
			picked.Cover = p.files.Cover
		}
	}
	return picked
}

// dispensable reports whether an error is the fault of what a track holds, so that the film goes on
// without it. The source itself, the network, the disk and the deadline are not.
func (a *attempt) dispensable(err error) bool {
	var excess *process.Excess
	if errors.As(err, &excess) {
		switch excess.Resource {
		case process.FileSize, process.Written:
			return fault.KindOf(err) == fault.Unsupported // otherwise the disk is full
		case process.CPU, process.Wall:
			return fault.KindOf(err) == fault.Unsupported // otherwise the deadline has come
		}
		return true
	}
	var exit *ffmpeg.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Corrupt, fault.Unsupported, fault.Internal:
		return true
	case fault.Transient:
		return exit.Crashed() && a.Attempt > 1 // the first crash may be the machine's fault
	}
	return false
}

// leaveOut warns of something that is left out because of err.
func (a *attempt) leaveOut(what string, err error) {
	a.warnings = append(a.warnings, fmt.Sprintf("left out: %s: %v", what, err))
}
