// Package dynamo is a ledger.Ledger in one DynamoDB table.
//
//	l := dynamo.New(dynamodb.NewFromConfig(config), "mapreel-ledger")
//
// The table's keys are two strings, PartitionKey and SortKey, and its TTL attribute is TTL, in seconds since 1970. It
// holds, for a job J of execution E with a unit U:
//
//	pk            sk                   what
//	job/J         job                  the job
//	job/J         plan/U               what was planned of the unit: its spec. Written once, never changed
//	job/J         state/U              what became of it: state, attempt, facts. Made by the first Begin
//	execution/E   job                  the job's ID, for JobOf
//	jobs          <time created>/J     the job's ID, for Jobs
//
// A unit is two items so that Plan can use BatchWriteItem, which knows no conditions: whatever it overwrites is a plan,
// and the plan of a job is the same whoever makes it. What workers did stands elsewhere, where every change is an
// UpdateItem on condition. There are no transactions: each call's items are written in an order in which a
// process may be killed and the call be made again.
//
// What it costs, in DynamoDB's units (of 1 KB written, 4 KB read): Plan one read and one write a unit, and for one that
// exists and is to be kept longer two reads, a write and, where it was begun, another; Begin a read and a write, every
// other change a write; Units and Count what they read. Jobs reads a partition of its own, a read for each job and one for each 40: it is for people,
// not for stages. That partition takes a thousand new jobs a second.
//
// All reads are consistent.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// The table's keys and its TTL attribute.
const (
	PartitionKey = "pk"
	SortKey      = "sk"
	TTL          = "expiresAt"
)

const (
	// attempts is how often a request is made before its failure is ours: with the SDK's backoff about a minute, in which
	// an on-demand table grows to a load that doubles.
	attempts = 8

	// queryPage is how many items a Query asks for at a time: some hundred kilobytes.
	queryPage = 500

	// getBatch and putBatch are the most that BatchGetItem and BatchWriteItem take.
	getBatch = 100
	putBatch = 25

	// batchRounds is how often what a batch left unprocessed is asked for again, after batchPause, twice that, and so on
	// up to batchPauseMax: about half a minute.
	batchRounds   = 12
	batchPause    = 20 * time.Millisecond
	batchPauseMax = 5 * time.Second

	// inParallel is how many requests one Plan or Delete has on the way.
	inParallel = 16

	// changeRounds is how often a change is tried again because the unit changed under it. Each round is lost only to
	// another worker that won.
	changeRounds = 20
)

// Ledger is a table.
type Ledger struct {
	client *dynamodb.Client
	table  string
}

var _ ledger.Ledger = (*Ledger)(nil)

// New returns the ledger in a table, which must exist. It asks nothing of DynamoDB yet.
func New(client *dynamodb.Client, table string) *Ledger {
	return &Ledger{
		client: dynamodb.New(client.Options(), func(o *dynamodb.Options) { o.RetryMaxAttempts = attempts }),
		table:  table,
	}
}

// TableInput is the table as it must be, for tests and for servers other than AWS, where infra makes it. The TTL is set
// by a call of its own.
func TableInput(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(PartitionKey), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(SortKey), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(PartitionKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(SortKey), AttributeType: types.ScalarAttributeTypeS},
		},
	}
}

func jobKey(id string) key              { return key{"job/" + id, "job"} }
func planKey(job, id string) key        { return key{"job/" + job, planPrefix + id} }
func stateKey(job, id string) key       { return key{"job/" + job, statePrefix + id} }
func executionKey(execution string) key { return key{"execution/" + execution, "job"} }

// listKey orders jobs by the time of their creation, in milliseconds of 13 digits until the year 2286.
func listKey(created int64, id string) key {
	return key{listPartition, fmt.Sprintf("%013d/%s", created, id)}
}

const (
	planPrefix    = "plan/"
	statePrefix   = "state/"
	listPartition = "jobs"
)

// fail says what was attempted, with the kind that err means here.
func (l *Ledger) fail(ctx context.Context, attempted string, err error) error {
	if err == nil {
		return nil
	}
	what := attempted + " (table " + l.table + ")"
	var kinded *fault.Error
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrConflict):
		return fmt.Errorf("%s: %w", attempted, err)
	case errors.As(err, &kinded):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil:
		if cause := context.Cause(ctx); cause != ctx.Err() { //nolint:errorlint // the same value, not the same kind
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), cause)
		}
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	e := &fault.Error{Kind: fault.Internal, What: what, Err: err}
	var (
		api      smithy.APIError
		response *smithyhttp.ResponseError
		send     *smithyhttp.RequestSendError
		quota    ratelimit.QuotaExceededError
		code     string
		status   int
	)
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	if errors.As(err, &response) && response.Response != nil {
		status = response.HTTPStatusCode()
	}
	switch code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
		"InternalServerError", "ServiceUnavailable", "ExpiredTokenException", "LimitExceededException":
		e.Kind = fault.Transient
	case "ResourceNotFoundException":
		e.Kind, e.Hint = fault.Invalid, "there is no table "+l.table+" in this account and region"
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationToken",
		"IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationTokenException":
		e.Kind, e.Hint = fault.Invalid, "allow the role to use table "+l.table
	case "ValidationException":
		if strings.Contains(err.Error(), "tem size") { // "Item size has exceeded", "Item size to update has exceeded"
			e.Kind, e.Hint = fault.Unsupported, "DynamoDB's items hold 400 KB at most; the source has too much to say of itself"
		}
	default:
		if status >= 500 || status == http.StatusTooManyRequests || errors.As(err, &send) || errors.As(err, &quota) {
			e.Kind = fault.Transient
		}
	}
	return e
}

// isRefused reports that a change's condition was not met.
func isRefused(err error) bool {
	var e *types.ConditionalCheckFailedException
	return errors.As(err, &e)
}

// pause waits before the given round of asking again, with jitter so that workers who met once do not meet again.
func pause(ctx context.Context, round int) error {
	most := min(batchPause<<min(round, 20), batchPauseMax)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(most/2 + rand.N(most/2)):
		return nil
	}
}

// errTooBusy ends the attempts to change a unit.
var errTooBusy = fault.New(fault.Transient, "other workers changed it each of %d times", changeRounds)
