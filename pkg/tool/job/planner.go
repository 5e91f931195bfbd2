package job

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/source"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// Planner plans the jobs of tools.
type Planner struct {
	Tools ffmpeg.Tools
	Self  []string // program and arguments that call confine.Main
	// Deployed are the tools of a deployment, which runs no others. nil: a request describes its tools, and they run on this machine.
	Deployed *tool.Deployed
}

var _ work.Planner = Planner{}

// Name implements work.Planner.
func (Planner) Name() string { return "tools" }

// Accepts implements work.Planner: it accepts a request that has tools and makes no film.
func (Planner) Accepts(request json.RawMessage) bool { return tool.IsRequest(request) }

// maxDuration bounds a job, as the state machine does.
const maxDuration = 48 * time.Hour

// Plan implements work.Planner.
func (p Planner) Plan(ctx context.Context, env *work.PlanEnv, data json.RawMessage) (work.Plan, error) {
	req, err := p.parse(data)
	if err != nil {
		return work.Plan{}, err
	}
	store, key, err := env.Resolve(ctx, req.Source)
	if err != nil {
		return work.Plan{}, err
	}
	doc := document{Request: req, Source: film.Source{URL: req.Source}, Counts: map[string]int{}, Encoder: p.Tools.Build, Threads: env.Processors}
	if p.Deployed != nil {
		doc.Files = p.Deployed.Digest
	} else if doc.Images, err = p.images(ctx, req.Tools); err != nil {
		return work.Plan{}, err
	}
	var index *plan.Index
	if is, err := source.IsSequence(ctx, store, key); err != nil || is {
		if err == nil {
			err = fault.WithHint(fault.New(fault.Unsupported, "tools do not read image sequences yet"), "make a film of it first: mapreel transcode")
		}
		return work.Plan{}, err
	}
	if readsMedia(req.Tools) {
		found, err := source.Examine(ctx, p.Tools, store, key, req.Source, source.Options{})
		if err != nil {
			return work.Plan{}, err
		}
		doc.Source, index = found.Source, found.Index
	} else {
		info, err := store.Stat(ctx, key)
		if err != nil {
			return work.Plan{}, err
		}
		doc.Source.Size, doc.Source.Version = info.Size, info.Version
	}
	if err := doc.checkFilms(ctx, p.Tools, env.OneMachine); err != nil {
		return work.Plan{}, err
	}
	plan, err := newPlan(doc, index, p.Tools.Build)
	if err == nil && p.Deployed != nil {
		plan = deploy(plan, req)
	}
	return plan, err
}

// Extend implements work.Planner.
func (Planner) Extend(context.Context, *work.PlanEnv, work.Plan) (work.Plan, error) {
	return work.Plan{}, fault.New(fault.Internal, "a plan of tools is never open")
}

// checkSecrets refuses a job whose tools would start without what they need.
func checkSecrets(tools []tool.Tool) (ps film.Problems) {
	for i, t := range tools {
		for n, secret := range t.Secrets {
			if os.Getenv(secret.Name) == "" {
				ps = append(ps, film.Problem{
					Pointer: fmt.Sprintf("/tools/%d", i) + t.Secrets.Pointer(n), Message: "the environment of mapreel has no variable " + secret.Name,
				})
			}
		}
	}
	return ps
}

// readsMedia reports whether any tool gets a part of the source, so that its streams must be known.
func readsMedia(tools []tool.Tool) bool {
	return slices.ContainsFunc(tools, func(t tool.Tool) bool { return t.Each.Tool == "" && t.Each.Part != tool.File })
}

