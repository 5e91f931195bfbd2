package dynamo

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/ledger"
)

// PutJob creates the job, or sets everything but Created of the existing one. It writes the job first,
// then the items by which JobOf and Jobs find it.
func (l *Ledger) PutJob(ctx context.Context, job ledger.Job) error {
	return l.fail(ctx, "record job "+job.ID, l.putJob(ctx, job))
}

func (l *Ledger) putJob(ctx context.Context, job ledger.Job) error {
	c := newChange()
	now := number(millis(time.Now()))
	created := c.name("created")
	c.sets = append(c.sets, created+" = if_not_exists("+created+", "+c.value(now)+")")
	c.set("updated", now)
	c.set("state", text(string(job.State)))
	c.set("execution", text(job.Execution))
	c.set("started", number(millis(job.Started)))
	c.setDocument("doc", job.Doc)
	c.setExpiry(expiry(job.Expires))
	if err := c.setFailure(job.Failure); err != nil {
		return err
	}
	state, execution, started, at := c.name("state"), c.name("execution"), c.name("started"), c.value(number(millis(job.Started)))
	c.condition = fmt.Sprintf("(attribute_not_exists(%s) OR %s <= %s) AND NOT (%s = %s AND (%s = %s OR %s = %s AND %s = %s))",
		started, started, at, execution, c.value(text(job.Execution)), state, c.value(text(string(ledger.JobDone))),
		state, c.value(text(string(ledger.JobFailed))), started, at)
	stored, err := l.update(ctx, jobKey(job.ID), c)
	if conditionFailed(err) {
		return ledger.ErrConflict
	}
	if err != nil {
		return err
	}
	if err := l.putPointer(ctx, listKey(stored.number("created"), job.ID), job.ID, job.Expires); err != nil {
		return err
	}
	if job.Execution == "" {
		return nil
	}
	return l.putPointer(ctx, executionKey(job.Execution), job.ID, job.Expires)
}

// putPointer writes an item that holds a job's ID.
func (l *Ledger) putPointer(ctx context.Context, k key, job string, expires time.Time) error {
	i := k.item()
	i["job"] = text(job)
	if s := expiry(expires); s != 0 {
		i[TTL] = number(s)
	}
	_, err := l.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.table, Item: i})
	return err
}

// Job returns the job, or ErrNotFound.
func (l *Ledger) Job(ctx context.Context, id string) (ledger.Job, error) {
	job, err := l.job(ctx, id)
	return job, l.fail(ctx, "read job "+id, err)
}

func (l *Ledger) job(ctx context.Context, id string) (ledger.Job, error) {
	i, err := l.get(ctx, jobKey(id))
	if err != nil {
		return ledger.Job{}, err
	}
	if i == nil {
		return ledger.Job{}, ledger.ErrNotFound
	}
	return jobFrom(id, i)
}

func jobFrom(id string, i item) (ledger.Job, error) {
	failure, err := i.failure()
	return ledger.Job{
		ID: id, State: ledger.JobState(i.text("state")), Execution: i.text("execution"), Started: i.millis("started"),
		Doc:     i.document("doc"),
		Failure: failure, Created: i.millis("created"), Updated: i.millis("updated"), Expires: i.expires(),
	}, err
}

// JobOf returns the job whose newest execution is the given one, or ErrNotFound.
func (l *Ledger) JobOf(ctx context.Context, execution string) (ledger.Job, error) {
	job, err := l.jobOf(ctx, execution)
	return job, l.fail(ctx, "read the job of execution "+execution, err)
}

func (l *Ledger) jobOf(ctx context.Context, execution string) (ledger.Job, error) {
	pointer, err := l.get(ctx, executionKey(execution))
	if err != nil {
		return ledger.Job{}, err
	}
	if pointer == nil {
		return ledger.Job{}, ledger.ErrNotFound
	}
	job, err := l.job(ctx, pointer.text("job"))
	if err != nil {
		return ledger.Job{}, err
	}
	if job.Execution != execution { // a newer execution owns the job
		return ledger.Job{}, ledger.ErrNotFound
	}
	return job, nil
}

// EndJob moves the job to state done or failed on behalf of execution.
func (l *Ledger) EndJob(
	ctx context.Context, id, execution string, state ledger.JobState, failure *ledger.Failure, expires time.Time,
) error {
	return l.fail(ctx, fmt.Sprintf("end job %s as %s", id, state), l.endJob(ctx, id, execution, state, failure, expires))
}

