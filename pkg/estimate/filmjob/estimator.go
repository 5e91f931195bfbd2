package filmjob

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// Estimator estimates requests in a deployment, which has read nothing of their sources yet. It leaves nothing behind.
type Estimator struct {
	Registry   func(ctx context.Context) (work.Registry, error) // called until it succeeds
	Resolve    work.Resolver                                    // asked for what is read only
	Deployment estimate.Deployment

	mu    sync.Mutex // guards what follows
	found *work.Registry
}

// ParseDeployment reads a deployment from JSON, as infra writes it. "" is one with all defaults.
func ParseDeployment(text string) (d estimate.Deployment, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &d)
	}
	return d, fault.Wrap(fault.Internal, err, "settings of the deployment")
}

// Estimate plans a request, which is valid, and estimates it in the places that AWS has.
func (e *Estimator) Estimate(ctx context.Context, request json.RawMessage) (any, error) {
	if tool.IsRequest(request) {
		return nil, fault.New(fault.Unsupported, "what tools take is not known in advance: requests for them are not estimated")
	}
	plan, err := e.plan(ctx, request)
	if err != nil {
		return nil, err
	}
	d := e.Deployment
	if plan.Concurrency > 0 && (d.Concurrency == 0 || plan.Concurrency < d.Concurrency) {
		d.Concurrency = plan.Concurrency
	}
	return Of(ctx, plan, func(j film.Job) (Speed, error) {
		s := Assumed(j)
		s.Basis = "common sources; mapreel estimate --calibrate SOURCE measures this one"
		return s, nil
	}, Options{Deployment: d, Prices: price.Default(), OnAWS: true})
}

func (e *Estimator) registry(ctx context.Context) (work.Registry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.found != nil {
		return *e.found, nil
	}
	r, err := e.Registry(ctx)
	if err == nil {
		e.found = &r
	}
	return r, err
}

func (e *Estimator) plan(ctx context.Context, request json.RawMessage) (work.Plan, error) {
	registry, err := e.registry(ctx)
	if err != nil {
		return work.Plan{}, err
	}
	var envelope work.Envelope
	if err := json.Unmarshal(request, &envelope); err != nil {
		return work.Plan{}, fault.Wrap(fault.Invalid, err, "request")
	}
	root, err := os.MkdirTemp("", "mapreel-estimate-")
	if err != nil {
		return work.Plan{}, fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	defer os.RemoveAll(root) //nolint:errcheck // the function's start removes what is left
	files, empty := filepath.Join(root, "work"), filepath.Join(root, "empty")
	for _, name := range []string{files, empty} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return work.Plan{}, fault.Wrap(fault.KindOf(err), err, "working folder")
		}
	}
	store, err := dir.New(empty)
	if err != nil {
		return work.Plan{}, err
	}
	var named []string // files that it reads besides
	if req, err := film.Parse(request); err == nil {
		for _, f := range req.NamedFiles() {
			named = append(named, *f.URL)
		}
	}
	env := &work.PlanEnv{
		Scratch: store, Results: nothing{}, Dir: files, Log: slog.New(slog.DiscardHandler), Processors: e.Deployment.Processors(),
		// Of the destination a planner only asks whether an output would replace the source. This process may not look there.
		Resolve: func(ctx context.Context, url string) (blob.Store, string, error) {
			if url == envelope.Source || slices.Contains(named, url) {
				return e.Resolve(ctx, url)
			}
			return store, "output", nil
		},
	}
	for _, p := range registry.Planners {
		if p.Accepts(request) {
			return p.Plan(ctx, env, request)
		}
	}
	return work.Plan{}, fault.New(fault.Invalid, "the request is of no form that is known here")
}

// nothing is the results of a job of which nothing is done.
type nothing struct{}

func (nothing) Result(context.Context, string) (work.Result, bool, error) {
	return work.Result{}, false, nil
}

func (nothing) All(context.Context, string) iter.Seq2[work.Finished, error] {
	return func(func(work.Finished, error) bool) {}
}
