// Package showplan shows what a job will do before it does anything: its segments, renditions, commands, losses, bytes and time.
package showplan

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/estimating"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Plan is what a job will do.
type Plan struct {
	Job      string   `json:"job"`
	Source   string   `json:"source"`
	Outputs  []string `json:"outputs"` // where they will be
	Split    bool     `json:"split"`   // the source has no index: its segments are known only after it was split
	Segments []Piece  `json:"segments,omitempty"`

	Video              *film.VideoTrack         `json:"video,omitempty"` // of the source
	Audio              []film.AudioTrack        `json:"audio,omitempty"`
	Subtitles          []film.SubtitleTrack     `json:"subtitles,omitempty"`
	Files              []film.OutputPlan        `json:"files"`
	Renditions         []film.Rendition         `json:"renditions,omitempty"`
	AudioRenditions    []film.AudioRendition    `json:"audioRenditions,omitempty"`
	SubtitleRenditions []film.SubtitleRendition `json:"subtitleRenditions,omitempty"`

	Losses   []string          `json:"losses,omitempty"` // what the outputs will lack of the source, or change in it
	Notes    []string          `json:"notes,omitempty"`
	Commands []Command         `json:"commands,omitempty"`
	Estimate *filmjob.Estimate `json:"estimate,omitempty"`
}

// Piece is a segment. Times count from the beginning of the source.
type Piece struct {
	Unit     string        `json:"unit"`
	Start    film.Seconds  `json:"start"`
	End      film.Seconds  `json:"end"`
	Frames   int           `json:"frames,omitempty"` // 0: not known before it is decoded
	Boundary film.Boundary `json:"boundary"`         // why it begins there
	Decoded  film.Seconds  `json:"decodedFrom"`      // where its decoder begins
}

// atBeginning is the reason of the first segment's start.
const atBeginning film.Boundary = "beginning"

// Command is the first command line of a unit. Names without a folder are in the unit's working folder.
type Command struct {
	Unit string   `json:"unit"`
	Line []string `json:"line"`
}

// Of plans a request and returns what its job would do. Nothing is left behind.
func Of(ctx context.Context, request json.RawMessage, o estimating.Options) (Plan, error) {
	plan, err := local.Plan(ctx, request, local.Options{Registry: o.Registry, Places: o.Places})
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Job: plan.ID, Source: plan.Source, Outputs: plan.Outputs}
	estimate, err := estimating.OfPlan(ctx, plan, request, o)
	if err != nil {
		return p, err
	}
	p.Estimate = &estimate
	for _, w := range plan.Warnings {
		if film.IsNotice(w) {
			p.Notes = append(p.Notes, strings.Replace(w, film.NoticeMark, "", 1))
		} else {
			p.Losses = append(p.Losses, w)
		}
	}
	var j film.Job
	if plan.Planner == filmjob.Planner {
		if err := json.Unmarshal(plan.Doc, &j); err != nil {
			return p, fault.Wrap(fault.Corrupt, err, "plan")
		}
		p.describe(j)
	}
	for _, phase := range plan.Phases {
		if phase.Units == nil {
			continue
		}
		for u := range phase.Units {
			if err := p.add(ctx, plan, j, o, u); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// describe takes over what the job's record says of its tracks.
func (p *Plan) describe(j film.Job) {
	p.Split, p.Video, p.Audio, p.Subtitles = j.Split, j.Source.Video, j.Source.Audio, j.Source.Subtitles
	p.Files, p.Renditions, p.AudioRenditions, p.SubtitleRenditions = j.Outputs, j.Renditions, j.AudioRenditions, j.SubtitleRenditions
}

// add adds a unit: a segment's piece, and the unit's command.
func (p *Plan) add(ctx context.Context, plan work.Plan, j film.Job, o estimating.Options, u work.Unit) error {
	kind, _, _ := strings.Cut(u.Name, "/")
	if kind == film.VideoKind {
		var seg film.Segment
		if err := json.Unmarshal(u.Spec, &seg); err != nil {
			return fault.Wrap(fault.Corrupt, err, "record of "+u.Name)
		}
		p.Segments = append(p.Segments, piece(u.Name, seg, j.Source))
	}
	registry := o.Registry
	n := slices.IndexFunc(registry.Kinds, func(k work.Kind) bool { return k.Name() == kind })
	if n < 0 || ctx.Err() != nil {
		return fault.Wrap(fault.Internal, context.Cause(ctx), "plan")
	}
	if line := local.Rehearse(ctx, plan, plan.Source, o.Places, registry.Kinds[n], u); line != nil {
		p.Commands = append(p.Commands, Command{u.Name, line})
	}
	return nil
}

// piece returns the piece of a segment.
func piece(unit string, s film.Segment, src film.Source) Piece {
	tb := src.Video.Timebase
	zero := src.WholeOrigin().In(media.Microseconds)
	at := func(t media.Ticks) film.Seconds {
		return film.Seconds(media.Microseconds.Duration(media.Rescale(t, tb, media.Microseconds) - zero))
	}
	return Piece{
		Unit: unit, Start: at(s.Start), End: at(s.End), Frames: s.Frames, Boundary: reason(s), Decoded: at(s.Seek),
	}
}

// reason returns why a segment begins where it does.
func reason(s film.Segment) film.Boundary {
	if s.Boundary == "" && s.Index == 0 {
		return atBeginning
	}
	return s.Boundary
}
