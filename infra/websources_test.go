package main

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/origin"
)

// Workers read the web servers, and the API checks whether a source lies there.
func TestWorkersAndTheAPIKnowTheWebServersOfSources(t *testing.T) {
	const roots = "https://example.com/films/ https://media.example.com/"
	s := synth(t, object{"scratch": "s3", "batch": "true", "api": "true", "webSources": "https://example.com/films/,https://media.example.com/"})
	workers, doors := 0, 0
	check := func(name string, machine bool, got string) {
		if machine {
			doors++
		} else {
			workers++
		}
		if got != roots {
			t.Errorf("%s has the web servers %q, want %q", name, got, roots)
		}
	}
	for name, f := range s.of("AWS::Lambda::Function") {
		if variables, ok := props(f)["Environment"].(object); ok {
			got, _ := variables["Variables"].(object)[origin.WebRootsVariable].(string)
			check(name, variables["Variables"].(object)[intake.MachineVariable] != nil, got)
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		got := ""
		for _, v := range props(d)["ContainerProperties"].(object)["Environment"].([]any) {
			if v.(object)["Name"] == origin.WebRootsVariable {
				got, _ = v.(object)["Value"].(string)
			}
		}
		check(name, false, got)
	}
	if workers <= len(s.chosen.allClasses()) || doors == 0 {
		t.Errorf("%d workers and %d functions of the API", workers, doors)
	}
	checkEnvironment(t, s)
}
