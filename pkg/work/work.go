// Package work is the contract between the engine, which runs jobs, and the kinds of work, which know what a job is about.
//
// A Planner turns a request and the facts of its source into a Plan: phases of units. A unit is one piece of work for one
// worker. Units of a phase may run side by side; phases run in order; the outputs come last. A Kind runs the units whose
// names begin with its own:
//
//	video/00012 ─▶ Kind "video" ─▶ Result{Facts, Artifacts, Done, Warnings}
//
// The engine records units and results in the ledger, resumes a job by looking at the artifacts of finished units, discards
// the artifacts of an attempt that lost a race, and removes everything when the job is done. It never looks into Spec, Facts
// or Doc. So a new kind of work is one package that implements Kind, and where it takes requests of its own Planner, and one
// line in package kinds.
package work

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// Kind runs the units of one kind. It may be used by several goroutines at once.
type Kind interface {
	// Name is the prefix of the kind's unit names: "video" of "video/00012".
	Name() string

	// Run does one unit. It may be killed at any instruction, run again, and run twice at once: what it writes to scratch
	// it writes under Env.Key, which no other attempt shares, or as bytes that every attempt writes alike. Errors carry a
	// kind of package fault. With an error, Result lists the artifacts written until then, as far as they are known.
	Run(ctx context.Context, env *Env, unit Unit) (Result, error)
}

// Planner plans the jobs of one form of request.
type Planner interface {
	// Name identifies the planner in the ledger.
	Name() string

	// Accepts reports whether request is of the planner's form. It need not be valid: Plan says what is wrong with it.
	Accepts(request json.RawMessage) bool

	// Plan checks the request, examines its source and plans the job. The same request, source and tools give the same
	// Plan.ID, under which an interrupted job is found again. A request that cannot be done is an error of kind Invalid or
	// Unsupported, and nothing has been written.
	Plan(ctx context.Context, env *PlanEnv, request json.RawMessage) (Plan, error)

	// Extend completes a plan that is Open, after all units of its phases are done. It returns the plan with a new Doc
	// and the phases that follow, and never changes those that were.
	Extend(ctx context.Context, env *PlanEnv, plan Plan) (Plan, error)
}

// Registry is what an engine can do. Where several planners accept a request, the first one plans it.
type Registry struct {
	Planners []Planner
	Kinds    []Kind
}

// Kind returns the kind that runs a unit, by the unit's name.
func (r Registry) Kind(unit string) (Kind, error) {
	name, _, _ := strings.Cut(unit, "/")
	for _, k := range r.Kinds {
		if k.Name() == name {
			return k, nil
		}
	}
	return nil, fault.New(fault.Internal, "no kind of work runs unit %q", unit)
}

// Unit is one piece of work for one worker.
type Unit struct {
	Name  string          `json:"name"` // "video/00012": the kind, a slash, and a name that sorts in the order of the film
	Spec  json.RawMessage `json:"spec,omitempty"`
	Needs Needs           `json:"needs"`
}

// Needs is where a unit may run, and what it takes there.
type Needs struct {
	Class Class `json:"class"`
	Route Route `json:"route"`
	GPU   bool  `json:"gpu,omitempty"` // on the queue of GPU instances; the route is then RouteBatch
	// Memory is about how many bytes the unit will hold, so that a machine runs fewer of large ones at
	// once; 0: little.
	Memory int64 `json:"memory,omitempty"`
	Load   Load  `json:"load,omitzero"`
}

// Load is what a unit will probably need of its worker, in bytes. A unit is sent where there is that much, and refused where there
// is no such place.
type Load struct {
	Disk   int64  `json:"disk,omitempty"`   // of working files at once
	Read   int64  `json:"read,omitempty"`   // through the worker, in one attempt
	Joined int64  `json:"joined,omitempty"` // likewise, unless the store copies what is joined
	Hint   string `json:"hint,omitempty"`   // what the author of the request can do about it
}

// Class selects the Lambda function, the Batch job definition, and with them memory, role, disk and image.
type Class string

// The classes of mapreel's own functions. ClassAnalyse, ClassFinish and ClassCollect run no units.
const (
	ClassAnalyse Class = "analyse"
	ClassSplit   Class = "split"
	ClassEncode  Class = "encode"
	ClassAudio   Class = "audio"
	ClassRender  Class = "render"
	ClassMerge   Class = "merge"
	ClassFinish  Class = "finish"
	ClassCollect Class = "collect" // once a day, for all jobs
)

// UnitClasses lists the classes that run units in every deployment, in the order in which a job meets them. ClassRender is for those
// that have Blender.
func UnitClasses() []Class { return []Class{ClassSplit, ClassAudio, ClassEncode, ClassMerge} }

// toolPrefix begins the names of the classes of tools.
const toolPrefix = "tool-"

// ToolClass returns the class of a tool of that name. Each tool of a deployment has one, because it has an image and a size of its own.
func ToolClass(name string) Class { return Class(toolPrefix + name) }

// Tool returns the name of the tool whose class it is; "" for all other classes.
func (c Class) Tool() string {
	name, ok := strings.CutPrefix(string(c), toolPrefix)
	if !ok {
		return ""
	}
	return name
}

// Known reports whether there is a function of the class.
func (c Class) Known() bool {
	return c.Tool() != "" || c == ClassAnalyse || c == ClassFinish || c == ClassCollect || c == ClassRender || slices.Contains(UnitClasses(), c)
}

// Route is the service, or services in their order, that run a unit.
type Route string

const (
	RouteLambda      Route = "lambda"
	RouteBatch       Route = "batch"
	RouteLambdaBatch Route = "lambda-batch" // on Lambda; on Batch where Lambda proves too small
)

// Result is what a unit's run leaves behind.
type Result struct {
	Facts     json.RawMessage `json:"facts,omitempty"`     // read by kinds alone
	Artifacts []Artifact      `json:"artifacts,omitempty"` // every object that the unit wrote and that later work may read
	Done      Amount          `json:"done,omitzero"`
	Warnings  []string        `json:"warnings,omitempty"` // what was left out or repaired, one sentence each
	// Announcements are told to whoever follows the job, once the result counts.
	Announcements []Announcement `json:"announcements,omitempty"`
	// URL is where the unit published an output; "" for units that publish none.
	URL string `json:"url,omitempty"`
}

// Announcement is news of a job for other programs: what has become available.
type Announcement struct {
	Type   string          `json:"type"`
	Detail json.RawMessage `json:"detail"`
}

// SetFacts encodes facts. Facts hold numbers, text and lists of them, so that encoding cannot fail.
func (r *Result) SetFacts(facts any) error {
	data, err := json.Marshal(facts)
	r.Facts = data
	return err
}

// Amount measures work, for progress and cost.
type Amount struct {
	Media media.Ticks `json:"media,omitempty"` // microseconds of the source
	Count int64       `json:"count,omitempty"` // frames, or whatever else the kind counts
	Bytes int64       `json:"bytes,omitempty"` // written
}
