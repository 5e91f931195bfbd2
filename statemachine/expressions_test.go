package statemachine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/recolabs/gnata"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestClassSelectsFunctionAndJobDefinition(t *testing.T) {
	r := resources()
	for _, name := range []string{"Run on Lambda", "Run on Lambda, else on Batch", "Merge on Lambda", "Merge on Lambda, else on Batch"} {
		function := find(t, name)["Arguments"].(object)["FunctionName"]
		for _, c := range work.UnitClasses() {
			if got, want := eval(t, function, engine.Item{Class: c}), r.Functions[string(c)]; got != want {
				t.Errorf("%s: a unit of the class %s calls %v, want %s", name, c, got, want)
			}
		}
	}
	for _, name := range []string{"Run on Batch", "Merge on Batch"} {
		arguments := find(t, name)["Arguments"].(object)
		for _, c := range work.UnitClasses() {
			for _, gpu := range []bool{false, true} {
				item := engine.Item{Class: c, GPU: gpu}
				want, found := r.JobDefinitions[JobDefinitionKey(string(c), gpu)]
				if got := eval(t, arguments["JobDefinition"], item); found && got != want || !found && got != nil {
					t.Errorf("%s: a unit of the class %s, GPU %v, is a job of %v, want %s", name, c, gpu, got, want)
				}
				queue := r.BatchQueue
				if gpu {
					queue = r.GpuQueue
				}
				if got := eval(t, arguments["JobQueue"], item); got != queue {
					t.Errorf("%s: a unit of the class %s, GPU %v, goes to %v, want %s", name, c, gpu, got, queue)
				}
			}
		}
	}
}

func TestBatchGetsTheTaskThatLambdaGets(t *testing.T) {
	item := engine.Item{Job: "0a1b", Unit: "output/it's a \"film\" \\ ü", Class: "merge", Route: work.RouteLambdaBatch}
	for _, way := range []string{"Run", "Merge"} {
		lambda := find(t, way+" on Lambda, else on Batch")
		payload := lambda["Arguments"].(object)["Payload"].(object)
		var want engine.RunInput
		remarshal(t, map[string]any{"job": eval(t, payload["job"], item), "unit": eval(t, payload["unit"], item)}, &want)
		if want != (engine.RunInput{Job: item.Job, Unit: item.Unit}) {
			t.Errorf("Lambda gets %+v of %+v", want, item)
		}

		env := objects(find(t, way+" on Batch")["Arguments"].(object)["ContainerOverrides"].(object)["Environment"])[0]
		if env["Name"] != engine.TaskVariable {
			t.Fatalf("the task is in the variable %v, want %s", env["Name"], engine.TaskVariable)
		}
		caught := evalStates(t, objects(lambda["Catch"])[0]["Output"], map[string]any{
			"input": plain(t, item), "errorOutput": map[string]any{"Error": "OutOfTime", "Cause": "the function's time is over"},
		})
		for _, c := range []struct {
			name   string
			input  any
			reason string
		}{
			{"routed to Batch", item, ""},
			{"caught on Lambda", caught, "OutOfTime"},
		} {
			task, err := engine.ParseTask(eval(t, env["Value"], c.input).(string))
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if task.Stage != engine.StageRun {
				t.Errorf("%s: stage %q, want %s", c.name, task.Stage, engine.StageRun)
			}
			var got engine.RunInput
			remarshal(t, task.Input, &got)
			want.Reason = c.reason
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: input (-Lambda +Batch):\n%s", c.name, diff)
			}
		}
	}
}

// unitNames are names that Batch does not accept as they are in the name of a job.
var unitNames = []string{
	"video/00012", "output/a film", "output/Ünïcödé 映画 🎬", "output/tab\tand\nline", "output/a.b:c#d", "output/$1 [x] %y", "tool/x/y/z",
	"output/" + strings.Repeat("long name ", 30), "output/" + strings.Repeat("映", 300),
}

