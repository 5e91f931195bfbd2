package client

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// Progress is how far a job is.
type Progress struct {
	// Groups are the groups of units of a deployment; a server has one, the units of its newest map run.
	Groups   []Group `json:"groups"`
	Retries  int     `json:"retries,omitempty"`  // attempts at units after the first
	Failures int     `json:"failures,omitempty"` // units whose last attempt failed
	// Moved counts the units that were not done at the first place of their route, by the error that they met there: OutOfTime, or
	// Lambda.TooManyRequestsException where they were throttled.
	Moved map[string]int `json:"moved,omitempty"`
	// Throttled is how many of a few units that were looked at wait because Lambda refused them, as too many run. They are tried again.
	Throttled int         `json:"throttled,omitempty"`
	Cost      *price.Cost `json:"cost,omitempty"` // so far, by list prices; nil: unknown
	// Elsewhere is what MediaConvert would have charged for the videos that were published; nil where there are none.
	Elsewhere *price.Elsewhere `json:"mediaConvert,omitempty"`
}

// Group is units of one kind.
type Group struct {
	Name    string      `json:"name"` // "video"; "units" where the kinds are not known
	Noun    string      `json:"noun"` // in the plural: "segments"
	Units   int         `json:"units"`
	Done    int         `json:"done"`
	Running int         `json:"running,omitempty"`
	Total   work.Amount `json:"total,omitzero"` // of all units, as planned
	Amount  work.Amount `json:"amount,omitzero"`
}

// addProgress adds the progress of a job, as far as it is known.
func (c *Client) addProgress(ctx context.Context, j *Job) error {
	if c.cloud != nil {
		return c.addFromLedger(ctx, j)
	}
	return c.addFromMapRuns(ctx, j)
}

// addFromMapRuns takes the progress from the newest map run.
func (c *Client) addFromMapRuns(ctx context.Context, j *Job) error {
	list, err := c.sfn.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: &j.ARN, MaxResults: 1})
	if err != nil {
		return c.fail(err, "map runs of "+j.Name)
	}
	if len(list.MapRuns) == 0 {
		return nil
	}
	run, err := c.sfn.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: list.MapRuns[0].MapRunArn})
	if err != nil {
		return c.fail(err, "map run of "+j.Name)
	}
	if run.ItemCounts == nil {
		return nil
	}
	n := run.ItemCounts
	j.Progress = &Progress{
		Groups:   []Group{{Name: "units", Noun: "units", Units: int(n.Total), Done: int(n.Succeeded), Running: int(n.Running)}},
		Failures: int(n.Failed + n.TimedOut),
	}
	return nil
}

// addFromLedger takes the progress from the ledger, and the reason of a failure, which names the unit.
func (c *Client) addFromLedger(ctx context.Context, j *Job) error {
	record, err := c.cloud.ledger.JobOf(ctx, j.ARN)
	if errors.Is(err, ledger.ErrNotFound) { // not planned yet, refused, expired, or taken over by a newer execution
		return nil
	}
	if err != nil {
		return err
	}
	plan, err := engine.DecodePlan(record)
	if err != nil {
		return nil //nolint:nilerr // another version of mapreel planned the job; what Step Functions knows is shown
	}
	p, err := readProgress(ctx, c.cloud.ledger, plan, c.cloud.prices)
	if err != nil {
		return err
	}
	p.Elsewhere = elsewhere(j.Outputs, c.cloud.prices)
	j.Progress = &p
	if !j.Ended() {
		if p.Throttled, err = c.throttled(ctx, j.ARN); err != nil {
			return err
		}
	}
	if j.Error != nil {
		given := engine.FinishInput{Execution: j.ARN, Status: j.Status, Error: j.Error.Kind, Cause: j.Error.Message}
		reason, err := engine.Reason(ctx, c.cloud.ledger, record, given)
		if err != nil {
			return err
		}
		j.Error = &reason
	}
	return nil
}

// elsewhere prices the videos of outputs as MediaConvert would.
func elsewhere(outputs []json.RawMessage, prices price.Table) *price.Elsewhere {
	var videos []price.Video
	for _, data := range outputs {
		var o film.OutputFacts
		if json.Unmarshal(data, &o) != nil { // of a kind of output that is no film
			continue
		}
		for _, v := range o.Video {
			if r := v.FrameRate; r.Known() {
				videos = append(videos, price.Video{
					Codec: string(v.Codec), Width: v.Width, Height: v.Height, Fast: r.Num > 30*r.Den, Millis: int64(o.Frames) * 1000 * r.Den / r.Num,
				})
			}
		}
	}
	if len(videos) == 0 {
		return nil
	}
	e := prices.MediaConvert(videos)
	return &e
}

// readProgress reads the units of a job.
func readProgress(ctx context.Context, l ledger.Ledger, plan work.Plan, prices price.Table) (Progress, error) {
	var spent engine.Spent
	p := Progress{Groups: make([]Group, len(plan.Groups))}
	for i, g := range plan.Groups {
		p.Groups[i] = Group{Name: g.Name, Noun: g.Noun, Units: g.Units, Total: g.Total}
	}
	for u, err := range engine.ReadUnits(ctx, l, plan.ID) {
		if err != nil {
			return p, err
		}
		spent.Add(u.Attempt, u.Uses)
		p.Retries += max(u.Attempt-1, 0)
		if u.State == ledger.Failed {
			p.Failures++
		}
		if u.Reason != "" {
			if p.Moved == nil {
				p.Moved = map[string]int{}
			}
			p.Moved[u.Reason]++
		}
		for i, g := range plan.Groups {
			if g.Contains(u.ID) {
				p.Groups[i].add(u)
			}
		}
	}
	p.Cost = spent.Cost(prices)
	return p, nil
}

// add counts a unit of the group.
func (g *Group) add(u engine.UnitReport) {
	switch u.State {
	case ledger.Running:
		g.Running++
	case ledger.Done:
		g.Done++
		g.Amount.Media += u.Done.Media
		g.Amount.Count += u.Done.Count
		g.Amount.Bytes += u.Done.Bytes
	}
}

// Failure is a unit of a job that failed.
type Failure struct {
	Unit string    `json:"unit"`
	Time time.Time `json:"time"`
	Text string    `json:"text"` // the error and its cause
}

// Failures returns why units of the newest map run of a job failed: at most limit, which is 1000 at most.
func (c *Client) Failures(ctx context.Context, job string, limit int) ([]Failure, error) {
	arn, err := c.arn(job)
	if err != nil {
		return nil, err
	}
	runs, err := c.sfn.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: &arn, MaxResults: 1})
	if err != nil {
		return nil, c.fail(err, "map runs of "+nameOf(arn))
	}
	if len(runs.MapRuns) == 0 {
		return nil, nil
	}
	children, err := c.sfn.ListExecutions(ctx, &sfn.ListExecutionsInput{
		MapRunArn: runs.MapRuns[0].MapRunArn, StatusFilter: "FAILED", MaxResults: int32(limit),
	})
	if err != nil {
		return nil, c.fail(err, "children of "+nameOf(arn))
	}
	var list []Failure
	for _, child := range children.Executions {
		x, err := c.sfn.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: child.ExecutionArn})
		if err != nil {
			return nil, c.fail(err, "child "+aws.ToString(child.Name))
		}
		var item struct{ Unit string }
		_ = json.Unmarshal([]byte(aws.ToString(x.Input)), &item) // another machine's children have other inputs
		list = append(list, Failure{item.Unit, aws.ToTime(x.StopDate).Round(time.Millisecond), reason(x.Error, x.Cause)})
	}
	return list, nil
}
