// Package estimating finds out what a job will take: it plans the request, and takes the speed from earlier jobs, from samples of
// the source, or from what is common.
package estimating

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// Options say how a job is estimated. Registry is required.
type Options struct {
	Registry   work.Registry
	Tools      ffmpeg.Tools // for samples
	Scratch    string       // folder of earlier jobs
	Calibrate  bool         // encode samples, also where earlier jobs are known
	Deployment estimate.Deployment
	Prices     price.Table
	Places     origin.Settings // where the source is found, if it is on another machine
}

// Of estimates a request.
func Of(ctx context.Context, request json.RawMessage, o Options) (filmjob.Estimate, error) {
	plan, err := local.Plan(ctx, request, local.Options{Registry: o.Registry, Places: o.Places})
	if err != nil {
		return filmjob.Estimate{}, err
	}
	return OfPlan(ctx, plan, request, o)
}

// OfPlan estimates a request that is planned.
func OfPlan(ctx context.Context, plan work.Plan, request json.RawMessage, o Options) (filmjob.Estimate, error) {
	speed := func(j film.Job) (filmjob.Speed, error) {
		if j.Render != nil {
			return ofScene(ctx, plan, j, o)
		}
		return speedOf(ctx, request, j, o)
	}
	return filmjob.Of(ctx, plan, speed, filmjob.Options{Deployment: o.Deployment, Prices: o.Prices})
}

// speedOf returns how fast the job's segments are encoded.
func speedOf(ctx context.Context, request json.RawMessage, j film.Job, o Options) (s filmjob.Speed, err error) {
	if !o.Calibrate {
		if s, err = fromHistory(ctx, o.Scratch, j); err != nil || s.Known() {
			return s, err
		}
		return filmjob.Assumed(j), nil
	}
	s, err = fromSamples(ctx, request, o)
	if s.Known() || err != nil && fault.KindOf(err) != fault.OutOfSpace {
		return s, err
	}
	s = filmjob.Assumed(j)
	s.Basis = "common sources: no sample of this one could be encoded"
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n") // the output of a program may follow
		s.Basis += ": " + reason
	}
	return s, nil
}
