// Package intake takes requests in, from an HTTPS API and from uploads, and says what became of them.
//
//	s := &intake.Service{Executions: x, Ledger: l, Resolve: open, Sources: in, Destinations: out}
//	status, err := s.Submit(ctx, "film-0042", request)
//
// A request is checked before anything is queued: against its schema, against the places that the deployment may read and
// write, and for its source. The execution has the name that the caller chose, so that a call which is repeated starts
// nothing twice. Three functions share the package: API answers API Gateway, Upload follows the events of a bucket, and
// Notify sends a message about each job that ended.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// Service is what the functions work with. Publish is for Notify alone.
type Service struct {
	Executions   Executions
	Ledger       ledger.Ledger
	Resolve      work.Resolver
	Sources      []Place
	Destinations []Place
	Web          []string // roots of web servers, below which sources may be, too
	Region       string
	Tools        tool.Deployed // that requests may name
	// Publish sends a message to the subscribers of the deployment's topic; nil where it has none.
	Publish func(ctx context.Context, subject, text string) error
	// Estimate says what a request that was checked would take, as a value that has a form in JSON. It is for API alone; nil where
	// there are no dry runs.
	Estimate func(ctx context.Context, request json.RawMessage) (any, error)
}

// Place is a prefix of a bucket. The objects that requests name lie in one.
type Place struct{ Bucket, Prefix string }

// String returns the place as a URL.
func (p Place) String() string { return "s3://" + p.Bucket + "/" + p.Prefix }

// ParsePlaces reads places as String writes them, separated by spaces.
func ParsePlaces(text string) ([]Place, error) {
	var list []Place
	for url := range strings.FieldsSeq(text) {
		rest, ok := strings.CutPrefix(url, "s3://")
		bucket, prefix, slash := strings.Cut(rest, "/")
		if !ok || !slash || bucket == "" {
			return nil, fmt.Errorf("%q is not of the form s3://bucket/prefix", url)
		}
		list = append(list, Place{bucket, prefix})
	}
	if len(list) == 0 {
		return nil, errors.New("no place is given")
	}
	return list, nil
}

// Executions starts, describes and stops executions of the state machine, by their names.
type Executions interface {
	// Start starts an execution. If one of the name runs with the same input, Start returns it. If one of the name has ended,
	// or has another input, the error is ErrTaken.
	Start(ctx context.Context, name string, input json.RawMessage) (Execution, error)
	// Describe returns an execution, or ErrUnknown.
	Describe(ctx context.Context, name string) (Execution, error)
	// Stop stops an execution, with a cause that its history keeps.
	Stop(ctx context.Context, name, cause string) error
}

// Execution is an execution as Step Functions describes it.
type Execution struct {
	Name, ARN, Status  string
	Started, Stopped   time.Time
	Input, Output      string
	ErrorName, Message string
}

// Running is the status of an execution that has not ended.
const Running = "RUNNING"

// Errors of Executions.
var (
	ErrTaken   = errors.New("another request was started under this name")
	ErrUnknown = errors.New("there is no execution of this name")
)

// names are the names of executions that all of AWS's tools accept (API reference, StartExecution).
var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// Status is a job as callers see it.
type Status struct {
	ID        string            `json:"id"`        // the execution's name
	Status    string            `json:"status"`    // of the execution: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or PENDING_REDRIVE
	Execution string            `json:"execution"` // its ARN
	Job       string            `json:"job,omitempty"`
	Started   time.Time         `json:"started,omitzero"`
	Stopped   time.Time         `json:"stopped,omitzero"`
	Progress  []Progress        `json:"progress,omitempty"`
	Outputs   []json.RawMessage `json:"outputs,omitempty"` // facts of the published files
	Warnings  []string          `json:"warnings,omitempty"`
	Error     *ledger.Failure   `json:"error,omitempty"`
	Redrive   string            `json:"redrive,omitempty"` // the command that does the rest of a failed job
	Cost      *price.Cost       `json:"cost,omitempty"`
}

// Progress is a group of a job's units, such as its segments.
type Progress struct {
	Name    string `json:"name"`
	Units   int    `json:"units"`
	Done    int    `json:"done"`
	Running int    `json:"running,omitempty"`
}

// Status describes an execution and the job that it holds.
func (s *Service) Status(ctx context.Context, name string) (Status, error) {
	x, err := s.Executions.Describe(ctx, name)
	if err != nil {
		return Status{}, err
	}
	return s.describe(ctx, x)
}

func (s *Service) describe(ctx context.Context, x Execution) (Status, error) {
	st := Status{ID: x.Name, Status: x.Status, Execution: x.ARN, Started: x.Started, Stopped: x.Stopped}
	if x.Output != "" {
		var out engine.Outcome
		if err := json.Unmarshal([]byte(x.Output), &out); err == nil {
			st.Job, st.Outputs, st.Warnings = out.Job, out.Outputs, out.Warnings
		}
	}
	if x.Status != Running && x.Status != "SUCCEEDED" {
		st.Error = &ledger.Failure{Kind: x.ErrorName, Message: x.Message}
	}
	record, err := s.Ledger.JobOf(ctx, x.ARN)
	switch {
	case errors.Is(err, ledger.ErrNotFound): // not planned yet, refused, expired, or taken over by a newer execution
	case err != nil:
		return Status{}, err
	default:
		if err := s.addJob(ctx, &st, x, record); err != nil {
			return Status{}, err
		}
	}
	if st.Error != nil && redrivable(*st.Error) {
		st.Redrive = fmt.Sprintf("aws stepfunctions redrive-execution --region %s --execution-arn %s", s.Region, x.ARN)
	}
	return st, nil
}

// addJob adds what the ledger knows.
func (s *Service) addJob(ctx context.Context, st *Status, x Execution, record ledger.Job) error {
	st.Job = record.ID
	plan, err := engine.DecodePlan(record)
	if err != nil {
		return err
	}
	groups, _, err := engine.ReadProgress(ctx, s.Ledger, plan)
	if err != nil {
		return err
	}
	for _, g := range groups {
		st.Progress = append(st.Progress, Progress{g.Name, g.Units, g.Done, g.Running})
	}
	if st.Error != nil {
		reason, err := engine.Reason(ctx, s.Ledger, record, engine.FinishInput{
			Execution: x.ARN, Status: x.Status, Error: x.ErrorName, Cause: x.Message,
		})
		if err != nil {
			return err
		}
		st.Error = &reason
	}
	spent, err := engine.ReadSpent(ctx, s.Ledger, record.ID)
	st.Cost = spent.Cost(price.Default())
	return err
}

// redrivable reports whether doing the rest of a job may help: not where the request itself is wrong.
func redrivable(f ledger.Failure) bool { return f.Kind != "Invalid" && f.Kind != "Unsupported" }

// Stop stops an execution that runs. One that has ended is left as it is.
func (s *Service) Stop(ctx context.Context, name, cause string) (Status, error) {
	x, err := s.Executions.Describe(ctx, name)
	if err != nil {
		return Status{}, err
	}
	if x.Status == Running {
		if err := s.Executions.Stop(ctx, name, cause); err != nil {
			return Status{}, err
		}
	}
	return s.Status(ctx, name)
}
