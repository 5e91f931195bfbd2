package lambdafn

import (
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// admit refuses a request, the input of Analyse, that needs a queue which the deployment hasn't, before anything is done
// for it. What else may be wrong with it is for the stage to say.
func (q Queues) admit(input json.RawMessage) error {
	var in film.AnalyseInput
	err := json.Unmarshal(input, &in)
	if err == nil {
		var req film.Request
		if req, err = film.Parse(in.Request); err == nil {
			return q.serve(req.Compute)
		}
	}
	return nil //nolint:nilerr // the stage finds the same, and tells it
}

func (q Queues) serve(c film.Compute) error {
	switch {
	case c.GPU && !q.GPU:
		return fault.WithHint(fault.New(fault.Unsupported, "/compute/gpu: this deployment has no GPU queue"),
			"leave gpu out, or deploy with -c gpu=true")
	case c.Mode == film.Batch && !c.GPU && !q.CPU:
		return fault.WithHint(fault.New(fault.Unsupported, "/compute/mode: this deployment has no Batch queue"),
			`choose the mode "lambda", or deploy without -c batch=false`)
	}
	return nil
}

// reroute keeps the machine from handing to Batch what Lambda cannot finish, where there is no Batch. brief is the
// output of Analyse or Split.
func (q Queues) reroute(brief json.RawMessage) (json.RawMessage, error) {
	var b film.Brief
	if err := json.Unmarshal(brief, &b); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "brief")
	}
	if b.Route != film.LambdaBatch || q.CPU {
		return brief, nil
	}
	b.Route = film.Lambda
	out, err := json.Marshal(b)
	return out, fault.Wrap(fault.Internal, err, "brief")
}