func TestBatchAcceptsTheJobName(t *testing.T) {
	accepted := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`) // AWS Batch API reference, SubmitJob, jobName
	for _, state := range []string{"Run on Batch", "Merge on Batch"} {
		field := find(t, state)["Arguments"].(object)["JobName"]
		for _, unit := range unitNames {
			name := eval(t, field, engine.Item{Job: strings.Repeat("0a1b", 8), Unit: unit}).(string)
			if !accepted.MatchString(name) || !strings.HasPrefix(name, "mapreel-0a1b") {
				t.Errorf("%s: the name of the job of %q is %q", state, unit, name)
			}
		}
		if got, want := eval(t, field, engine.Item{Job: "0a1b", Unit: "video/00012"}), "mapreel-0a1b-video_00012"; got != want {
			t.Errorf("%s: job name %v, want %s", state, got, want)
		}
	}
}

// Batch allows 50 tags of keys that do not begin with aws: (API reference, SubmitJob, tags). infra allows the machine to set them.
func TestBatchJobsAreTaggedWithTheirJob(t *testing.T) {
	for _, state := range []string{"Run on Batch", "Merge on Batch"} {
		tags, _ := find(t, state)["Arguments"].(object)["Tags"].(object)
		if len(tags) != 1 || eval(t, tags["mapreel:job"], engine.Item{Job: "0a1b", Unit: "video/00012"}) != "0a1b" {
			t.Errorf("%s submits jobs with the tags %v", state, tags)
		}
	}
}

// JSONata unwraps lists of one in some places. A Map would then fail on its Items.
func TestListsOfOneAndOfNoneStayLists(t *testing.T) {
	for _, outputs := range [][]engine.Item{{}, {{Job: "a", Unit: "output/film"}}, {{Unit: "output/a"}, {Unit: "output/b"}}} {
		next := engine.Next{Job: "a", Outputs: outputs}
		got := eval(t, find(t, "Merge every output")["Items"], next)
		if list, ok := got.([]any); !ok || len(list) != len(outputs) {
			t.Errorf("the Map over %d outputs gets %v", len(outputs), got)
		}
		for _, state := range []string{"Do every unit of the phase", "Merge every output"} {
			if diff := cmp.Diff(plain(t, next), plain(t, eval(t, find(t, state)["Output"], next))); diff != "" {
				t.Errorf("%s with %d outputs returns another input (-in +out):\n%s", state, len(outputs), diff)
			}
		}
	}
}

func TestMapsNeverGetAnEmptyList(t *testing.T) {
	one, none := []engine.Item{{Unit: "output/film"}}, []engine.Item{}
	for _, c := range []struct {
		name string
		next engine.Next
		want string
	}{
		{"units and outputs", engine.Next{Phase: engine.PhaseList{Count: 1}, Outputs: one}, "Do every unit of the phase"},
		{"outputs", engine.Next{Outputs: one}, "Merge every output"},
		{"nothing", engine.Next{Outputs: none}, "Finish"},
	} {
		if got := choose(t, "Is there another phase?", c.next); got != c.want {
			t.Errorf("%s: then %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOnlyTheLastPhaseLeadsToTheOutputs(t *testing.T) {
	for last, want := range map[bool]string{true: "Merge every output", false: "Plan the next phase"} {
		if got := choose(t, "Was it the last phase?", engine.Next{Phase: engine.PhaseList{Last: last}}); got != want {
			t.Errorf("last %v: then %q, want %q", last, got, want)
		}
	}
}

func TestRouteSelectsTheService(t *testing.T) {
	for route, want := range map[work.Route]string{
		work.RouteLambda: "on Lambda", work.RouteBatch: "on Batch", work.RouteLambdaBatch: "on Lambda, else on Batch",
	} {
		for choice, verb := range map[string]string{"Where to run?": "Run ", "Where to merge?": "Merge "} {
			if got := choose(t, choice, engine.Item{Route: route}); got != verb+want {
				t.Errorf("%s: route %s leads to %q, want %q", choice, route, got, verb+want)
			}
		}
	}
}

// A redrive continues the same execution. Only its time tells it from the run before.
func TestRecordsAreOwnedSinceTheLastRedrive(t *testing.T) {
	for _, state := range []string{"Analyse the source", "Plan the next phase"} {
		field := find(t, state)["Arguments"].(object)["Payload"].(object)["started"]
		for execution, want := range map[string]string{
			`{"StartTime": "2026-01-02T03:04:05.006Z"}`:                                            "2026-01-02T03:04:05.006Z",
			`{"StartTime": "2026-01-02T03:04:05.006Z", "RedriveTime": "2026-01-02T04:00:00.000Z"}`: "2026-01-02T04:00:00.000Z",
		} {
			states := map[string]any{"context": map[string]any{"Execution": plain(t, json.RawMessage(execution))}}
			if got := evalStates(t, field, states); got != want {
				t.Errorf("%s of %s: started %v, want %s", state, execution, got, want)
			}
		}
	}
}

// AWS runs JSONata's reference implementation or a port of it, and this project gnata. Both must
// agree on every expression.
func TestReferenceImplementationAgreesOnEveryExpression(t *testing.T) {
	type call struct {
		At     string `json:"at"`
		Source string `json:"source"`
		States any    `json:"states"`
	}
	var calls []call
	walkExpressions("", machine(t), func(at, source string) {
		for i, unit := range unitNames {
			// A state has one of these inputs. Expressions read only the fields of theirs.
			var input map[string]any
			remarshal(t, engine.Next{
				Job: "0a1b", Concurrency: 100, Outputs: make([]engine.Item, i%3),
				Phase: engine.PhaseList{Name: "encode", Bucket: "b", Key: "k", Count: i % 2, Last: i%2 == 0},
			}, &input)
			remarshal(t, engine.Item{
				Job: "0a1b", Unit: unit, Class: work.UnitClasses()[i%4], GPU: i%2 == 1,
				Route: []work.Route{work.RouteLambda, work.RouteBatch, work.RouteLambdaBatch}[i%3],
			}, &input)
			execution := map[string]any{"Id": "arn", "StartTime": "2026-01-02T03:04:05.006Z"}
			if i%2 == 1 {
				input["reason"], execution["RedriveTime"] = "OutOfTime", "2026-01-02T04:00:00.000Z"
			}
			calls = append(calls, call{at, source, map[string]any{
				"input": input, "context": map[string]any{"Execution": execution},
				"result":      map[string]any{"Payload": input},
				"errorOutput": map[string]any{"Error": "OutOfTime", "Cause": "c"},
			}})
		}
	})
	data, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	const program = `
		const jsonata = require('../node_modules/jsonata')
		const calls = JSON.parse(require('fs').readFileSync(0, 'utf8'))
		Promise.all(calls.map(c => jsonata(c.source).evaluate(undefined, {states: c.states})))
			.then(results => console.log(JSON.stringify(results.map(r => r === undefined ? null : r))))`
	cmd := exec.CommandContext(t.Context(), "node", "-e", program)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var want []any
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(calls) || len(want) < 50 {
		t.Fatalf("%d results of %d calls", len(want), len(calls))
	}
	for i, c := range calls {
		got := plain(t, evaluate(t, c.Source, map[string]any{"states": plain(t, c.States)}))
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("%s: %s (-reference +gnata):\n%s", c.At, c.Source, diff)
		}
	}
}

// choose returns the state that follows a Choice.
func choose(t *testing.T, state string, input any) string {
	t.Helper()
	s := find(t, state)
	for _, c := range objects(s["Choices"]) {
		if eval(t, c["Condition"], input) == true {
			return c["Next"].(string)
		}
	}
	return s["Default"].(string)
}

// eval evaluates a field of a state with an input.
func eval(t *testing.T, field, input any) any {
	t.Helper()
	return evalStates(t, field, map[string]any{"input": plain(t, input)})
}

func evalStates(t *testing.T, field any, states map[string]any) any {
	t.Helper()
	source, ok := expression(fmt.Sprint(field))
	if !ok {
		t.Fatalf("%v is not an expression", field)
	}
	return evaluate(t, source, map[string]any{"states": states})
}

func evaluate(t *testing.T, source string, vars map[string]any) any {
	t.Helper()
	e, err := gnata.Compile(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	v, err := e.EvalWithVars(t.Context(), nil, vars)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return gnata.NormalizeValue(v)
}

// plain returns v as the maps and lists that its JSON decodes to.
func plain(t *testing.T, v any) any {
	t.Helper()
	var p any
	remarshal(t, v, &p)
	return p
}

// remarshal decodes the JSON of v into to.
func remarshal(t *testing.T, v, to any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}
