// Package kinds is the registry of the kinds of work that mapreel ships. A new kind is one line here.
package kinds

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film/audio"
	"github.com/mapreel/mapreel/pkg/film/encode"
	"github.com/mapreel/mapreel/pkg/film/merge"
	"github.com/mapreel/mapreel/pkg/film/planner"
	"github.com/mapreel/mapreel/pkg/film/sidecar"
	"github.com/mapreel/mapreel/pkg/film/split"
	"github.com/mapreel/mapreel/pkg/preview"
	"github.com/mapreel/mapreel/pkg/render/blender"
	render "github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// Options change what is planned. They must be the same when a job is continued.
type Options struct {
	AudioPartLength time.Duration `json:"audioPartLength,omitempty"` // 0: plan.AudioPartLength
	// Self is the program and arguments that call confine.Main, in which Blender runs. It may change.
	Self []string `json:"-"`
	// Alone says that this machine works on one job at a time and shares no files: see confine.Options.
	Alone bool `json:"-"`
}

// All returns every planner and kind, with the programs that they run.
func All(tools ffmpeg.Tools, o Options) work.Registry {
	scenes := blender.Program{Self: o.Self, Alone: o.Alone}
	return work.Registry{
		Planners: []work.Planner{planner.Planner{Tools: tools, AudioPartLength: o.AudioPartLength, Blender: scenes}},
		Kinds: []work.Kind{
			split.Kind{Tools: tools},
			audio.Kind{Tools: tools},
			sidecar.Kind{Tools: tools},
			encode.Kind{Tools: tools},
			encode.Pass{Tools: tools},
			encode.Shares{},
			merge.Kind{Tools: tools},
			preview.Slices{Tools: tools},
			preview.Documents{},
			render.Kept{},
			render.Kind{Blender: scenes},
			render.Tiles(scenes),
			render.Sound{Blender: scenes, Tools: tools},
		},
	}
}

// NeedTools reports whether a request needs the planner and kinds of tools.
func NeedTools(request json.RawMessage) bool { return job.Planner{}.Accepts(request) }

// Tools adds the planner and kinds of tools. They run whatever commands a request names, so only a program that takes requests from
// its own user has them. self is the program and arguments that call confine.Main.
func Tools(r work.Registry, tools ffmpeg.Tools, self []string) work.Registry {
	return withTools(r, job.Planner{Tools: tools, Self: self}, job.Kind{Tools: tools, Self: self})
}

func withTools(r work.Registry, planner job.Planner, kind job.Kind) work.Registry {
	return work.Registry{
		Planners: append([]work.Planner{planner}, r.Planners...),
		Kinds:    append(slices.Clone(r.Kinds), kind, job.Joins{Tools: kind.Tools, Kinds: r.Kinds}, job.Films{Kinds: r.Kinds}),
	}
}

// FindDeployed is FindWith for the workers of a deployment, which also run the tools that it was built with. Requests name them, and
// describe none.
func FindDeployed(ctx context.Context, find ffmpeg.FindOptions, o Options, list tool.Deployed, given Given) (work.Registry, error) {
	tools, err := ffmpeg.Find(ctx, find)
	if err != nil {
		return work.Registry{}, err
	}
	kind := job.Kind{Tools: tools, Self: o.Self, Alone: o.Alone, Env: given.Env, Secret: given.Secret}
	return withTools(All(tools, o), job.Planner{Tools: tools, Deployed: &list}, kind), nil
}

// Given is what the tools of a deployment get from the worker that runs them.
type Given struct {
	Env    []string // variables that they expect of the image
	Secret func(ctx context.Context, tool, name string) (string, error)
}

// Find returns what can be run with the ffmpeg that it finds on this machine.
func Find(ctx context.Context) (work.Registry, error) { return FindWith(ctx, Options{}) }

// FindWith is Find with options.
func FindWith(ctx context.Context, o Options) (work.Registry, error) {
	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return work.Registry{}, err
	}
	return All(tools, o), nil
}
