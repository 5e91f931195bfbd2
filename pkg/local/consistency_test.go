package local_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/stage"
	"github.com/mapreel/mapreel/statemachine"
)

func TestStagesAreTheTasksOfTheDefinition(t *testing.T) {
	t.Parallel()
	worker := &stage.Worker{}
	want := slices.Sorted(slices.Values(statemachine.Tasks()))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(worker.Handlers()))); diff != "" {
		t.Errorf("stages differ from the definition's tasks (-definition +stages):\n%s", diff)
	}
	for _, task := range want {
		if !slices.Contains(statemachine.Placeholders(), statemachine.Placeholder(task)) {
			t.Errorf("the definition has no placeholder for %s", task)
		}
	}
}
