package work

import (
	"encoding/json"
	"iter"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
)

// Plan is a job as planned. All of it but the units lies in the ledger's record of the job.
type Plan struct {
	ID      string          `json:"id"`      // hexadecimal digits that name request, source and tools
	Planner string          `json:"planner"` // its name
	Doc     json.RawMessage `json:"doc"`     // what the planner and its kinds need to know of the job
	Source  string          `json:"source"`  // for people
	Outputs []string        `json:"outputs"` // where the outputs will be; for people

	Concurrency int `json:"concurrency"` // units at once, at most
	// Budget is what the job may cost at AWS, by list prices; 0: whatever it takes. The engine sets it, from the request.
	Budget    price.Money   `json:"budget,omitempty"`
	Duration  time.Duration `json:"duration"`  // the longest that the work should take
	Retention time.Duration `json:"retention"` // how long records outlive the work

	// Open says that the phases which follow cannot be planned before the units planned so far are done.
	Open   bool    `json:"open,omitempty"`
	Phases []Phase `json:"phases"`
	// OutputPhase is the last phase: units that publish outputs. Finish returns their facts.
	OutputPhase Phase `json:"outputPhase"`

	Groups   []Group  `json:"groups"`
	Warnings []string `json:"warnings,omitempty"` // what the outputs will lack of the source, one sentence each
}

// Phase is a set of units that may run side by side. Where workers are few, units start in the order of their names.
type Phase struct {
	Name string `json:"name"` // "split", "encode", "merge"; unique in the plan
	// Intermediate says that only later phases read the artifacts, never the outputs: once those phases are done, the
	// artifacts may be lost.
	Intermediate bool `json:"intermediate,omitempty"`
	// Independent says that each unit is worth having where others fail: all of them are tried before the job fails.
	Independent bool `json:"independent,omitempty"`
	// Final is the name of the phase's unit that begins last: the last one in the order of names. The engine sets it.
	Final string `json:"final,omitempty"`
	// Units yields the phase's units. It is nil in a plan that was read from the ledger, which holds them already.
	Units iter.Seq[Unit] `json:"-"`
}

// Group is the units of one kind, or a single one, as progress and estimates see them.
type Group struct {
	Name  string `json:"name"`           // a kind ("video") or a unit ("output/film")
	Noun  string `json:"noun"`           // for people, in the plural: "segments"
	Units int    `json:"units"`          // how many
	Total Amount `json:"total,omitzero"` // what they will have done together; zero fields are unknown
	Space Space  `json:"space,omitzero"` // what they may write
	// Objects is how many files they will write to the destination, where that is worth knowing before the work.
	Objects int64 `json:"objects,omitempty"`
}

// Space is an estimate of bytes that units write.
type Space struct {
	Scratch     int64 `json:"scratch,omitempty"`
	Destination int64 `json:"destination,omitempty"`
}

// Contains reports whether a unit belongs to the group.
func (g Group) Contains(unit string) bool {
	if len(unit) < len(g.Name) || unit[:len(g.Name)] != g.Name {
		return false
	}
	return len(unit) == len(g.Name) || unit[len(g.Name)] == '/'
}

// Envelope is the part of every request that the engine and its hosts read.
type Envelope struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Compute     struct {
		Mode        Route       `json:"mode"`
		GPU         bool        `json:"gpu"`
		Concurrency int         `json:"concurrency"`
		Budget      price.Money `json:"budget"`
		// Deadline is not read here: whether it is set is all that counts.
		Deadline json.RawMessage `json:"deadline"`
	} `json:"compute"`
}
