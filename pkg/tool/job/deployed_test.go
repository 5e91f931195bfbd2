package job_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/httpblob"
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

// site is a web server with a file of four bytes, whose content is a version of it.
type site struct {
	*httptest.Server
	version atomic.Pointer[string]
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	s.set("one.")
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version := *s.version.Load()
		w.Header().Set("ETag", `"`+version+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(version))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) set(version string) { s.version.Store(&version) }

// resolve implements work.Resolver. As in another worker, nothing is known yet of the file.
func (s *site) resolve(context.Context, string) (blob.Store, string, error) {
	store, err := httpblob.New(s.URL+"/film.mp4", httpblob.Secret{}, httpblob.Options{})
	return store, "film.mp4", err
}

// plan plans a job of a deployment that has one tool, for the whole file. digest is that of the files beside its tools file.
func (s *site) plan(t *testing.T, script, digest string) work.Plan {
	t.Helper()
	list, err := json.Marshal(map[string]any{"tools": []any{map[string]any{"name": "size", "script": script}}, "digest": digest})
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := tool.ParseDeployed(list)
	if err != nil {
		t.Fatal(err)
	}
	request := `{"source": "` + s.URL + `/film.mp4", "destination": "s3://b/out/", "tools": ["size"]}`
	p, err := job.Planner{Deployed: &deployed}.Plan(t.Context(), &work.PlanEnv{Resolve: s.resolve}, json.RawMessage(request))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A deployment with another script, or other files beside the tools file, does not continue the jobs of the one before.
func TestAJobOfChangedToolsIsAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.plan(t, "true\n", "one").ID
	if again := s.plan(t, "true\n", "one").ID; again != id {
		t.Errorf("the same job is %s and %s", id, again)
	}
	for _, changed := range []work.Plan{s.plan(t, "true\n", "two"), s.plan(t, "true #\n", "one")} {
		if changed.ID == id {
			t.Errorf("a job of other tools is %s, too", id)
		}
	}
}

// A tool does not get another file than the one that the job was planned for.
func TestAToolDoesNotGetASourceThatHasChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.plan(t, "true\n", "one")
	s.set("two.")
	u := slices.Collect(p.Phases[0].Units)[0]
	env := &work.Env{Job: p.ID, Doc: p.Doc, Unit: u.Name, Dir: t.TempDir(), Resolve: s.resolve}
	_, err := job.Kind{}.Run(t.Context(), env, u)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "has changed since the job began") {
		t.Errorf("got %v", err)
	}
}

// The environment of a worker has the credentials of the deployment.
func TestADeploymentTakesNoSecretsFromItsEnvironment(t *testing.T) {
	t.Parallel()
	_, err := tool.ParseDeployed([]byte(`{"tools": [{"name": "a", "script": "true\n", "secrets": ["AWS_SECRET_ACCESS_KEY"]}]}`))
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "/tools/0/secrets/0: a deployment needs to know where the value is") {
		t.Errorf("got %v", err)
	}
}

// Where a secret lies is known to the workers of its tool. The record of a job, which others read, has its name alone.
func TestAJobOfADeploymentDoesNotRecordWhereSecretsAre(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	deployed, err := tool.ParseDeployed([]byte(`{"tools": [{"name": "a", "script": "true\n", "secrets": {"KEY": "arn:aws:ssm:eu-west-1:123456789012:parameter/key"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	request := `{"source": "` + s.URL + `/film.mp4", "destination": "s3://b/out/", "tools": ["a"]}`
	p, err := job.Planner{Deployed: &deployed}.Plan(t.Context(), &work.PlanEnv{Resolve: s.resolve}, json.RawMessage(request))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(p.Doc), "arn:") || !strings.Contains(string(p.Doc), `"secrets":["KEY"]`) {
		t.Errorf("the record is %s", p.Doc)
	}
}

// On one machine, where a deployment finds a secret has no effect, and so makes no other job.
func TestAJobOnOneMachineIsTheSameWhereverADeploymentHasItsSecrets(t *testing.T) {
	t.Setenv("KEY", "hunter22")
	s, out := newSite(t), t.TempDir()
	plan := func(secrets string) work.Plan {
		request := `{"source": "` + s.URL + `/film.mp4", "destination": "` + out + `", "tools": [{"name": "a", "script": "true\n", "each": "file", "secrets": ` + secrets + `}]}`
		p, err := job.Planner{}.Plan(t.Context(), &work.PlanEnv{Resolve: s.resolve}, json.RawMessage(request))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan(`{"KEY": "arn:aws:ssm:eu-west-1:123456789012:parameter/key"}`)
	if other := plan(`["KEY"]`).ID; p.ID != other || strings.Contains(string(p.Doc), "arn:") {
		t.Errorf("the jobs are %s and %s, and the record is %s", p.ID, other, p.Doc)
	}
	if got := p.Groups[0].Total.Media; got <= 0 { // else its progress is no share of anything
		t.Errorf("a file of unknown length counts as %d", got)
	}
}
