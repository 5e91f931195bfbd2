package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// Statuses of a job, as Step Functions has them. The others are failures.
const (
	Running        = "RUNNING"
	Succeeded      = "SUCCEEDED"
	Aborted        = "ABORTED"
	PendingRedrive = "PENDING_REDRIVE"
)

// Job is an execution and what it works on.
type Job struct {
	Name        string            `json:"name"`
	ARN         string            `json:"arn"`
	Status      string            `json:"status"`
	Started     time.Time         `json:"started"`
	Stopped     time.Time         `json:"stopped,omitzero"`
	Redrives    int               `json:"redrives,omitempty"`
	Redrivable  bool              `json:"redrivable,omitempty"`
	Source      string            `json:"source,omitempty"`
	Destination string            `json:"destination,omitempty"`
	Progress    *Progress         `json:"progress,omitempty"`
	Outputs     []json.RawMessage `json:"outputs,omitempty"` // facts of what was published
	Warnings    []string          `json:"warnings,omitempty"`
	Error       *ledger.Failure   `json:"error,omitempty"`

	input string
}

// Ended reports whether the job has ended, in whatever way.
func (j Job) Ended() bool { return j.Status != Running && j.Status != PendingRedrive }

// Submit starts a job. A job of the name that runs for the same request is returned as it is, and so is one that has ended: then
// started is false. One of the name with another request is an error.
func (c *Client) Submit(ctx context.Context, name string, request json.RawMessage) (job Job, started bool, err error) {
	arn, err := c.arn(name)
	if err != nil {
		return Job{}, false, err
	}
	earlier, err := c.describe(ctx, arn)
	if err == nil {
		return c.existing(earlier, request)
	}
	if fault.KindOf(err) != fault.NotFound {
		return Job{}, false, err
	}
	input := string(request)
	_, err = c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &name, Input: &input})
	if hasCode(err, "ExecutionAlreadyExists") { // another client was faster
		if earlier, err = c.describe(ctx, arn); err != nil {
			return Job{}, false, err
		}
		return c.existing(earlier, request)
	}
	if err != nil {
		return Job{}, false, c.fail(err, "start job "+name)
	}
	job, err = c.describe(ctx, arn)
	return job, true, err
}

// existing returns a job that was there before, if it was started for the same request.
func (c *Client) existing(job Job, request json.RawMessage) (Job, bool, error) {
	if !sameJSON([]byte(job.input), request) {
		return Job{}, false, fault.WithHint(fault.New(fault.Invalid, "there is a job %s already, for another request", job.Name), "choose another --name")
	}
	return job, false, nil
}

// sameJSON reports whether two texts are the same value.
func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	one, err := json.Marshal(x)
	if err != nil {
		return false
	}
	two, err := json.Marshal(y)
	return err == nil && string(one) == string(two)
}

// Status describes a job, with its progress.
func (c *Client) Status(ctx context.Context, job string) (Job, error) {
	arn, err := c.arn(job)
	if err != nil {
		return Job{}, err
	}
	j, err := c.describe(ctx, arn)
	if err != nil {
		return Job{}, err
	}
	return j, c.addProgress(ctx, &j)
}

// describe asks for an execution.
func (c *Client) describe(ctx context.Context, arn string) (Job, error) {
	x, err := c.sfn.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		return Job{}, c.fail(err, "job "+nameOf(arn))
	}
	j := Job{
		Name: aws.ToString(x.Name), ARN: aws.ToString(x.ExecutionArn), Status: string(x.Status), Started: aws.ToTime(x.StartDate),
		Stopped: aws.ToTime(x.StopDate), Redrives: int(aws.ToInt32(x.RedriveCount)),
		Redrivable: x.RedriveStatus == types.ExecutionRedriveStatusRedrivable, input: aws.ToString(x.Input),
	}
	var envelope work.Envelope
	if json.Unmarshal([]byte(j.input), &envelope) == nil {
		j.Source, j.Destination = envelope.Source, envelope.Destination
	}
	var out engine.Outcome
	if x.Output != nil && json.Unmarshal([]byte(*x.Output), &out) == nil {
		j.Outputs, j.Warnings = out.Outputs, out.Warnings
	}
	if j.Ended() && j.Status != Succeeded {
		j.Error = &ledger.Failure{Kind: aws.ToString(x.Error), Message: aws.ToString(x.Cause)}
	}
	return j, nil
}

// nameOf returns the last part of an ARN.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// List returns jobs, the newest first: at most limit. status selects those of one status; "" selects all.
func (c *Client) List(ctx context.Context, status string, limit int) ([]Job, error) {
	list := []Job{}
	pages := sfn.NewListExecutionsPaginator(c.sfn, &sfn.ListExecutionsInput{
		StateMachineArn: &c.machine, StatusFilter: types.ExecutionStatus(status), MaxResults: int32(min(limit, 1000)),
	})
	for len(list) < limit && pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.fail(err, "list jobs")
		}
		for _, x := range page.Executions {
			list = append(list, Job{
				Name: aws.ToString(x.Name), ARN: aws.ToString(x.ExecutionArn), Status: string(x.Status), Started: aws.ToTime(x.StartDate),
				Stopped: aws.ToTime(x.StopDate), Redrives: int(aws.ToInt32(x.RedriveCount)),
			})
		}
	}
	return list[:min(len(list), limit)], nil
}

