package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/intake/intaketest"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo/dynamotest"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	m.Run()
}

// deployment is a service with a bucket, a table and a state machine behind servers that speak their protocols.
type deployment struct {
	*intake.Service
	states   *intaketest.States
	media    *s3blob.Store
	bucket   string
	messages []string // sent by Publish: subject, then text
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	s3, dynamodb, states := s3test.Start(t), dynamotest.Start(t), intaketest.Start(t)
	bucket := s3.NewBucket(t)
	store := func(bucket string) *s3blob.Store {
		s, err := s3blob.New(s3.Client(nil), bucket, "", s3blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	executions, err := intake.NewExecutions(states.Client, intaketest.MachineARN)
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{states: states, media: store(bucket), bucket: bucket}
	d.Service = &intake.Service{
		Executions: executions, Ledger: dynamo.New(dynamodb.Client(nil), dynamodb.NewTable(t)), Region: "eu-west-1",
		Resolve: func(_ context.Context, url string) (blob.Store, string, error) {
			bucket, key, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
			return store(bucket), key, nil
		},
		Sources: []intake.Place{{Bucket: bucket, Prefix: "in/"}}, Destinations: []intake.Place{{Bucket: bucket, Prefix: "out/"}},
		Publish: func(_ context.Context, subject, text string) error {
			d.messages = append(d.messages, subject, text)
			return nil
		},
	}
	return d
}

// upload puts an object in the bucket and returns its URL.
func (d *deployment) upload(t *testing.T, key, text string) string {
	t.Helper()
	if _, err := d.media.Put(t.Context(), key, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return "s3://" + d.bucket + "/" + key
}

// call calls the API and returns the code and the body of its answer.
func (d *deployment) call(t *testing.T, route, id, key, body string) (int, map[string]any) {
	t.Helper()
	headers := map[string]string{}
	if key != "" {
		headers["idempotency-key"] = key
	}
	return d.callWithin(t, time.Minute, map[string]any{"routeKey": route, "headers": headers, "pathParameters": map[string]string{"id": id}, "body": body})
}

// callWithin passes an event of the API to the function, which has so much time.
func (d *deployment) callWithin(t *testing.T, within time.Duration, fields map[string]any) (int, map[string]any) {
	t.Helper()
	event, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	out, err := d.API(ctx, event)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(data, &response); err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(response.Body), &answer); err != nil {
		t.Fatalf("%v: %s", err, response.Body)
	}
	return response.StatusCode, answer
}

func (d *deployment) request(source string) string {
	return fmt.Sprintf(`{"source":%q,"destination":"s3://%s/out/film/","outputs":[{"name":"film"}]}`, source, d.bucket)
}

func TestARequestIsStartedUnderItsKeyOnce(t *testing.T) {
	d := deploy(t)
	request := d.request(d.upload(t, "in/film.mkv", "film"))
	for _, same := range []string{request, strings.ReplaceAll(request, ",", " ,\n"), request} {
		code, body := d.call(t, intake.RouteSubmit, "", "film-42", same)
		if code != 202 || body["id"] != "film-42" || body["status"] != "RUNNING" || body["execution"] != intaketest.ExecutionARN("film-42") {
			t.Errorf("answer %d %v", code, body)
		}
	}
	if code, body := d.call(t, intake.RouteSubmit, "", "film-42", strings.Replace(request, `"film"}`, `"other"}`, 1)); code != 409 {
		t.Errorf("another request under the same key: %d %v", code, body)
	}
	d.states.End("film-42", "SUCCEEDED", map[string]any{"output": `{"job":"0a1b","outputs":[{"url":"s3://x/film.mp4"}]}`})
	if code, body := d.call(t, intake.RouteSubmit, "", "film-42", request); code != 202 || body["status"] != "SUCCEEDED" {
		t.Errorf("the same request after its end: %d %v", code, body)
	}
	if got := d.states.Started(); len(got) != 1 || !json.Valid([]byte(got["film-42"])) {
		t.Errorf("started %v", got)
	}
	for range 2 { // without a key each call is its own
		if code, body := d.call(t, intake.RouteSubmit, "", "", request); code != 202 {
			t.Errorf("answer %d %v", code, body)
		}
	}
	if got := d.states.Started(); len(got) != 3 {
		t.Errorf("started %v", got)
	}
}

func TestAllProblemsOfARequestAreInOneAnswerAndNothingIsStarted(t *testing.T) {
	d := deploy(t)
	d.upload(t, "in/film.mkv", "film")
	at := "s3://" + d.bucket
	for _, c := range []struct {
		name, body string
		pointers   []string
	}{
		{
			"types and ranges", `{"source":"` + at + `/in/film.mkv","destination":"` + at + `/out/a/","outputs":[{"name":"a","video":[{"height":"big"}]},{"name":"b","video":[{"crf":99}]}],"retention":{"hours":100000}}`,
			[]string{"/outputs/0/video/0/height", "/outputs/1/video/0/crf", "/retention/hours"},
		},
		{"the place of an overlay", `{"source":"s3://media/in/film.mkv","destination":"` + at + `","outputs":[{"name":"a","video":[{"overlay":{"image":"s3://other/logo.png"}}]}]}`, []string{"/destination", "/outputs/0/video/0/overlay/image", "/source"}},
		{"places", `{"source":"s3://other/film.mkv","destination":"` + at + `/elsewhere/","outputs":[{"name":"a"}]}`, []string{"/destination", "/source"}},
		{"a place with ..", `{"source":"` + at + `/in/film.mkv","destination":"` + at + `/out/../in/","outputs":[{"name":"a"}]}`, []string{"/destination"}},
		{"no source", `{"source":"` + at + `/in/none.mkv","destination":"` + at + `/out/a/","outputs":[{"name":"a"}]}`, []string{"/source"}},
		{
			"a place, a range and no source", `{"source":"` + at + `/in/none.mkv","destination":"` + at + `/a/","outputs":[{"name":"a","video":[{"crf":99}]}]}`,
			[]string{"/destination", "/outputs/0/video/0/crf", "/source"},
		},
		{"no field", `{}`, []string{"/destination", "/outputs", "/source"}},
		{"no JSON", `{"source":`, []string{""}},
		{"a list", `[]`, []string{""}},
		{"nothing", ``, []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := d.call(t, intake.RouteSubmit, "", "key", c.body)
			if code != 400 {
				t.Fatalf("answer %d %v", code, body)
			}
			var pointers []string
			list, _ := body["error"].(map[string]any)["problems"].([]any)
			for _, p := range list {
				pointers = append(pointers, p.(map[string]any)["pointer"].(string))
				if p.(map[string]any)["message"] == "" {
					t.Errorf("%v says nothing", p)
				}
			}
			slices.Sort(pointers)
			if diff := cmp.Diff(c.pointers, pointers); diff != "" {
				t.Errorf("problems (-want +got):\n%s\n%v", diff, body)
			}
		})
	}
	if got := d.states.Started(); len(got) != 0 {
		t.Errorf("started %v", got)
	}
	if code, body := d.call(t, intake.RouteSubmit, "", "a key/with spaces", d.request(at+"/in/film.mkv")); code != 400 || !strings.Contains(fmt.Sprint(body), "Idempotency-Key") {
		t.Errorf("a bad key: %d %v", code, body)
	}
}

// A request for tools names those of the deployment, and its places are checked like those of any other.
func TestARequestForToolsIsTakenIn(t *testing.T) {
	d := deploy(t)
	d.Tools = tool.Deployed{Tools: []tool.Tool{{Name: "levels", Script: "true\n"}, {Name: "words", Script: "true\n", Outputs: []tool.Output{{Path: "words"}}}}}
	source := d.upload(t, "in/film.mkv", "film")
	request := func(source, destination, tools string) string {
		return fmt.Sprintf(`{"source":%q,"destination":%q,"tools":%s}`, source, destination, tools)
	}
	out := "s3://" + d.bucket + "/out/film/"
	for _, c := range []struct{ body, pointer, message string }{
		{request(source, out, `["levels","faces"]`), "/tools/1", `this deployment has no tool "faces"; it has levels, words`},
		{request(source, out, `[{"name":"levels","script":"true\n"}]`), "/tools/0", "only the tools that it was built with"},
		{request("s3://other/film.mkv", out, `["levels"]`), "/source", "is in no place of this deployment"},
		{request(source, "s3://other/out/", `["levels"]`), "/destination", "is in no place of this deployment"},
		{request(source, out, `["levels"],"folder":"/etc"`), "/folder", ""},
	} {
		code, body := d.call(t, intake.RouteSubmit, "", "", c.body)
		text := fmt.Sprint(body)
		if code != 400 || !strings.Contains(text, "pointer:"+c.pointer) || !strings.Contains(text, c.message) {
			t.Errorf("%s: answer %d %v, want %s: %s", c.body, code, body, c.pointer, c.message)
		}
	}
	if got := d.states.Started(); len(got) != 0 {
		t.Errorf("started %v", got)
	}
	if code, body := d.call(t, intake.RouteSubmit, "", "tools-1", request(source, out, `["words","levels"]`)); code != 202 || body["id"] != "tools-1" {
		t.Errorf("answer %d %v", code, body)
	}
	if got := d.states.Started()["tools-1"]; !strings.Contains(got, `"tools":["words","levels"]`) {
		t.Errorf("started with %s", got)
	}
}

func TestAServiceThatIsBusyIsToBeAskedAgain(t *testing.T) {
	d := deploy(t)
	request := d.request(d.upload(t, "in/film.mkv", "film"))
	for code, want := range map[string]int{"ThrottlingException": 503, "ExecutionLimitExceeded": 503, "AccessDeniedException": 500} {
		d.states.Fail(code)
		if got, body := d.call(t, intake.RouteSubmit, "", "key", request); got != want {
			t.Errorf("%s: answer %d %v, want %d", code, got, body, want)
		}
	}
}

// plan records a job of an execution: two segments and an output.
func (d *deployment) plan(t *testing.T, name string) ledger.Ledger {
	t.Helper()
	p := work.Plan{ID: "0a1b", Groups: []work.Group{{Name: "video", Units: 2}}}
	doc, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := d.Ledger.PutJob(t.Context(), ledger.Job{ID: "0a1b", State: ledger.JobRunning, Execution: intaketest.ExecutionARN(name), Started: now, Doc: doc}); err != nil {
		t.Fatal(err)
	}
	units := []ledger.Unit{
		{ID: "output/film", Spec: json.RawMessage(`{"phase":"outputs","needs":{"class":"merge","route":"batch"}}`)},
		{ID: "video/00000", Spec: json.RawMessage(`{"phase":"encode","needs":{"class":"encode","route":"lambda"}}`)},
		{ID: "video/00001", Spec: json.RawMessage(`{"phase":"encode","needs":{"class":"encode","route":"lambda"}}`)},
	}
	if err := d.Ledger.Plan(t.Context(), "0a1b", slices.Values(units), time.Time{}); err != nil {
		t.Fatal(err)
	}
	return d.Ledger
}

func do(t *testing.T, l ledger.Ledger, unit, owner, facts string, failure *ledger.Failure) {
	t.Helper()
	u, err := l.Begin(t.Context(), "0a1b", unit, owner, time.Now().Add(time.Hour))
	if err == nil && facts != "" {
		err = l.Complete(t.Context(), "0a1b", unit, u.Attempt, json.RawMessage(facts))
	}
	if err == nil && failure != nil {
		err = l.Fail(t.Context(), "0a1b", unit, u.Attempt, *failure)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAJobTellsItsProgressCostAndOutputs(t *testing.T) {
	d := deploy(t)
	d.call(t, intake.RouteSubmit, "", "film", d.request(d.upload(t, "in/film.mkv", "film")))
	if code, body := d.call(t, intake.RouteStatus, "film", "", ""); code != 200 || body["status"] != "RUNNING" || body["progress"] != nil {
		t.Errorf("before it is planned: %d %v", code, body)
	}
	l := d.plan(t, "film")
	do(t, l, "video/00000", "lambda/1", `{"elapsed":30000}`, nil)
	do(t, l, "video/00001", "lambda/2", "", nil)
	code, body := d.call(t, intake.RouteStatus, "film", "", "")
	want := []any{map[string]any{"name": "video", "units": 2.0, "done": 1.0, "running": 1.0}}
	if diff := cmp.Diff(want, body["progress"]); code != 200 || diff != "" {
		t.Errorf("answer %d, progress (-want +got):\n%s", code, diff)
	}
	do(t, l, "video/00001", "lambda/2", `{"elapsed":20000}`, nil)
	do(t, l, "output/film", "batch/3/1", `{"elapsed":5000}`, nil)
	for unit, use := range map[string]string{
		"video/00000": `{"on":"lambda","ms":30000,"mb":2048,"req":1}`, // 60 GB-s × 0.0000166667 + 0.0000002
		"output/film": `{"on":"batch","ms":900000,"cpus":4}`,          // 1 vCPU-hour × 0.0446
	} {
		if err := l.AddUse(t.Context(), "0a1b", unit, 1, json.RawMessage(use)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.EndJob(t.Context(), "0a1b", intaketest.ExecutionARN("film"), ledger.JobDone, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(engine.Outcome{Job: "0a1b", Outputs: []json.RawMessage{[]byte(`{"url":"s3://b/out/film.mp4"}`)}, Warnings: []string{"no chapters"}})
	if err != nil {
		t.Fatal(err)
	}
	d.states.End("film", "SUCCEEDED", map[string]any{"output": string(out)})
	_, body = d.call(t, intake.RouteStatus, "film", "", "")
	cost := body["cost"].(map[string]any)
	if cost["usd"] != 0.045600202 || cost["unrecorded"] != 2.0 {
		t.Errorf("cost %v", cost)
	}
	if diff := cmp.Diff([]any{map[string]any{"url": "s3://b/out/film.mp4"}}, body["outputs"]); diff != "" || body["error"] != nil || body["redrive"] != nil {
		t.Errorf("body %v, outputs (-want +got):\n%s", body, diff)
	}
	for _, id := range []string{"nothing", "a/b", strings.Repeat("x", 81)} {
		if code, body := d.call(t, intake.RouteStatus, id, "", ""); code != 404 {
			t.Errorf("%s: answer %d %v", id, code, body)
		}
	}
}

func TestAFailedJobTellsItsReasonAndHowToGoOn(t *testing.T) {
	for _, c := range []struct {
		kind    string
		redrive bool
	}{{"OutOfSpace", true}, {"Invalid", false}} {
		d := deploy(t)
		d.call(t, intake.RouteSubmit, "", "film", d.request(d.upload(t, "in/film.mkv", "film")))
		l := d.plan(t, "film")
		do(t, l, "video/00001", "lambda/2", "", &ledger.Failure{Kind: c.kind, Message: "what happened"})
		d.states.End("film", "FAILED", map[string]any{"error": "States.ExceedToleratedFailureThreshold", "cause": "a Map failed"})
		_, body := d.call(t, intake.RouteStatus, "film", "", "")
		if diff := cmp.Diff(map[string]any{"kind": c.kind, "message": "what happened"}, body["error"]); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		want := "aws stepfunctions redrive-execution --region eu-west-1 --execution-arn " + intaketest.ExecutionARN("film")
		if got, _ := body["redrive"].(string); (got == want) != c.redrive {
			t.Errorf("%s: redrive %q", c.kind, got)
		}
		event := `{"detail":{"name":"film","status":"FAILED"}}`
		if _, err := d.Notify(t.Context(), json.RawMessage(event)); err != nil {
			t.Fatal(err)
		}
		if len(d.messages) != 2 || d.messages[0] != "mapreel: failed film.mkv" || !strings.Contains(d.messages[1], c.kind+": what happened") ||
			strings.Contains(d.messages[1], want) != c.redrive || !strings.Contains(d.messages[1], "0 of 2 video") {
			t.Errorf("message %q", d.messages)
		}
	}
}

func TestAJobIsStoppedOnce(t *testing.T) {
	d := deploy(t)
	d.call(t, intake.RouteSubmit, "", "film", d.request(d.upload(t, "in/film.mkv", "film")))
	for range 2 {
		code, body := d.call(t, intake.RouteStop, "film", "", "")
		if code != 200 || body["status"] != "ABORTED" || !strings.Contains(fmt.Sprint(body["error"]), "stopped by DELETE /jobs/film") {
			t.Errorf("answer %d %v", code, body)
		}
	}
	if n := slices.Index(slices.Compact(slices.DeleteFunc(d.states.Calls(), func(c string) bool { return c != "StopExecution" })), "StopExecution"); n != 0 {
		t.Error("nothing was stopped")
	}
	if code, _ := d.call(t, intake.RouteStop, "other", "", ""); code != 404 {
		t.Errorf("answer %d", code)
	}
}

func TestAFinishedJobIsAnnounced(t *testing.T) {
	d := deploy(t)
	d.call(t, intake.RouteSubmit, "", "film", d.request(d.upload(t, "in/a \"film\"\n映.mkv", "film")))
	d.states.End("film", "SUCCEEDED", map[string]any{"output": `{"job":"0a1b","outputs":[{"url":"s3://b/out/film.mp4"}],"warnings":["no chapters"]}`})
	if _, err := d.Notify(t.Context(), json.RawMessage(`{"detail":{"name":"film"}}`)); err != nil {
		t.Fatal(err)
	}
	if subject := d.messages[0]; subject != `mapreel: finished a "film"____.mkv` {
		t.Errorf("subject %q", subject)
	}
	for _, part := range []string{"s3://b/out/film.mp4", "no chapters", "elapsed      1m30s", intaketest.ExecutionARN("film")} {
		if !strings.Contains(d.messages[1], part) {
			t.Errorf("the message has no %q:\n%s", part, d.messages[1])
		}
	}
}

func TestPlacesAreRead(t *testing.T) {
	places, err := intake.ParsePlaces("s3://films/ s3://media/in/")
	if diff := cmp.Diff([]intake.Place{{Bucket: "films"}, {Bucket: "media", Prefix: "in/"}}, places); err != nil || diff != "" {
		t.Errorf("error %v, places (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"", "films", "s3://films", "s3:///in/"} {
		if list, err := intake.ParsePlaces(text); err == nil {
			t.Errorf("%q is read as %v", text, list)
		}
	}
	if _, err := intake.NewExecutions(nil, "arn:aws:lambda:eu-west-1:1:function:f"); err == nil {
		t.Error("the ARN of a function is taken for a state machine's")
	}
	if _, err := intake.Open(t.Context(), func(string) string { return "" }); fault.KindOf(err) != fault.Internal || errors.Unwrap(err) == nil {
		t.Errorf("error %v", err)
	}
}
