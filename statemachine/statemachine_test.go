package statemachine

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/recolabs/gnata"

	"github.com/mapreel/mapreel/pkg/film"
)

// resources are the placeholders that stand for something other than a task's function.
var resources = []string{"BatchJobDefinition", "BatchQueue", "GpuJobDefinition", "GpuQueue", "Partition"}

// values fill every placeholder as a deployment does.
func values() map[string]string {
	v := map[string]string{
		"Partition":          "aws",
		"BatchQueue":         "arn:aws:batch:eu-west-1:123456789012:job-queue/cpu",
		"BatchJobDefinition": "arn:aws:batch:eu-west-1:123456789012:job-definition/cpu:1",
		"GpuQueue":           "arn:aws:batch:eu-west-1:123456789012:job-queue/gpu",
		"GpuJobDefinition":   "arn:aws:batch:eu-west-1:123456789012:job-definition/gpu:1",
	}
	for _, task := range Tasks() {
		v[Placeholder(task)] = "arn:aws:lambda:eu-west-1:123456789012:function:" + task
	}
	return v
}

func TestPlaceholdersAreTheTasksAndTheResources(t *testing.T) {
	want := slices.Clone(resources)
	for _, task := range Tasks() {
		want = append(want, Placeholder(task))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, Placeholders()); diff != "" {
		t.Errorf("placeholders (-want +got):\n%s", diff)
	}
}

func TestDefinitionCannotBeChangedByACaller(t *testing.T) {
	Definition()[0] = '!'
	if got := Definition()[0]; got != '{' {
		t.Errorf("the definition begins with %q after a caller wrote to its copy", got)
	}
}

func TestSubstituteFillsEveryPlaceholder(t *testing.T) {
	body, err := Substitute(values())
	if err != nil {
		t.Fatal(err)
	}
	if m := placeholder.Find(body); m != nil {
		t.Errorf("%s is left", m)
	}
	for name, value := range values() {
		if !strings.Contains(string(body), value) {
			t.Errorf("the value of %s is not in the result", name)
		}
	}
	if !json.Valid(body) {
		t.Error("the result is not JSON")
	}
}

