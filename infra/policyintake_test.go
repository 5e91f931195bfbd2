package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/intake/intaketest"
	"github.com/mapreel/mapreel/pkg/lambdafn/lambdatest"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// intakeRoles are the functions that stand before and after the state machine. A deployment has those that it asks for.
var intakeRoles = []string{"api", "upload", "notify"}

// states notes a call of Step Functions.
func (r *recorder) states(role string, in *http.Request, _ []byte, _ int) {
	_, operation, _ := strings.Cut(in.Header.Get("X-Amz-Target"), ".")
	place := "execution"
	if operation == "StartExecution" {
		place = "machine"
	}
	r.note(call{role, "states:" + operation, place, "", ""})
}

// topic starts a server that takes messages, as SNS does.
func (r *recorder) topic(t *testing.T, role string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		body, _ := io.ReadAll(in.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil || form.Get("TopicArn") != topicARN {
			t.Errorf("%s sends %q to SNS", role, body)
		}
		r.note(call{role, "sns:" + form.Get("Action"), "topic", "", ""})
		fmt.Fprint(w, "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const topicARN = "arn:aws:sns:eu-west-1:123456789012:messages"

// takeRequests calls the functions of package intake with what they meet in a deployment.
func (w *workers) takeRequests() {
	t := w.t
	t.Helper()
	states, functions := intaketest.Start(t), map[string]*lambdatest.Function{}
	for _, role := range intakeRoles {
		cmd := exec.Command(w.program, role) //nolint:noctx // lambdatest ends it
		cmd.Env = append(w.connect(role),
			intake.MachineVariable+"="+intaketest.MachineARN, intake.TopicVariable+"="+topicARN,
			intake.SourcesVariable+"="+intake.Place{Bucket: w.bucket, Prefix: "in/"}.String(),
			intake.DestinationsVariable+"="+intake.Place{Bucket: w.bucket, Prefix: "out/"}.String(),
			"AWS_ENDPOINT_URL_SFN="+w.between(t, role, states.URL, w.states), "AWS_ENDPOINT_URL_SNS="+w.topic(t, role))
		functions[role] = lambdatest.Start(t, role, cmd)
	}
	invoke := func(role string, event object) (json.RawMessage, error) {
		t.Helper()
		data, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		return functions[role].Invoke(t.Context(), data, time.Minute)
	}
	ask := func(route, id, body string, want int) {
		t.Helper()
		out, err := invoke("api", object{
			"routeKey": route, "pathParameters": object{"id": id}, "headers": object{"idempotency-key": id}, "body": body,
		})
		var answer struct {
			StatusCode int
			Body       string
		}
		if err == nil {
			err = json.Unmarshal(out, &answer)
		}
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s is answered with %v %+v, want %d", route, err, answer, want)
		}
	}
	// A job that has ended. What is asked about it again is read from the ledger.
	record := func(name string) {
		t.Helper()
		doc, err := json.Marshal(work.Plan{ID: name, Outputs: []string{"s3://" + w.bucket + "/out/film.mp4"}})
		if err != nil {
			t.Fatal(err)
		}
		job := ledger.Job{ID: name, State: ledger.JobDone, Execution: intaketest.ExecutionARN(name), Doc: doc}
		if err := w.ledger.PutJob(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if err := w.ledger.Plan(t.Context(), name, slices.Values([]ledger.Unit{{ID: "video/00000"}}), time.Time{}); err != nil {
			t.Fatal(err)
		}
		states.End(name, "SUCCEEDED", nil)
	}
	if _, err := w.media.Put(t.Context(), "in/asked.mkv", strings.NewReader("film")); err != nil {
		t.Fatal(err)
	}
	request := fmt.Sprintf(`{"source":"s3://%s/in/asked.mkv","destination":"s3://%s/out/","outputs":[{"name":"film"}]}`, w.bucket, w.bucket)
	ask(intake.RouteSubmit, "asked", request, http.StatusAccepted)
	ask(intake.RouteSubmit, "none", strings.Replace(request, "asked.mkv", "none.mkv", 1), http.StatusBadRequest)
	ask(intake.RouteStop, "asked", "", http.StatusOK)
	record("asked")
	ask(intake.RouteSubmit, "asked", request, http.StatusAccepted)
	ask(intake.RouteStatus, "asked", "", http.StatusOK)

	created := object{"detail": object{"bucket": object{"name": w.bucket}, "object": object{"key": "in/asked.mkv", "etag": "e1", "sequencer": "1"}}}
	for again := range 2 { // events come at least once, and also after the job
		if _, err := invoke("upload", created); err != nil {
			t.Errorf("an upload is answered with %v", err)
		}
		for name := range states.Started() {
			if again == 0 && strings.HasPrefix(name, "upload-") {
				record(name)
			}
		}
	}
	if _, err := w.media.Put(t.Context(), "in/asked.mkv"+intake.Sidecar, strings.NewReader("[]")); err != nil {
		t.Fatal(err)
	}
	if _, err := invoke("upload", created); err == nil {
		t.Error("an upload with a wrong preset is taken")
	}
	if _, err := invoke("notify", object{"detail": object{"name": "asked"}}); err != nil {
		t.Errorf("the end of a job is answered with %v", err)
	}
}
