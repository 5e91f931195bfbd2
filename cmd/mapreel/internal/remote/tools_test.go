package remote

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
)

// fakeStack is what a stack has started last, and the tools that it has.
type fakeStack struct{ name, input, tools, digest string }

// stack answers for a stack with the services that it consists of.
func stack(t *testing.T) *fakeStack {
	t.Helper()
	s := &fakeStack{tools: "levels words", digest: "one"}
	const executions = "arn:aws:states:eu-west-1:123456789012:execution:Machine-1:"
	output := func(key, value string) string {
		return "<member><OutputKey>" + key + "</OutputKey><OutputValue>" + value + "</OutputValue></member>"
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		answer := func(status int, body any) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body)
		}
		switch {
		case strings.HasPrefix(target, "DynamoDB"):
			answer(http.StatusOK, map[string]any{"Items": []any{}, "Count": 0})
		case strings.HasSuffix(target, ".DescribeExecution"):
			var in struct{ ExecutionArn string }
			_ = json.NewDecoder(r.Body).Decode(&in)
			if s.name == "" || in.ExecutionArn != executions+s.name {
				answer(http.StatusBadRequest, map[string]string{"__type": "ExecutionDoesNotExist", "message": "no such execution"})
				return
			}
			answer(http.StatusOK, map[string]any{
				"executionArn": in.ExecutionArn, "name": s.name, "status": "RUNNING", "startDate": 1.7e9, "input": s.input,
			})
		case strings.HasSuffix(target, ".StartExecution"):
			var in struct{ Name, Input string }
			_ = json.NewDecoder(r.Body).Decode(&in)
			s.name, s.input = in.Name, in.Input
			answer(http.StatusOK, map[string]any{"executionArn": executions + s.name, "startDate": 1.7e9})
		case r.Method == http.MethodHead:
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", "4")
		default:
			_, _ = io.WriteString(w, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>`+
				`<StackName>mapreel</StackName><StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/mapreel/x</StackId>`+
				`<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>`+
				output(client.OutputMachine, "arn:aws:states:eu-west-1:123456789012:stateMachine:Machine-1")+output(client.OutputTable, "ledger")+
				output(client.OutputSources, "s3://media/in/")+output(client.OutputDestinations, "s3://media/out/")+
				output(client.OutputTools, s.tools)+output(client.OutputToolsDigest, s.digest)+
				`</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`)
		}
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return s
}

func TestARequestForToolsIsSubmitted(t *testing.T) {
	s := stack(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "request.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	submit := Submit{Name: "film-1", Target: Target{Stack: "mapreel"}, Flags: requestflags.Flags{Request: file}}
	env := Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Dir: folder}
	for text, want := range map[string]string{
		"source: s3://media/in/film.mp4\ndestination: film\ntools: [{name: levels}]":                "request.yaml:3:9: /tools/0: a deployment runs only the tools that it was built with",
		"source: missing.mp4\ndestination: film\ntools: [levels, faces]":                            `request.yaml:3:17: /tools/1: this deployment has no tool "faces"; it has levels, words`,
		"source: s3://media/in/film.mp4\ndestination: film\ntools: [levels]\nvideo: {}":             "/video",
		"source: s3://other/film.mp4\ndestination: film\ntools: [levels]":                           "does not lie where this stack has its sources",
		"source: s3://media/in/film.mp4\ndestination: s3://other/\ntools: [levels]":                 "does not lie where this stack has its outputs",
		"destination: film\ntools: [levels]":                                                        "needs a source and a destination",
		"source: nothing.mp4\ndestination: film\ntools: [levels]":                                   "no such file",
		"source: s3://media/in/film.mp4\ndestination: film\ntools: [levels]\nsegment: {seconds: a}": "request.yaml:4:11: /segment/seconds",
	} {
		write(text)
		if err := submit.Run(t.Context(), env); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	if s.input != "" {
		t.Errorf("started with %s", s.input)
	}
	write("tools: [levels]\nsegment: {seconds: 20}\n")
	submit.Source, submit.Output = "s3://media/in/film.mp4", "film/"
	if err := submit.Run(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if want := `{"destination":"s3://media/out/film","segment":{"seconds":20},"source":"s3://media/in/film.mp4","tools":["levels"]}`; s.input != want {
		t.Errorf("started with %s, want %s", s.input, want)
	}
}

// The same request starts nothing twice, unless the stack has other tools by then.
func TestAJobOfToolsIsNamedAfterThem(t *testing.T) {
	s := stack(t)
	file := filepath.Join(t.TempDir(), "request.yaml")
	if err := os.WriteFile(file, []byte("source: s3://media/in/film.mp4\ndestination: film\ntools: [levels]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, digest := range []string{"one", "one", "two"} {
		s.digest = digest
		submit := Submit{Target: Target{Stack: "mapreel"}, Flags: requestflags.Flags{Request: file}}
		if err := submit.Run(t.Context(), Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Dir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		names = append(names, s.name)
	}
	if names[0] == "" || names[1] != names[0] || names[2] == names[0] {
		t.Errorf("jobs of the tools one, one and two are named %q", names)
	}
}