func (l *Ledger) endJob(
	ctx context.Context, id, execution string, state ledger.JobState, failure *ledger.Failure, expires time.Time,
) error {
	c := newChange()
	c.set("updated", number(millis(time.Now())))
	c.set("state", text(string(state)))
	c.setExpiry(expiry(expires))
	if err := c.setFailure(failure); err != nil {
		return err
	}
	c.condition = c.name("execution") + " = " + c.value(text(execution))
	if state != ledger.JobDone {
		c.condition += " AND " + c.name("state") + " <> " + c.value(text(string(ledger.JobDone)))
	}
	stored, err := l.update(ctx, jobKey(id), c)
	if conditionFailed(err) {
		if _, err := l.job(ctx, id); err != nil {
			return err
		}
		return ledger.ErrConflict
	}
	if err != nil {
		return err
	}
	// The pointers to the job are kept as long as the job. One that expired earlier may be deleted already.
	for _, k := range []key{listKey(stored.number("created"), id), executionKey(execution)} {
		c := newChange()
		c.setExpiry(expiry(expires))
		c.condition = c.name("job") + " = " + c.value(text(id))
		if _, err := l.update(ctx, k, c); err != nil && !conditionFailed(err) {
			return err
		}
	}
	return nil
}

// Renew keeps the items of the job and of all its units at least until expires. The job's own item comes last, so that a Renew
// that was killed is repeated by whoever sees that the job expires too soon.
func (l *Ledger) Renew(ctx context.Context, job string, expires time.Time) error {
	return l.fail(ctx, "renew job "+job, l.renew(ctx, job, expiry(expires)))
}

func (l *Ledger) renew(ctx context.Context, id string, expires int64) error {
	stored, err := l.get(ctx, jobKey(id))
	if err != nil || stored == nil {
		return err
	}
	for page, err := range l.pages(ctx, jobKey(id).pk, "", false, PartitionKey, SortKey, TTL) {
		if err != nil {
			return err
		}
		found := map[key]item{}
		for _, i := range page {
			if k := i.key(); k != jobKey(id) {
				found[k] = i
			}
		}
		if _, err := l.extendExpiry(ctx, found, expires); err != nil {
			return err
		}
	}
	pointers := []key{listKey(stored.number("created"), id)}
	if execution := stored.text("execution"); execution != "" {
		pointers = append(pointers, executionKey(execution))
	}
	found, err := l.getAll(ctx, pointers, TTL)
	if err != nil {
		return err
	}
	if _, err := l.extendExpiry(ctx, found, expires); err != nil {
		return err
	}
	_, err = l.extendExpiry(ctx, map[key]item{jobKey(id): stored}, expires)
	return err
}

// Jobs yields every job, newest first.
func (l *Ledger) Jobs(ctx context.Context) iter.Seq2[ledger.Job, error] {
	return func(yield func(ledger.Job, error) bool) {
		fail := func(err error) { yield(ledger.Job{}, l.fail(ctx, "list jobs", err)) }
		for page, err := range l.pages(ctx, listPartition, "", true) {
			if err != nil {
				fail(err)
				return
			}
			for chunk := range slices.Chunk(page, getBatch) {
				jobs, err := l.jobsOf(ctx, chunk)
				if err != nil {
					fail(err)
					return
				}
				for _, job := range jobs {
					if !yield(job, nil) {
						return
					}
				}
			}
		}
	}
}

// jobsOf returns the jobs of pointers, in their order, without those that no longer exist.
func (l *Ledger) jobsOf(ctx context.Context, pointers []item) ([]ledger.Job, error) {
	keys := make([]key, len(pointers))
	for n, p := range pointers {
		keys[n] = jobKey(p.text("job"))
	}
	found, err := l.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	var jobs []ledger.Job
	for _, p := range pointers {
		id := p.text("job")
		i := found[jobKey(id)]
		if i == nil || p.key() != listKey(i.number("created"), id) { // a pointer to an earlier job with this ID
			continue
		}
		job, err := jobFrom(id, i)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// Delete removes the job and its units. It deletes the job's item last, so that a Delete that was
// killed can be repeated.
func (l *Ledger) Delete(ctx context.Context, job string) error {
	return l.fail(ctx, "delete job "+job, l.delete(ctx, job))
}

func (l *Ledger) delete(ctx context.Context, id string) error {
	stored, err := l.get(ctx, jobKey(id))
	if err != nil {
		return err
	}
	for page, err := range l.pages(ctx, jobKey(id).pk, "", false, PartitionKey, SortKey) {
		if err != nil {
			return err
		}
		var deletions []types.WriteRequest
		for _, i := range page {
			if k := i.key(); k != jobKey(id) {
				deletions = append(deletions, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k.item()}})
			}
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(parallelRequests)
		for requests := range slices.Chunk(deletions, putBatch) {
			group.Go(func() error { return l.write(ctx, requests) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	if stored == nil {
		return nil
	}
	keys := []key{listKey(stored.number("created"), id)}
	if execution := stored.text("execution"); execution != "" {
		keys = append(keys, executionKey(execution))
	}
	for _, k := range append(keys, jobKey(id)) {
		if _, err := l.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(l.table), Key: k.item()}); err != nil {
			return err
		}
	}
	return nil
}
