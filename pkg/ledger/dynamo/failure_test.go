//nolint:bodyclose // the responses made here are closed by the SDK
package dynamo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo/dynamotest"
	"github.com/mapreel/mapreel/pkg/ledger/ledgertest"
)

// network is an HTTP client between the SDK and the server. It may respond in the server's place.
type network struct {
	mu       sync.Mutex
	do       func(request *http.Request, operation string, body []byte) (*http.Response, error) // nil, nil: the server responds
	requests atomic.Int64
}

func (n *network) Do(request *http.Request) (*http.Response, error) {
	n.requests.Add(1)
	n.mu.Lock()
	do := n.do
	n.mu.Unlock()
	if do != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		_, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
		if response, err := do(request, operation, body); response != nil || err != nil {
			return response, err
		}
	}
	return http.DefaultTransport.RoundTrip(request)
}

func (n *network) set(do func(*http.Request, string, []byte) (*http.Response, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.do = do
	n.requests.Store(0)
}

func (n *network) ledger(t *testing.T, server *dynamotest.Server) *dynamo.Ledger {
	t.Helper()
	return dynamo.New(server.Client(func(o *dynamodb.Options) {
		o.HTTPClient = n
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 5 * time.Millisecond })
	}), server.NewTable(t))
}

func answer(request *http.Request, status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: request,
	}, nil
}

