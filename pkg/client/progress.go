package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/tally"
)

// Progress is how far a job is.
type Progress = tally.Tally

// Group is units of one kind.
type Group = tally.Group

// addProgress adds the progress of a job, as far as it is known.
func (c *Client) addProgress(ctx context.Context, j *Job) error {
	if c.cloud != nil {
		return c.addFromLedger(ctx, j)
	}
	p, err := c.serverProgress(ctx, j.Name)
	if err != nil { // an older server, or one that has forgotten the units; one that does not answer fails below as well
		return c.addFromMapRuns(ctx, j)
	}
	j.Progress = p
	return nil
}

// serverProgress asks a server for what its ledger has of a job.
func (c *Client) serverProgress(ctx context.Context, job string) (*Progress, error) {
	body, _, err := c.get(ctx, "progress", url.Values{"name": {job}}, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var p Progress
	err = json.NewDecoder(io.LimitReader(body, maxProgress)).Decode(&p)
	return &p, fault.Wrap(fault.Transient, err, "progress of "+job)
}

const (
	// maxProgress bounds the answer of a server about the progress of a job in bytes: a few lines for each group of units.
	maxProgress = 4 << 20
	// maxMapRuns bounds the map runs of a job whose counts are added up: one for each phase, and again with each redrive.
	maxMapRuns = 100
)

// addFromMapRuns takes the progress from the map runs: one for each phase. What an earlier one has done is not in those that
// followed, after a redrive as well.
func (c *Client) addFromMapRuns(ctx context.Context, j *Job) error {
	list, err := c.sfn.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: &j.ARN, MaxResults: maxMapRuns})
	if err != nil {
		return c.fail(err, "map runs of "+j.Name)
	}
	var counts []*types.MapRunItemCounts // the newest first
	for _, m := range list.MapRuns {
		run, err := c.sfn.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: m.MapRunArn})
		if err != nil {
			return c.fail(err, "map run of "+j.Name)
		}
		if run.ItemCounts != nil {
			counts = append(counts, run.ItemCounts)
		}
	}
	if len(counts) == 0 {
		return nil
	}
	newest := counts[0]
	g := Group{Name: "units", Noun: "units", Units: int(newest.Total), Done: int(newest.Succeeded), Running: int(newest.Running)}
	for _, n := range counts[1:] {
		g.Units += int(n.Succeeded)
		g.Done += int(n.Succeeded)
	}
	j.Progress = &Progress{Groups: []Group{g}, Failures: int(newest.Failed + newest.TimedOut)}
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
	p, spent, err := tally.Read(ctx, c.cloud.ledger, plan)
	if err != nil {
		return err
	}
	p.Cost = spent.Cost(c.cloud.prices)
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
