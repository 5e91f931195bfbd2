package statemachine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/work"
)

// resources are those of a deployment with every queue.
func resources() Resources {
	const lambda, batch = "arn:aws:lambda:eu-west-1:123456789012:function:", "arn:aws:batch:eu-west-1:123456789012:"
	r := Resources{
		Partition: "aws", Analyse: lambda + "analyse", Finish: lambda + "finish",
		Functions: map[string]string{}, JobDefinitions: map[string]string{},
		BatchQueue: batch + "job-queue/cpu", GpuQueue: batch + "job-queue/gpu",
	}
	for _, c := range work.UnitClasses() {
		r.Functions[string(c)] = lambda + string(c)
		r.JobDefinitions[JobDefinitionKey(string(c), false)] = batch + "job-definition/" + string(c) + ":1"
	}
	r.JobDefinitions[JobDefinitionKey("encode", true)] = batch + "job-definition/encode-gpu:1"
	return r
}

func TestPlaceholdersAreTheFieldsOfResources(t *testing.T) {
	want := []string{"Analyse", "BatchQueue", "Finish", "Functions", "GpuQueue", "JobDefinitions", "Partition"}
	if diff := cmp.Diff(want, Placeholders()); diff != "" {
		t.Errorf("placeholders (-want +got):\n%s", diff)
	}
	values, err := resources().Values()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(values))); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestDefinitionCannotBeChangedByACaller(t *testing.T) {
	Definition()[0] = '!'
	if got := Definition()[0]; got != '{' {
		t.Errorf("the definition begins with %q after a caller wrote to its copy", got)
	}
}

func TestDefinitionIsShort(t *testing.T) {
	if lines := strings.Count(definition, "\n"); lines >= 400 {
		t.Errorf("the definition has %d lines, want fewer than 400", lines)
	}
}

func TestSubstituteFillsEveryPlaceholder(t *testing.T) {
	r := resources()
	body, err := Substitute(r)
	if err != nil {
		t.Fatal(err)
	}
	if m := placeholder.Find(body); m != nil {
		t.Errorf("%s is left", m)
	}
	want := []string{r.Analyse, r.Finish, r.BatchQueue, r.GpuQueue}
	want = slices.AppendSeq(want, maps.Values(r.Functions))
	want = slices.AppendSeq(want, maps.Values(r.JobDefinitions))
	for _, value := range want {
		if !bytes.Contains(body, []byte(value)) {
			t.Errorf("%s is not in the result", value)
		}
	}
	if !json.Valid(body) {
		t.Error("the result is not JSON")
	}
}

func TestSubstituteAcceptsADeploymentWithoutBatch(t *testing.T) {
	r := resources()
	r.JobDefinitions, r.BatchQueue, r.GpuQueue = nil, Absent, Absent
	body, err := Substitute(r)
	if err != nil || !json.Valid(body) {
		t.Errorf("error %v, JSON: %v", err, json.Valid(body))
	}
}

func TestValuesPassTokensOfTheCDKThrough(t *testing.T) {
	const token = "${Token[TOKEN.123]}"
	r := resources()
	r.Analyse, r.Functions = token, map[string]string{"encode": token, "audio": token}
	values, err := r.Values()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := values["Functions"], "{'audio': '"+token+"', 'encode': '"+token+"'}"; got != want {
		t.Errorf("functions %s, want %s", got, want)
	}
}

func TestSubstituteRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(r *Resources)
		want  string
	}{
		{"a missing function", func(r *Resources) { r.Finish = "" }, "no value for the placeholder ${Finish}"},
		{"a missing queue", func(r *Resources) { r.GpuQueue = "" }, "no value for the placeholder ${GpuQueue}"},
		{"a class without a function", func(r *Resources) { r.Functions["merge"] = "" }, "no value for the placeholder ${Functions}"},
		{"a job definition without a class", func(r *Resources) { r.JobDefinitions[""] = "x" }, "no value for the placeholder ${JobDefinitions}"},
		{"a quote that ends a JSON string", func(r *Resources) { r.GpuQueue = `a"b` }, `contains '"'`},
		{"a quote that ends a JSONata string", func(r *Resources) { r.GpuQueue = "a'b" }, `contains '\''`},
		{"a quote in a class", func(r *Resources) { r.Functions["a'b"] = "x" }, `contains '\''`},
		{"a quote in a function", func(r *Resources) { r.Functions["merge"] = "a'b" }, `contains '\''`},
		{"an escape", func(r *Resources) { r.JobDefinitions["merge"] = `a\b` }, `contains '\\'`},
		{"a line break", func(r *Resources) { r.Partition = "aws\n" }, `contains '\n'`},
		{"the end of an expression", func(r *Resources) { r.GpuQueue = "a %} b" }, "contains '%'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := resources()
			c.spoil(&r)
			if _, err := Substitute(r); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestChildrenOfBothMapsAreIdentical(t *testing.T) {
	names := strings.NewReplacer("Where to merge?", "Where to run?", "Merge on", "Run on") // names are unique in a machine
	children := func(definition []byte) (phase, outputs string) {
		var machine struct {
			States map[string]struct {
				ItemProcessor struct {
					StartAt string
					States  json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(definition, &machine); err != nil {
			t.Fatal(err)
		}
		text := func(state string) string {
			data, err := json.MarshalIndent(machine.States[state].ItemProcessor, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		return text("Do every unit of the phase"), names.Replace(text("Merge every output"))
	}
	phase, outputs := children(Definition())
	if len(phase) < 1000 {
		t.Fatalf("the child is only %s", phase)
	}
	if diff := cmp.Diff(phase, outputs); diff != "" {
		t.Errorf("children (-phase +outputs):\n%s", diff)
	}
	if a, b := children(bytes.Replace(Definition(), []byte(`"MaxAttempts": 1200`), []byte(`"MaxAttempts": 1201`), 1)); a == b {
		t.Error("another number of attempts in one of the Maps goes unnoticed")
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
	body, err := Substitute(resources())
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

// find returns the state called name, at any depth.
func find(t *testing.T, name string) object {
	t.Helper()
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
	s := search(machine(t))
	if s == nil {
		t.Fatalf("there is no state %q", name)
	}
	return s
}

// machine returns the definition with the test's resources.
func machine(t *testing.T) object {
	t.Helper()
	body, err := Substitute(resources())
	if err != nil {
		t.Fatal(err)
	}
	var m object
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
