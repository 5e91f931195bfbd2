package local_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

func TestTheDefinitionRunsTheStagesOfTheEngine(t *testing.T) {
	t.Parallel()
	stages := slices.Sorted(maps.Keys((&engine.Engine{}).Handlers()))
	var functions []string
	for _, class := range append(work.UnitClasses(), work.ClassAnalyse, work.ClassFinish, work.ClassCollect) {
		functions = append(functions, engine.StageOf(class))
	}
	slices.Sort(functions)
	if diff := cmp.Diff(stages, slices.Compact(functions)); diff != "" {
		t.Errorf("the functions do not run the engine's stages (-stages +functions):\n%s", diff)
	}
	var jobs []string
	for _, match := range regexp.MustCompile(`'stage': '([^']*)'`).FindAllSubmatch(statemachine.Definition(), -1) {
		jobs = append(jobs, string(match[1]))
	}
	if want := []string{engine.StageRun}; !slices.Equal(slices.Compact(jobs), want) {
		t.Errorf("Batch jobs of the definition run the stages %q, want %q", jobs, want)
	}
	for _, name := range []string{"Analyse", "Finish", "Functions", "JobDefinitions"} {
		if !slices.Contains(statemachine.Placeholders(), name) {
			t.Errorf("the definition has no placeholder %s", name)
		}
	}
}
