package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/mapreel/mapreel/pkg/lambdafn/lambdatest"
)

// asFunction is the argument of this binary where it is a function.
const asFunction = "act-as-function"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == asFunction {
		lambda.Start(handle)
	}
	os.Exit(m.Run())
}

func handle(ctx context.Context, event map[string]any) (map[string]any, error) {
	switch event["do"] {
	case "fail":
		return nil, errors.New("out of luck")
	case "exit":
		os.Exit(7)
	case "wait":
		<-ctx.Done()
		time.Sleep(time.Minute)
	}
	lc, _ := lambdacontext.FromContext(ctx)
	end, _ := ctx.Deadline()
	return map[string]any{
		"got": event, "pid": os.Getpid(), "seconds": time.Until(end).Seconds(), "memory": os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "arn": lc.InvokedFunctionArn,
	}, nil
}

// start starts the emulator with this binary as the function, and returns the address that it prints.
func start(t *testing.T, args ...string) (string, *lambdatest.Output) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, out := make(chan error, 1), &lambdatest.Output{}
	go func() {
		ended <- run(ctx, append(append([]string{"-listen", "127.0.0.1:0"}, args...), "encode", self, asFunction), out)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for {
		if found := regexp.MustCompile(`curl -sS (\S+) -d '\{"job": "JOB", "unit": "UNIT"}'`).FindStringSubmatch(out.String()); found != nil {
			return found[1], out
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func post(t *testing.T, url, event string) (status int, kind string, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(body, &answer) // a refusal is no JSON
	return resp.StatusCode, resp.Header.Get("X-Amz-Function-Error"), answer
}

func TestAFunctionAnswersAsOnLambda(t *testing.T) {
	t.Parallel()
	url, out := start(t, "-memory", "1769", "-timeout", "90s")
	_, _, first := post(t, url, `{"job": "j"}`)
	got, _ := first["got"].(map[string]any)
	seconds, _ := first["seconds"].(float64)
	if got["job"] != "j" || first["memory"] != "1769" || seconds < 60 || seconds > 90 || first["arn"] != "arn:aws:lambda:us-east-1:123456789012:function:encode" {
		t.Errorf("got %v", first)
	}
	status, kind, answer := post(t, url, `{"do": "fail"}`)
	if status != http.StatusOK || kind != "Unhandled" || answer["errorType"] != "errorString" || answer["errorMessage"] != "out of luck" {
		t.Errorf("an error is answered with %d, %q, %v", status, kind, answer)
	}
	if _, _, answer := post(t, url, `{"do": "exit"}`); answer["errorType"] != "Runtime.ExitError" {
		t.Errorf("an exit is answered with %v", answer)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, _, again := post(t, url, `{}`)
		if again["pid"] != nil && again["pid"] != first["pid"] {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the process is not started again: %v\n%s", again, out)
		}
	}
	if status, _, _ := post(t, url, `{"job":`); status != http.StatusBadRequest {
		t.Errorf("an event that is no JSON is answered with %d", status)
	}
}

func TestAnEventHasATimeLimit(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-timeout", "1s")
	status, kind, answer := post(t, url, `{"do": "wait"}`)
	if status != http.StatusOK || kind != "Unhandled" || answer["errorType"] != "Sandbox.Timedout" || answer["errorMessage"] != "Task timed out after 1s" {
		t.Errorf("got %d, %q, %v", status, kind, answer)
	}
	// Lambda ends the environment of an event that takes too long, so that the next one finds a process that waits for it.
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if _, _, answer := post(t, url, `{}`); answer["pid"] != nil {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("the function takes no event after one that took too long")
		}
	}
}

func TestAProgramThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "encode", "/no/such/worker", "encode"}, io.Discard); err == nil || !strings.Contains(err.Error(), "/no/such/worker") {
		t.Errorf("got %v", err)
	}
}
