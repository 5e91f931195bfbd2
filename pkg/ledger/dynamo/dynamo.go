// Package dynamo implements ledger.Ledger in one DynamoDB table.
//
//	l := dynamo.New(dynamodb.NewFromConfig(config), "mapreel-ledger")
//
// The table's key consists of two strings, PartitionKey and SortKey. Its TTL attribute is TTL, in
// seconds since 1970. For a job J of execution E with a unit U it holds:
//
//	pk            sk                   content
//	job/J         job                  the job
//	job/J         plan/U               the unit's spec; written once, never changed
//	job/J         state/U              the unit's state, attempt and facts; created by the first Begin
//	execution/E   job                  the job's ID, for JobOf
//	jobs          <time created>/J     the job's ID, for Jobs
//
// A unit has two items so that Plan can use BatchWriteItem, which has no conditions: it can overwrite
// only plans, and every planner of a job makes the same plan. The progress of a unit is in the other
// item, which only conditional UpdateItem calls change. There are no transactions: each call writes
// its items in an order that allows it to be killed and repeated.
//
// What it costs, in DynamoDB's units (1 KB written, 4 KB read):
//
//	Plan           one read and one write per unit; for an existing unit that is to be kept longer, two
//	               reads and one write, and one more write if it was begun
//	Renew          the size of the job's items, read, and one write per item that would expire earlier
//	Begin          one read and one write
//	other changes  one write
//	Units          the size of what they read
//	Jobs           one read per job, and one per 40 jobs for the list
//
// Jobs is for people, not for stages. The partition of its list accepts a thousand new jobs per
// second.
//
// All reads are strongly consistent.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// Names of the table's key and TTL attributes.
const (
	PartitionKey = "pk"
	SortKey      = "sk"
	TTL          = "expiresAt"
)

const (
	// attempts is how often a request is made before the call fails. With the SDK's backoff that takes
	// about a minute, in which an on-demand table scales to twice its load.
	attempts = 8

	// queryPage is the number of items per Query: a few hundred kilobytes.
	queryPage = 500

	// getBatch and putBatch are the limits of BatchGetItem and BatchWriteItem.
	getBatch = 100
	putBatch = 25

	// batchRounds is how often the unprocessed items of a batch are requested again. The pauses double
	// from batchPause to batchPauseMax, about half a minute in total.
	batchRounds   = 12
	batchPause    = 20 * time.Millisecond
	batchPauseMax = 5 * time.Second

	// parallelRequests is the number of concurrent requests of one Plan or Delete.
	parallelRequests = 16

	// changeRounds is how often a change is retried because the unit changed concurrently. A round fails
	// only if another worker's change succeeded.
	changeRounds = 20
)

// Ledger is a table.
type Ledger struct {
	client *dynamodb.Client
	table  string
}

var _ ledger.Ledger = (*Ledger)(nil)

// New returns the ledger in a table, which must exist. It makes no request yet.
func New(client *dynamodb.Client, table string) *Ledger {
	return &Ledger{
		client: dynamodb.New(client.Options(), func(o *dynamodb.Options) {
			o.RetryMaxAttempts = attempts
			if r, ok := o.Retryer.(aws.RetryerV2); ok {
				o.Retryer = cutRetryer{r}
			}
		}),
		table: table,
	}
}

// cutRetryer also repeats requests whose response ends early. The SDK takes that for a response that it cannot understand.
type cutRetryer struct{ aws.RetryerV2 }

// IsErrorRetryable reports whether a request that failed with err is worth repeating.
func (r cutRetryer) IsErrorRetryable(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || r.RetryerV2.IsErrorRetryable(err)
}

// TableInput returns the definition of the table, for tests and for servers other than AWS. On AWS,
// package infra creates the table. The TTL attribute needs a separate call.
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

// listKey orders jobs by creation time in milliseconds, which have 13 digits until the year 2286.
func listKey(created int64, id string) key {
	return key{listPartition, fmt.Sprintf("%013d/%s", created, id)}
}

const (
	planPrefix    = "plan/"
	statePrefix   = "state/"
	listPartition = "jobs"
)

// fail adds what was attempted to err, and a kind unless it has one.
func (l *Ledger) fail(ctx context.Context, attempted string, err error) error {
	return ledger.WrapError(ctx, attempted, "table "+l.table, err, l.classify)
}

// classify returns the kind of an error of the SDK, and a hint or "".
func (l *Ledger) classify(err error) (fault.Kind, string) {
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
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Transient, ""
	}
	switch code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
		"InternalServerError", "ServiceUnavailable", "ExpiredTokenException", "LimitExceededException":
		return fault.Transient, ""
	case "ResourceNotFoundException":
		return fault.Invalid, "there is no table " + l.table + " in this account and region"
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationToken",
		"IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationTokenException":
		return fault.Invalid, "allow the role to use table " + l.table
	case "ValidationException":
		if strings.Contains(err.Error(), "tem size") { // "Item size has exceeded", "Item size to update has exceeded"
			return fault.Unsupported, "an item of DynamoDB holds at most 400 KB; the source has too many tracks or too much metadata"
		}
	default:
		if status >= 500 || status == http.StatusTooManyRequests || errors.As(err, &send) || errors.As(err, &quota) {
			return fault.Transient, ""
		}
	}
	return fault.Internal, ""
}

// conditionFailed reports whether the condition of a change was not met.
func conditionFailed(err error) bool {
	var e *types.ConditionalCheckFailedException
	return errors.As(err, &e)
}

// pause waits before a retry. The jitter keeps workers that collided once from colliding again.
func pause(ctx context.Context, round int) error {
	limit := min(batchPause<<min(round, 20), batchPauseMax)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit/2 + rand.N(limit/2)):
		return nil
	}
}

// errTooBusy is returned after changeRounds attempts to change a unit.
var errTooBusy = fault.New(fault.Transient, "other workers changed it during each of %d attempts", changeRounds)
