package intake_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/price"
)

func TestADryRunAnswersTheEstimateAndStartsNothing(t *testing.T) {
	d := deploy(t)
	d.Estimate = (&filmjob.Estimator{Registry: kinds.Find, Resolve: d.Resolve, Deployment: estimate.Deployment{Memory: 5307}}).Estimate
	path := filepath.Join(t.TempDir(), "film.mkv")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=12", "-preset", "ultrafast", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	request := d.request(d.upload(t, "in/film.mkv", string(data)))
	code, body := d.dryRun(t, "true", request, time.Minute)
	if code != 200 {
		t.Fatalf("answer %d %v", code, body)
	}
	// What the command estimates of the same film in a file, for the places on AWS. A function with 5,307 MiB has three processors.
	registry, err := kinds.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	here, err := json.Marshal(film.Request{
		Source: path, Destination: t.TempDir(), Outputs: []film.Output{{Name: "film"}}, Compute: film.Compute{Threads: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := local.Plan(t.Context(), here, local.Options{Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	speed := func(j film.Job) (filmjob.Speed, error) { return filmjob.Assumed(j), nil }
	e, err := filmjob.Of(t.Context(), plan, speed, filmjob.Options{Deployment: estimate.Deployment{Memory: 5307}, Prices: price.Default()})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Places) != 4 || e.Places[0].Name != estimate.Here {
		t.Fatalf("places %+v", e.Places)
	}
	if diff := cmp.Diff(asJSON(t, e.Places[1:]), body["places"]); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(asJSON(t, e.Work.Groups), body["work"].(map[string]any)["groups"]); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	d.refused(t, request)
	if started := d.states.Started(); len(started) != 0 {
		t.Errorf("started %v", started)
	}
}

// refused asks for dry runs that are answered with an error.
func (d *deployment) refused(t *testing.T, request string) {
	t.Helper()
	d.upload(t, "in/words.mkv", "no film at all")
	for _, c := range []struct {
		name, dry, body string
		within          time.Duration
		code            int
		kind            string
	}{
		{"a value that is none", "1", request, time.Minute, 400, "Invalid"},
		{"a request that is wrong", "true", strings.Replace(request, `"film"}`, `"a/b"}`, 1), time.Minute, 400, "Invalid"},
		{"a source that is no film", "true", strings.Replace(request, "film.mkv", "words.mkv", 1), time.Minute, 400, "Invalid"},
		{"no time", "true", request, 2 * time.Second, 504, "OutOfTime"},
	} {
		code, body := d.dryRun(t, c.dry, c.body, c.within)
		if e, _ := body["error"].(map[string]any); code != c.code || e["kind"] != c.kind {
			t.Errorf("%s: answer %d %v, want %d and %s", c.name, code, body, c.code, c.kind)
		}
	}
}

// dryRun asks for an estimate in a call with so much time.
func (d *deployment) dryRun(t *testing.T, dry, body string, within time.Duration) (int, map[string]any) {
	t.Helper()
	return d.callWithin(t, within, map[string]any{"routeKey": intake.RouteSubmit, "queryStringParameters": map[string]string{"dryRun": dry}, "body": body})
}

// asJSON returns a value as a program reads it from JSON.
func asJSON(t *testing.T, v any) (tree any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &tree)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
