package tool

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// Deployed are the tools of a deployment.
type Deployed struct {
	Tools   []Tool     `json:"tools"`
	Segment Segmenting `json:"segment,omitzero"`
	Folder  string     `json:"folder,omitempty"` // where the files beside the tools file lie in the images
	Digest  string     `json:"digest,omitempty"` // of those files
}

// Order asks a deployment for tools that it has.
type Order struct {
	Source      string         `json:"source" jsonschema:"required,minLength=1,description=The file: s3://bucket/key"`
	Destination string         `json:"destination" jsonschema:"required,minLength=1,description=The folder for the outputs: s3://bucket/folder/"`
	Tools       []string       `json:"tools" jsonschema:"required,minItems=1,maxItems=20,uniqueItems=true,description=Names of tools that the deployment has. A tool that is run for the results of another needs that one in the list"`
	Segment     Segmenting     `json:"segment,omitzero" jsonschema:"description=How the video and the sound are divided. Default: as the tools file of the deployment says"`
	Compute     Compute        `json:"compute,omitzero" jsonschema:"description=How many units run at once. Default: 1000"`
	Retention   film.Retention `json:"retention,omitzero" jsonschema:"description=How long an unfinished job can be continued"`
}

// orderJSON is generated from the Go types by TestSchemasMatchTheGoTypes.
//
//go:embed order.schema.json
var orderJSON []byte

// order is the schema of an Order.
var order = film.NewSchema("order of tools", orderJSON, nil)

// OrderSchema returns the JSON Schema of an Order.
func OrderSchema() []byte { return slices.Clone(orderJSON) }

// IsRequest reports whether a request is for tools, whether it names or describes them: it has tools, and makes no film.
func IsRequest(request json.RawMessage) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(request, &fields) == nil && fields["tools"] != nil && fields["outputs"] == nil
}

// deployedConcurrency is how many units of a job run at once in a deployment, where the request says nothing. It is that of films.
const deployedConcurrency = 1000

// ParseOrder reads an Order from JSON, and returns the request for the tools that it names. The error is of kind fault.Invalid and
// holds film.Problems.
func (d Deployed) ParseOrder(data []byte) (Request, error) {
	o, err := CheckOrder(data, d.Names())
	if err != nil {
		return Request{}, err
	}
	r := Request{
		Source: o.Source, Destination: o.Destination, Folder: d.Folder, Compute: o.Compute, Retention: o.Retention,
		Segment: Segmenting{Seconds: cmp.Or(o.Segment.Seconds, d.Segment.Seconds)},
	}
	r.Compute.Concurrency = cmp.Or(r.Compute.Concurrency, deployedConcurrency)
	for _, name := range o.Tools {
		n := slices.IndexFunc(d.Tools, func(t Tool) bool { return t.Name == name })
		t := d.Tools[n]
		t.Secrets = t.Secrets.WithoutARNs()
		r.Tools = append(r.Tools, t)
	}
	whole, err := json.Marshal(r)
	if err != nil {
		return Request{}, fault.Wrap(fault.Internal, err, "request for tools")
	}
	return Parse(whole)
}

// CheckOrder reads an Order from JSON, and checks what can be checked with the names of the deployment's tools alone. The error is of
// kind fault.Invalid and holds film.Problems.
func CheckOrder(data []byte, names []string) (o Order, err error) {
	if len(names) == 0 {
		return o, film.Problems{{Pointer: "/tools", Message: "this deployment has no tools: deploy with -c tools=FILE"}}.Err()
	}
	if len(data) > film.MaxRequest {
		return o, film.Problems{{Message: fmt.Sprintf("too long: %d bytes of at most %d", len(data), film.MaxRequest)}}.Err()
	}
	list := strings.Join(names, ", ")
	if err := refuseDescriptions(data, list); err != nil {
		return o, err
	}
	if err := order.Decode(data, &o); err != nil {
		return o, err
	}
	var ps film.Problems
	for i, name := range o.Tools {
		if !slices.Contains(names, name) {
			ps = append(ps, film.Problem{Pointer: fmt.Sprintf("/tools/%d", i), Message: fmt.Sprintf("this deployment has no tool %q; it has %s", name, list)})
		}
	}
	return o, ps.Err()
}

// refuseDescriptions refuses a request that describes its tools: a deployment runs no commands of whoever may send it a request.
// names lists the tools that it has.
func refuseDescriptions(data []byte, names string) error {
	var fields struct {
		Tools []json.RawMessage `json:"tools"`
	}
	if json.Unmarshal(data, &fields) != nil {
		return nil //nolint:nilerr // the schema says what is wrong
	}
	for i, t := range fields.Tools {
		if strings.HasPrefix(string(t), "{") {
			return film.Problems{{
				Pointer: fmt.Sprintf("/tools/%d", i), Message: "a deployment runs only the tools that it was built with: give the name of one, of " + names,
			}}.Err()
		}
	}
	return nil
}

// Names lists the names of the tools in their order.
func (d Deployed) Names() []string {
	var names []string
	for _, t := range d.Tools {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// NeedsARN says why a deployment refuses a secret.
const NeedsARN = "a deployment needs to know where the value is: secrets: {NAME: ARN}"

// ParseDeployed reads the tools of a deployment as they were built into its program, and fills in the defaults.
func ParseDeployed(data []byte) (Deployed, error) {
	var d Deployed
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fault.Wrap(fault.Internal, err, "tools of the deployment")
	}
	if len(d.Tools) == 0 {
		return d, nil
	}
	whole, err := json.Marshal(Request{Source: "/source", Destination: "/destination", Tools: d.Tools, Segment: d.Segment})
	if err != nil {
		return d, fault.Wrap(fault.Internal, err, "tools of the deployment")
	}
	req, err := Parse(whole)
	if err != nil {
		return d, err
	}
	for i, t := range req.Tools {
		for n, secret := range t.Secrets {
			if secret.ARN == "" { // the environment of a worker has the credentials of the deployment
				return d, film.Problems{{Pointer: fmt.Sprintf("/tools/%d", i) + t.Secrets.Pointer(n), Message: NeedsARN}}.Err()
			}
		}
	}
	d.Tools = req.Tools // d.Segment stays as it was: its default follows from the tools of a request
	return d, nil
}

// DeployedRoute returns the service that runs the tool in a deployment.
func (t Tool) DeployedRoute() work.Route {
	if t.GPU {
		return work.RouteBatch
	}
	return cmp.Or(t.Mode, work.RouteLambdaBatch)
}