// newPlan divides a job into units.
func newPlan(doc document, index *plan.Index, build string) (work.Plan, error) {
	req := doc.Request
	pieces := make([][]piece, len(req.Tools))
	levels, err := tool.Levels(req.Tools)
	if err != nil {
		return work.Plan{}, fault.Wrap(fault.Internal, err, "order of tools")
	}
	id, err := identify(doc, build)
	if err != nil {
		return work.Plan{}, err
	}
	p := work.Plan{
		ID: id, Planner: Planner{}.Name(), Source: req.Source, Concurrency: max(req.Compute.Concurrency, 1),
		Retention: time.Duration(cmp.Or(req.Retention.Hours, 2)) * time.Hour,
	}
	var total time.Duration
	for n, level := range levels {
		var units []work.Unit
		for _, i := range level {
			t := req.Tools[i]
			if pieces[i], err = divide(doc, index, i, pieces); err != nil {
				return work.Plan{}, err
			}
			doc.Counts[t.Name] = len(pieces[i])
			total = min(total+t.TimeoutOf()*time.Duration(len(pieces[i])), maxDuration*1000)
			for _, c := range pieces[i] {
				u, err := unit(unitName(t, c.Index), c, work.Needs{Class: work.ClassEncode, Route: t.Route(), Memory: int64(t.Memory) << 20})
				if err != nil {
					return work.Plan{}, err
				}
				units = append(units, u)
			}
			p.Groups = append(p.Groups, work.Group{Name: ToolKind + "/" + t.Name, Noun: "pieces of " + t.Name, Units: len(pieces[i]), Total: amount(pieces[i])})
		}
		slices.SortFunc(units, func(a, b work.Unit) int { return cmp.Compare(a.Name, b.Name) })
		p.Phases = append(p.Phases, work.Phase{Name: fmt.Sprintf("tools-%02d", n+1), Independent: true, Units: slices.Values(units)})
	}
	films, err := doc.planFilms(&p, pieces)
	if err != nil {
		return work.Plan{}, err
	}
	p.Duration = min(total/time.Duration(p.Concurrency), maxDuration)
	p.OutputPhase = work.Phase{Name: "join", Units: joins(req, films.outputs)}
	for i, t := range req.Tools {
		units := 0
		for n := range t.Outputs {
			units += max(films.outputs[joined{Tool: i, Output: n}], 1)
		}
		p.Groups = append(p.Groups, work.Group{Name: JoinKind + "/" + t.Name, Noun: "outputs", Units: units})
		for _, o := range t.Outputs {
			p.Outputs = append(p.Outputs, req.FolderOf(o)+"/")
		}
	}
	slices.Sort(p.Outputs)
	p.Outputs = slices.Compact(p.Outputs)
	p.Doc, err = json.Marshal(doc)
	return p, fault.Wrap(fault.Internal, err, "record of a job")
}

// amount returns how much of the film pieces are together.
func amount(pieces []piece) (a work.Amount) {
	for _, c := range pieces {
		a.Media += c.length()
	}
	return a
}

// length returns what progress counts a piece as. A file that no tool needs examined has no known length, and counts as a second.
func (c piece) length() media.Ticks {
	if c.End > c.Start {
		return c.End - c.Start
	}
	return 1_000_000
}

func unit(name string, spec any, needs work.Needs) (work.Unit, error) {
	data, err := json.Marshal(spec)
	return work.Unit{Name: name, Spec: data, Needs: needs}, fault.Wrap(fault.Internal, err, "record of "+name)
}

// joins yields a unit for each output of each tool. Outputs with join: video have one for each output of their films.
func joins(req tool.Request, films map[joined]int) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		for i, t := range req.Tools {
			for n := range t.Outputs {
				for k := range max(films[joined{Tool: i, Output: n}], 1) {
					u, err := unit(joinName(t, n, k), joined{i, n, k}, work.Needs{Class: work.ClassMerge, Route: work.RouteLambda})
					if err != nil || !yield(u) { // of numbers, it cannot fail
						return
					}
				}
			}
		}
	}
}