func TestSubstituteRefuses(t *testing.T) {
	for _, c := range []struct {
		name, key, value string
		remove           bool
		want             string
	}{
		{"a missing value", "Merge", "", true, "no value for the placeholder ${Merge}"},
		{"a value for nothing", "Publish", "x", false, "no placeholder ${Publish}"},
		{"a quote that ends a JSON string", "GpuQueue", `a"b`, false, `contains '"'`},
		{"a quote that ends a JSONata string", "GpuQueue", "a'b", false, `contains '\''`},
		{"a line break", "Partition", "aws\n", false, `contains '\n'`},
		{"the end of an expression", "GpuQueue", "a %} b", false, "contains '%'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := values()
			v[c.key] = c.value
			if c.remove {
				delete(v, c.key)
			}
			if _, err := Substitute(v); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestBatchGetsTheTaskThatLambdaWouldGet(t *testing.T) {
	args := find(t, "Encode on Batch")["Arguments"].(object)
	env := objects(args["ContainerOverrides"].(object)["Environment"])[0]
	if env["Name"] != "MAPREEL_TASK" {
		t.Fatalf("the task stands in %v", env["Name"])
	}
	for _, c := range []struct {
		name, input string
		want        film.EncodeItem
		queue       string
	}{
		{
			"asked for", `{"job": "0a1b", "segment": 7, "route": "batch", "gpu": true}`,
			film.EncodeItem{Job: "0a1b", Segment: 7},
			"job-queue/gpu",
		},
		{
			"handed over", `{"job": "0a1b", "segment": 0, "gpu": false, "reason": "OutOfTime"}`,
			film.EncodeItem{Job: "0a1b", Reason: "OutOfTime"},
			"job-queue/cpu",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got struct {
				Stage string
				Input film.EncodeItem
			}
			text := eval(t, env["Value"], c.input).(string)
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if got.Stage != "encode" {
				t.Errorf("stage %q, want encode", got.Stage)
			}
			if diff := cmp.Diff(c.want, got.Input); diff != "" {
				t.Errorf("input (-want +got):\n%s", diff)
			}
			if queue := eval(t, args["JobQueue"], c.input).(string); !strings.HasSuffix(queue, c.queue) {
				t.Errorf("queue %s, want %s", queue, c.queue)
			}
		})
	}
}

func TestBatchAcceptsTheJobName(t *testing.T) {
	id, err := film.ID(film.Request{}, film.Source{}, "")
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(film.EncodeItem{Job: id, Segment: 9999})
	if err != nil {
		t.Fatal(err)
	}
	name := eval(t, find(t, "Encode on Batch")["Arguments"].(object)["JobName"], string(input)).(string)
	// AWS Batch API reference, SubmitJob, jobName.
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`).MatchString(name) {
		t.Errorf("Batch would refuse the job name %q", name)
	}
}

func TestListsOfOneAndOfNoneStayLists(t *testing.T) {
	// JSONata likes to unwrap a list of one; a Map would then fail on its Items.
	for _, state := range []string{"Encode the sound", "Merge the outputs"} {
		for _, brief := range []film.Brief{
			{Audio: []film.AudioItem{}, Outputs: []film.MergeItem{}},
			{Audio: []film.AudioItem{{Job: "a"}}, Outputs: []film.MergeItem{{Job: "a", Output: "film"}}},
		} {
			src, _ := expression(find(t, state)["Items"].(string))
			got := run(t, src, map[string]any{"brief": plain(t, brief)})
			if list, ok := got.([]any); !ok || len(list) != len(brief.Outputs) {
				t.Errorf("%s over %d items gets %v", state, len(brief.Outputs), got)
			}
		}
	}
}

func TestValidatorOfTheStatesLanguageAcceptsTheDefinition(t *testing.T) {
	tool, err := filepath.Abs("../node_modules/.bin/asl-validator")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tool); errors.Is(err, fs.ErrNotExist) {
		t.Fatal("asl-validator is not installed; run: make setup")
	}
	body, err := Substitute(values())
	if err != nil {
		t.Fatal(err)
	}
	validate := func(t *testing.T, body []byte) (string, error) {
		file := filepath.Join(t.TempDir(), "mapreel.asl.json")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), tool, "--json-path", file).CombinedOutput()
		return string(out), err
	}
	if out, err := validate(t, body); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	broken := strings.Replace(string(body), `"Type": "Choice"`, `"Type": "Chance"`, 1)
	if out, err := validate(t, []byte(broken)); err == nil {
		t.Errorf("the validator accepts a state of an unknown type:\n%s", out)
	}
}

// find returns the state called name, wherever it stands.
func find(t *testing.T, name string) object {
	t.Helper()
	body, err := Substitute(values())
	if err != nil {
		t.Fatal(err)
	}
	var search func(v any) object
	search = func(v any) object {
		switch v := v.(type) {
		case object:
			if states, ok := v["States"].(object); ok {
				if s, ok := states[name].(object); ok {
					return s
				}
			}
			for _, e := range v {
				if s := search(e); s != nil {
					return s
				}
			}
		case []any:
			for _, e := range v {
				if s := search(e); s != nil {
					return s
				}
			}
		}
		return nil
	}
	var machine object
	if err := json.Unmarshal(body, &machine); err != nil {
		t.Fatal(err)
	}
	s := search(machine)
	if s == nil {
		t.Fatalf("there is no state %q", name)
	}
	return s
}

// eval evaluates a field of a state whose input is given as JSON.
func eval(t *testing.T, field any, input string) any {
	t.Helper()
	src, ok := expression(field.(string))
	if !ok {
		t.Fatalf("%v is not an expression", field)
	}
	return run(t, src, map[string]any{"states": map[string]any{"input": plain(t, json.RawMessage(input))}})
}

func run(t *testing.T, src string, vars map[string]any) any {
	t.Helper()
	e, err := gnata.Compile(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	v, err := e.EvalWithVars(t.Context(), nil, vars)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return gnata.NormalizeValue(v)
}

// plain returns v as the maps and lists that its JSON decodes to.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var p any
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// A redrive goes on in the same execution, so that only its own time tells it from what was given up before.
func TestRecordsAreClaimedAsOfTheLastRedrive(t *testing.T) {
	var machine struct {
		States map[string]struct{ Arguments map[string]any }
	}
	if err := json.Unmarshal(Definition(), &machine); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Analyse the source", "Split the source"} {
		source, ok := expression(machine.States[name].Arguments["started"].(string))
		if !ok {
			t.Fatalf("%s: no expression", name)
		}
		x, err := gnata.Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		for execution, want := range map[string]string{
			`{"StartTime": "2026-01-02T03:04:05.006Z"}`:                                            "2026-01-02T03:04:05.006Z",
			`{"StartTime": "2026-01-02T03:04:05.006Z", "RedriveTime": "2026-01-02T04:00:00.000Z"}`: "2026-01-02T04:00:00.000Z",
		} {
			var states any
			if err := json.Unmarshal([]byte(`{"context": {"Execution": `+execution+`}}`), &states); err != nil {
				t.Fatal(err)
			}
			if got, err := x.EvalWithVars(t.Context(), nil, map[string]any{"states": states}); err != nil || got != want {
				t.Errorf("%s of %s: started %v, %v, want %s", name, execution, got, err, want)
			}
		}
	}
}
