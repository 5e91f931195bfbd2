package job_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// A deployment runs no commands but its own, and says which those are.
func TestADeploymentRefusesOtherTools(t *testing.T) {
	t.Parallel()
	const list = `{"tools": [{"name": "levels", "script": "true\n"}, {"name": "count", "each": {"tool": "levels"}, "script": "true\n", "outputs": [{"path": "counts/"}]}]}`
	deployed, err := tool.ParseDeployed([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		deployed tool.Deployed
		tools    any
		want     string
	}{
		{"unknown", deployed, []string{"levels", "words"}, `/tools/1: this deployment has no tool "words"; it has count, levels`},
		{"described", deployed, []any{map[string]any{"name": "levels", "script": "true\n"}}, "/tools/0: a deployment runs only the tools that it was built with: give the name of one, of count, levels"},
		{"without what it needs", deployed, []string{"count"}, `/tools/0/each: there is no tool "levels"`},
		{"of a deployment that has none", tool.Deployed{}, []string{"levels"}, "/tools: this deployment has no tools: deploy with -c tools=FILE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request, err := json.Marshal(map[string]any{"source": "s3://b/in/film.mp4", "destination": "s3://b/out/", "tools": test.tools})
			if err != nil {
				t.Fatal(err)
			}
			_, err = job.Planner{Deployed: &test.deployed}.Plan(t.Context(), &work.PlanEnv{}, request)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