// identify names the work of a request: the same request, source and programs give the same ID. The IDs of the films stand for what
// their chunks depend on besides, such as the number of threads.
func identify(doc document, build string) (string, error) {
	var films []string
	for i, n := range doc.films() {
		j, err := doc.filmJob(i, n, shownSize(*doc.Source.Video))
		if err != nil {
			return "", err
		}
		films = append(films, j.ID)
	}
	req := doc.Request
	req.Compute, req.Retention = tool.Compute{}, film.Retention{}
	data, err := json.Marshal(struct {
		Format  int
		Request tool.Request
		Size    int64
		Version string
		Build   string
		Films   []string          `json:",omitempty"`
		Files   string            `json:",omitempty"`
		Images  map[string]string `json:",omitempty"`
	}{format, req, doc.Source.Size, doc.Source.Version, build, films, doc.Files, doc.Images})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:10]), fault.Wrap(fault.Internal, err, "name of a job")
}

// divide returns the pieces of a tool. Those of the tools that it needs are known.
func divide(doc document, index *plan.Index, i int, known [][]piece) ([]piece, error) {
	t, length := doc.Request.Tools[i], time.Duration(doc.Request.Segment.Seconds)
	switch {
	case t.Each.Tool != "":
		other := slices.IndexFunc(doc.Request.Tools, func(o tool.Tool) bool { return o.Name == t.Each.Tool })
		var list []piece
		for _, c := range known[other] {
			list = append(list, piece{Tool: i, Index: c.Index, Start: c.Start, End: c.End, Last: c.Last})
		}
		return list, nil
	case t.Each.Part == tool.Sound:
		if len(doc.Source.Audio) < t.As.Track {
			return nil, refuse(i, "the source has %d audio tracks", len(doc.Source.Audio))
		}
		return sound(i, doc.Source.Duration, length), nil
	case t.Each.Part == tool.File:
		return []piece{{Tool: i, End: doc.Source.Duration, Last: true}}, nil
	}
	v := doc.Source.Video
	if v == nil {
		return nil, refuse(i, "the source has no video")
	}
	segments := []film.Segment{{Last: true, Start: v.Start, End: v.End, Seek: v.Start}}
	if index != nil {
		wanted, every, err := doc.mediaSegments(i)
		switch {
		case err != nil:
			return nil, err
		case every > 0:
			segments = plan.AlignedSegments(*index, v.Timebase, wanted, every)
		default:
			segments = plan.Segments(*index, v.Timebase, length)
		}
	}
	var list []piece
	for n := range segments {
		c := piece{Tool: i, Index: n, Last: segments[n].Last, Segment: &segments[n]}
		origin := doc.Source.Origin.In(media.Microseconds)
		c.Start = media.Rescale(segments[n].Start, v.Timebase, media.Microseconds) - origin
		if t.As.Context > 0 && n > 0 {
			from := segments[n].Start - v.Timebase.Ticks(time.Duration(t.As.Context))
			before := n - 1
			for before > 0 && segments[before].Start > from {
				before--
			}
			c.Before = &segments[before]
		}
		if t.As.Context > 0 && n+1 < len(segments) {
			c.After = &segments[n+1]
		}
		c.End = max(media.Rescale(segments[n].End, v.Timebase, media.Microseconds)-origin, c.Start)
		list = append(list, c)
	}
	return list, nil
}

func refuse(i int, format string, args ...any) error {
	return film.Problems{{Pointer: fmt.Sprintf("/tools/%d/each", i), Message: fmt.Sprintf(format, args...)}}.Err()
}

// sound divides a duration into pieces of about a length. The last is at least a quarter of it.
func sound(i int, duration media.Ticks, length time.Duration) []piece {
	const lastShare = 4
	step := max(media.Ticks(length/time.Microsecond), duration/plan.MaxSegments+1)
	var list []piece
	for start := media.Ticks(0); len(list) == 0 || duration-start > step/lastShare; start += step {
		list = append(list, piece{Tool: i, Index: len(list), Start: start, End: start + step})
	}
	last := &list[len(list)-1]
	last.End, last.Last = max(duration, last.Start), true
	return list
}
