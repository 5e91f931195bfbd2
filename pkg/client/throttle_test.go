package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// Of three units that Step Functions runs, one waits because Lambda refused it, one runs after that, and one failed for another reason.
func TestThrottledUnitsAreCounted(t *testing.T) {
	t.Parallel()
	const throttle = `"taskFailedEventDetails":{"resourceType":"lambda","resource":"invoke","error":"Lambda.TooManyRequestsException"}`
	last := map[string]string{
		"a": `{"id":5,"timestamp":1,"type":"TaskFailed",` + throttle + `}`,
		"b": `{"id":7,"timestamp":1,"type":"TaskStarted"}`,
		"c": `{"id":5,"timestamp":1,"type":"TaskFailed","taskFailedEventDetails":{"resourceType":"lambda","resource":"invoke","error":"Transient"}}`,
	}
	stopped, denied := "", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ExecutionArn, StatusFilter string
			ReverseOrder               bool
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch {
		case action == denied:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"no"}`)
		case action == "ListMapRuns":
			fmt.Fprintf(w, `{"mapRuns":[{"executionArn":"x","mapRunArn":"run","stateMachineArn":"m","startDate":1%s}]}`, stopped)
		case action == "ListExecutions" && in.StatusFilter == "RUNNING":
			var list []string
			for _, name := range []string{"a", "b", "c"} {
				list = append(list, fmt.Sprintf(`{"executionArn":"%s","name":"%[1]s","stateMachineArn":"m","startDate":1,"status":"RUNNING"}`, name))
			}
			fmt.Fprintf(w, `{"executions":[%s]}`, strings.Join(list, ","))
		case action == "GetExecutionHistory" && in.ReverseOrder:
			fmt.Fprintf(w, `{"events":[%s]}`, last[in.ExecutionArn])
		default:
			t.Errorf("asked for %s %+v", action, in)
		}
	}))
	defer server.Close()
	c := &Client{sfn: sfn.New(sfn.Options{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})}
	for _, test := range []struct {
		denied, stopped string
		want            int
	}{{"", "", 1}, {"", `,"stopDate":2`, 0}, {"ListMapRuns", "", 0}, {"ListExecutions", "", 0}, {"GetExecutionHistory", "", 0}} {
		denied, stopped = test.denied, test.stopped
		if got, err := c.throttled(t.Context(), "arn:aws:states:eu-west-1:1:execution:m:x"); got != test.want || err != nil {
			t.Errorf("%+v: %d, %v", test, got, err)
		}
	}
}