func errorResponse(status int, code string) func(*http.Request, string, []byte) (*http.Response, error) {
	return func(request *http.Request, _ string, _ []byte) (*http.Response, error) {
		return answer(request, status, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"injected"}`, code))
	}
}

// resetConnection fails as a connection that the server resets.
func resetConnection(*http.Request, string, []byte) (*http.Response, error) {
	return nil, syscall.ECONNRESET
}

// cutResponse has the server execute a request, and loses the end of its response.
func cutResponse(request *http.Request, _ string, _ []byte) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body := response.Body
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, 1), iotest.ErrReader(io.ErrUnexpectedEOF)), body}
	return response, nil
}

// failFirst fails the first n requests of each operation.
func failFirst(
	n int, fail func(*http.Request, string, []byte) (*http.Response, error),
) func(*http.Request, string, []byte) (*http.Response, error) {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(request *http.Request, operation string, body []byte) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if seen[operation]++; seen[operation] > n {
			return nil, nil //nolint:nilnil // the server answers
		}
		return fail(request, operation, body)
	}
}

func later() time.Time { return time.Now().Add(time.Hour) }

func plan(ids ...string) func(func(ledger.Unit) bool) {
	return func(yield func(ledger.Unit) bool) {
		for _, id := range ids {
			if !yield(ledger.Unit{ID: id, Spec: json.RawMessage(`{}`)}) {
				return
			}
		}
	}
}

// operations holds every operation of a ledger, on one that prepare filled.
var operations = map[string]func(ctx context.Context, l *dynamo.Ledger) error{
	"PutJob": func(ctx context.Context, l *dynamo.Ledger) error {
		return l.PutJob(ctx, ledger.Job{ID: "new", State: ledger.JobRunning, Execution: "new"})
	},
	"Job": func(ctx context.Context, l *dynamo.Ledger) error {
		_, err := l.Job(ctx, "j")
		return err
	},
	"JobOf": func(ctx context.Context, l *dynamo.Ledger) error {
		_, err := l.JobOf(ctx, "e")
		return err
	},
	"EndJob": func(ctx context.Context, l *dynamo.Ledger) error {
		return l.EndJob(ctx, "j", "e", ledger.JobDone, nil, later())
	},
	"Jobs": func(ctx context.Context, l *dynamo.Ledger) error {
		for _, err := range l.Jobs(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"Plan": func(ctx context.Context, l *dynamo.Ledger) error {
		return l.Plan(ctx, "j", plan("planned", "new"), later().Add(1))
	},
	"Unit": func(ctx context.Context, l *dynamo.Ledger) error {
		_, err := l.Unit(ctx, "j", "done")
		return err
	},
	"Units": func(ctx context.Context, l *dynamo.Ledger) error {
		for _, err := range l.Units(ctx, "j", "") {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"Begin": func(ctx context.Context, l *dynamo.Ledger) error {
		_, err := l.Begin(ctx, "j", "planned", "owner", later())
		return err
	},
	"Complete": func(ctx context.Context, l *dynamo.Ledger) error {
		return l.Complete(ctx, "j", "running", 1, json.RawMessage(`{}`))
	},
	"Complete of a unit that was never begun": func(ctx context.Context, l *dynamo.Ledger) error {
		return l.Complete(ctx, "j", "planned", 1, json.RawMessage(`{}`))
	},
	"Fail": func(ctx context.Context, l *dynamo.Ledger) error {
		return l.Fail(ctx, "j", "running", 1, ledger.Failure{Kind: "Internal"})
	},
	"Reopen": func(ctx context.Context, l *dynamo.Ledger) error { return l.Reopen(ctx, "j", "done", 1) },
	"Delete": func(ctx context.Context, l *dynamo.Ledger) error { return l.Delete(ctx, "j") },
}

func prepare(t *testing.T, l *dynamo.Ledger) {
	t.Helper()
	_, err := l.Begin(t.Context(), "j", "running", "owner", later())
	if !errors.Is(err, ledger.ErrNotFound) {
		t.Fatal(err)
	}
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning, Execution: "e", Expires: later()}))
	must(t, l.Plan(t.Context(), "j", plan("planned", "running", "done"), later()))
	for _, id := range []string{"running", "done"} {
		_, err := l.Begin(t.Context(), "j", id, "owner", later())
		must(t, err)
	}
	must(t, l.Complete(t.Context(), "j", "done", 1, json.RawMessage(`{}`)))
}

func TestTemporaryFailuresAreRetried(t *testing.T) {
	server := dynamotest.Start(t)
	for what, fail := range map[string]func(*http.Request, string, []byte) (*http.Response, error){
		"throttling": errorResponse(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
		"500":        errorResponse(http.StatusInternalServerError, "InternalServerError"), "a broken connection": resetConnection,
	} {
		for op, call := range operations {
			t.Run(op+" after "+what, func(t *testing.T) {
				var n network
				l := n.ledger(t, server)
				prepare(t, l)
				n.set(failFirst(2, fail))
				must(t, call(t.Context(), l))
				if n.requests.Load() < 3 {
					t.Errorf("%d requests were made, want two failures and at least one more", n.requests.Load())
				}
			})
		}
	}
}

// The server executes a request and its response is lost, so the SDK repeats it. The second request
// must not mistake the first one's change for another worker's.
func TestLostResponsesDoNoHarm(t *testing.T) {
	server := dynamotest.Start(t)
	lose := func(request *http.Request, _ string, _ []byte) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		return nil, syscall.ECONNRESET
	}
	for what, fail := range map[string]func(*http.Request, string, []byte) (*http.Response, error){"lost": lose, "cut": cutResponse} {
		for op, call := range operations {
			t.Run(op+", "+what, func(t *testing.T) {
				var n network
				l := n.ledger(t, server)
				prepare(t, l)
				n.set(failFirst(1, fail))
				must(t, call(t.Context(), l))
			})
		}
	}
}

func TestPermanentFailuresHaveTheirKind(t *testing.T) {
	server := dynamotest.Start(t)
	for what, test := range map[string]struct {
		do   func(*http.Request, string, []byte) (*http.Response, error)
		want fault.Kind
	}{
		"throttling":          {errorResponse(http.StatusBadRequest, "ThrottlingException"), fault.Transient},
		"500":                 {errorResponse(http.StatusInternalServerError, "InternalServerError"), fault.Transient},
		"a broken connection": {resetConnection, fault.Transient},
		"AccessDenied":        {errorResponse(http.StatusBadRequest, "AccessDeniedException"), fault.Invalid},
		"no such table":       {errorResponse(http.StatusBadRequest, "ResourceNotFoundException"), fault.Invalid},
	} {
		var n network
		l := n.ledger(t, server)
		prepare(t, l)
		n.set(test.do)
		for op, call := range operations {
			err := call(t.Context(), l)
			if fault.KindOf(err) != test.want {
				t.Errorf("%s and %s: got %v of kind %s, want %s", op, what, err, fault.KindOf(err), test.want)
			}
			if test.want == fault.Invalid && fault.HintOf(err) == "" {
				t.Errorf("%s and %s: %v has no hint", op, what, err)
			}
		}
	}
}

func TestMissingTableIsInvalid(t *testing.T) {
	l := dynamo.New(dynamotest.Start(t).Client(nil), "nowhere")
	_, err := l.Job(t.Context(), "j")
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "nowhere") {
		t.Errorf("got %v of kind %s, hint %q, want Invalid and the table's name", err, fault.KindOf(err), fault.HintOf(err))
	}
}

func TestDocumentTooLargeForAnItemIsUnsupported(t *testing.T) {
	server := dynamotest.Start(t)
	l := dynamo.New(server.Client(nil), server.NewTable(t))
	doc := json.RawMessage(`"` + strings.Repeat("x", 500_000) + `"`)
	err := l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning, Doc: doc})
	if fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
		t.Errorf("got %v of kind %s, want Unsupported with a hint", err, fault.KindOf(err))
	}
}

// DynamoDB may return items of a batch as unprocessed.
func TestUnprocessedItemsOfABatchAreRequestedAgain(t *testing.T) {
	server := dynamotest.Start(t)
	var n network
	l := n.ledger(t, server)
	var ids []string
	for i := range 130 {
		ids = append(ids, fmt.Sprintf("u/%03d", i))
	}
	calls := map[string]int{}
	leaveUnprocessed := func(request *http.Request, operation string, body []byte) (*http.Response, error) {
		field := map[string]string{"BatchWriteItem": "UnprocessedItems", "BatchGetItem": "UnprocessedKeys"}[operation]
		if calls[operation]++; field == "" || calls[operation]%3 == 0 {
			return nil, nil //nolint:nilnil // the server answers
		}
		var in struct{ RequestItems json.RawMessage }
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return answer(request, http.StatusOK, fmt.Sprintf(`{%q:%s,"Responses":{}}`, field, in.RequestItems))
	}
	var mu sync.Mutex
	n.set(func(request *http.Request, operation string, body []byte) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		return leaveUnprocessed(request, operation, body)
	})
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "j", State: ledger.JobRunning}))
	must(t, l.Plan(t.Context(), "j", plan(ids...), later()))
	if count, err := ledgertest.CountUnits(t.Context(), l, "j", ""); err != nil || count.Planned != len(ids) {
		t.Errorf("planned %+v, %v, want %d", count, err, len(ids))
	}
	must(t, l.Plan(t.Context(), "j", plan(ids...), later()))
	jobs := 0
	for _, err := range l.Jobs(t.Context()) {
		must(t, err)
		jobs++
	}
	if jobs != 1 {
		t.Errorf("listed %d jobs, want 1", jobs)
	}
	must(t, l.Delete(t.Context(), "j"))
	if count, err := ledgertest.CountUnits(t.Context(), l, "j", ""); err != nil || count.Total() != 0 {
		t.Errorf("left %+v, %v after the deletion", count, err)
	}
}

// Every item needs the TTL attribute, in seconds, because nothing else removes it.
func TestEveryItemHasTheExpiryOfItsJob(t *testing.T) {
	server := dynamotest.Start(t)
	client, table := server.Client(nil), server.NewTable(t)
	l := dynamo.New(client, table)
	expire := func(want time.Time) {
		t.Helper()
		out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		must(t, err)
		if len(out.Items) != 5 {
			t.Errorf("%d items, want job, list, execution, plan and state", len(out.Items))
		}
		for _, i := range out.Items {
			n, ok := i[dynamo.TTL].(*types.AttributeValueMemberN)
			if want.IsZero() {
				if i[dynamo.TTL] != nil {
					t.Errorf("%v expires, want no expiry", i)
				}
			} else if !ok || n.Value != fmt.Sprint(want.Unix()) {
				t.Errorf("%v does not expire at %d", i, want.Unix())
			}
		}
	}
	early := later().Truncate(time.Second)
	job := ledger.Job{ID: "j", State: ledger.JobRunning, Execution: "e", Expires: early}
	must(t, l.PutJob(t.Context(), job))
	must(t, l.Plan(t.Context(), "j", plan("u"), early))
	_, err := l.Begin(t.Context(), "j", "u", "owner", later())
	must(t, err)
	expire(early)

	late := early.Add(time.Hour)
	must(t, l.Plan(t.Context(), "j", plan("u"), late))
	must(t, l.EndJob(t.Context(), "j", "e", ledger.JobFailed, nil, late))
	expire(late)
	must(t, l.Plan(t.Context(), "j", plan("u"), early)) // an expiry is never shortened
	expire(late)

	later := late.Add(time.Hour)
	must(t, l.Renew(t.Context(), "j", later))
	expire(later)
	must(t, l.Renew(t.Context(), "j", late)) // nor by this
	expire(later)

	job.Expires, job.Started = time.Time{}, time.Now() // redriven
	must(t, l.PutJob(t.Context(), job))
	must(t, l.Plan(t.Context(), "j", plan("u"), time.Time{}))
	expire(time.Time{})

	must(t, l.Delete(t.Context(), "j"))
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	must(t, err)
	if len(out.Items) > 0 {
		t.Errorf("Delete left %v", out.Items)
	}
}

func TestUnitsAreReadAPageAtATime(t *testing.T) {
	server := dynamotest.Start(t)
	var n network
	l := n.ledger(t, server)
	var ids []string
	for i := range 3000 {
		ids = append(ids, fmt.Sprintf("u/%05d", i))
	}
	must(t, l.Plan(t.Context(), "j", plan(ids...), later()))
	n.set(nil)
	read := 0
	for _, err := range l.Units(t.Context(), "j", "") {
		must(t, err)
		if read++; read == 400 {
			break
		}
	}
	if got := n.requests.Load(); got > 2 {
		t.Errorf("400 of 3,000 units took %d requests, want one for plans and one for states", got)
	}
}

func TestJobsAreNewestFirst(t *testing.T) {
	server := dynamotest.Start(t)
	l := dynamo.New(server.Client(nil), server.NewTable(t))
	for _, id := range []string{"b", "c", "a"} {
		must(t, l.PutJob(t.Context(), ledger.Job{ID: id, State: ledger.JobRunning}))
		time.Sleep(2 * time.Millisecond)
	}
	must(t, l.PutJob(t.Context(), ledger.Job{ID: "b", State: ledger.JobDone})) // keeps its creation time
	var got []string
	for job, err := range l.Jobs(t.Context()) {
		must(t, err)
		got = append(got, job.ID)
	}
	if want := []string{"a", "c", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
