package job

import (
	"encoding/json"
	"iter"
	"strings"

	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// parse reads a request: of a deployment, one that names tools, and else one that describes them.
func (p Planner) parse(data json.RawMessage) (tool.Request, error) {
	if p.Deployed != nil {
		return p.Deployed.ParseOrder(data)
	}
	req, err := tool.Parse(data)
	if err != nil {
		return req, err
	}
	err = append(req.CheckLocal(), checkSecrets(req.Tools)...).Err() // it names fields as the request has them
	for i, t := range req.Tools {
		req.Tools[i].Secrets = t.Secrets.WithoutARNs()
	}
	return req, err
}

// deploy gives the units of a plan what they need in a deployment. A tool runs on the workers of its class, where its description says.
// What comes after it runs as for films.
func deploy(p work.Plan, req tool.Request) work.Plan {
	tools := map[string]tool.Tool{}
	for _, t := range req.Tools {
		tools[t.Name] = t
	}
	place := func(u work.Unit) work.Unit {
		u.Needs.Route = work.RouteLambdaBatch
		if name, ok := strings.CutPrefix(u.Name, ToolKind+"/"); ok {
			name, _, _ = strings.Cut(name, "/")
			t := tools[name]
			u.Needs.Class, u.Needs.Route, u.Needs.GPU = work.ToolClass(name), t.DeployedRoute(), t.GPU
		}
		return u
	}
	for i := range p.Phases {
		p.Phases[i].Units = placed(p.Phases[i].Units, place)
	}
	p.OutputPhase.Units = placed(p.OutputPhase.Units, place)
	return p
}

// placed yields units as place changes them.
func placed(units iter.Seq[work.Unit], place func(work.Unit) work.Unit) iter.Seq[work.Unit] {
	return func(yield func(work.Unit) bool) {
		for u := range units {
			if !yield(place(u)) {
				return
			}
		}
	}
}