// Stop stops a job that runs, and returns it. One that has ended stays as it is: then stopped is false, also where it ended while it was
// to be stopped.
func (c *Client) Stop(ctx context.Context, job, cause string) (j Job, stopped bool, err error) {
	arn, err := c.arn(job)
	if err != nil {
		return Job{}, false, err
	}
	j, err = c.describe(ctx, arn)
	if err != nil || j.Ended() {
		return j, false, err
	}
	_, err = c.sfn.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn, Error: aws.String("Stopped"), Cause: &cause})
	if err != nil {
		return Job{}, false, c.fail(err, "stop job "+j.Name)
	}
	j, err = c.describe(ctx, arn)
	return j, err == nil && (j.Status == Aborted || !j.Ended()), err // a service may take a moment
}

// Redrive runs again what a job left undone, and returns the job.
func (c *Client) Redrive(ctx context.Context, job string) (Job, error) {
	arn, err := c.arn(job)
	if err != nil {
		return Job{}, err
	}
	if _, err := c.sfn.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn}); err != nil {
		return Job{}, c.fail(err, "redrive job "+nameOf(arn))
	}
	return c.describe(ctx, arn)
}

// Raise continues a job that has ended without success under another budget, and returns the job that does: the request has the budget,
// so it is started again. What is done is not done again.
func (c *Client) Raise(ctx context.Context, job string, budget price.Money) (Job, error) {
	arn, err := c.arn(job)
	if err != nil {
		return Job{}, err
	}
	j, err := c.describe(ctx, arn)
	switch {
	case err != nil:
		return Job{}, err
	case !j.Ended():
		return Job{}, fault.WithHint(fault.New(fault.Invalid, "job %s runs, with the budget that it was started with", j.Name), "stop it first: what is done is kept")
	case j.Status == Succeeded:
		return Job{}, fault.New(fault.Invalid, "job %s is done", j.Name)
	}
	request, err := withBudget(j.input, budget)
	if err != nil {
		return Job{}, err
	}
	stem, _, _ := strings.Cut(j.Name, budgetMark)
	raised, _, err := c.Submit(ctx, stem[:min(len(stem), maxRaised)]+budgetMark+budget.Decimal(), request)
	return raised, err
}

const (
	// budgetMark is what follows the name of a job in that of one that continues it, before the budget.
	budgetMark = "-budget-"
	// maxRaised leaves room for mark and amount in the 80 characters of a name.
	maxRaised = 60
)

// withBudget returns a request with another budget.
func withBudget(request string, budget price.Money) (json.RawMessage, error) {
	var fields, compute map[string]json.RawMessage
	err := json.Unmarshal([]byte(request), &fields)
	if data, ok := fields["compute"]; ok && err == nil {
		err = json.Unmarshal(data, &compute)
	}
	if err == nil && fields == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "request of the job")
	}
	if compute == nil {
		compute = map[string]json.RawMessage{}
	}
	compute["budget"] = json.RawMessage(budget.Decimal())
	if fields["compute"], err = json.Marshal(compute); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "request")
	}
	data, err := json.Marshal(fields)
	return data, fault.Wrap(fault.Internal, err, "request")
}

// Event is an event of a job's history. Details is the whole event as the service returned it.
type Event struct {
	ID      int64              `json:"id"`
	Time    time.Time          `json:"time"`
	Type    string             `json:"type"`
	Text    string             `json:"text,omitempty"`
	Details types.HistoryEvent `json:"-"`
}

// Events yields the history of a job.
func (c *Client) Events(ctx context.Context, job string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		arn, err := c.arn(job)
		if err != nil {
			yield(Event{}, err)
			return
		}
		pages := sfn.NewGetExecutionHistoryPaginator(c.sfn, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, MaxResults: 1000})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Event{}, c.fail(err, "history of "+nameOf(arn)))
				return
			}
			for _, e := range page.Events {
				if !yield(Event{e.Id, aws.ToTime(e.Timestamp), string(e.Type), eventText(e), e}, nil) {
					return
				}
			}
		}
	}
}

// maxFollowErrors is how often in a row Follow may fail to ask.
const maxFollowErrors = 10

// pollInterval is how often Follow asks for the state of a job. An answer that takes long is asked for less often, so that at most
// a tenth of the time goes into asking: the ledger of a job of 10,000 units has megabytes.
const pollInterval = time.Second

// Follow passes the state of a job to observe until the job ends, and returns its last state. What goes wrong for a moment is tried
// again.
func (c *Client) Follow(ctx context.Context, job string, observe func(Job)) (Job, error) {
	failures := 0
	for {
		began := time.Now()
		j, err := c.Status(ctx, job)
		switch {
		case ctx.Err() != nil:
			return j, context.Cause(ctx)
		case err != nil && (fault.KindOf(err) != fault.Transient || failures == maxFollowErrors):
			return j, err
		case err != nil:
			failures++
		default:
			failures = 0
			observe(j)
			if j.Ended() {
				return j, nil
			}
		}
		if err := sleep(ctx, max(pollInterval, 9*time.Since(began))); err != nil {
			return j, err
		}
	}
}
