package lambdafn_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/work"
)

// Another kind of work needs no other function program, machine or ledger.
func TestAnotherKindOfWorkRunsAsFunctions(t *testing.T) {
	const rate, seconds = 4 << 20, 12 // bytes a second; units large enough that a process is killed within one
	c := newServers(t).with("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=3008", "MAPREEL_TMP=10240", "MAPREEL_VCPUS=2",
		"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+instance(t, map[string]string{
			"instance-type": "c7g.2xlarge", "instance-life-cycle": "spot",
		}))
	file := toytest.NoisyWAV(t, rate, seconds)
	put(t, c, "in/noise.wav", file)
	want := map[string][]byte{}
	for _, mode := range []work.Route{work.RouteLambda, work.RouteBatch} {
		t.Run("on the route "+string(mode), func(t *testing.T) {
			d := c.deploy(t)
			r := d.record()
			out := "out/" + string(mode)
			outcome, err := r.execute("arn:execution:"+string(mode), toyRequest(c, out, mode))
			if err != nil {
				t.Fatal(err)
			}
			if outcome.Units["checksum"] != seconds+1 || len(outcome.Outputs) != 1 {
				t.Errorf("outcome %+v", outcome)
			}
			state := map[work.Route]string{work.RouteLambda: "Run on Lambda", work.RouteBatch: "Run on Batch"}[mode]
			r.check(t, map[string]string{"checksum/00000": state, "checksum/00012": state})
			checkCost(t, c, "arn:execution:"+string(mode), mode)
			got := read(t, c.media, out+"/noise.wav.sha256")
			if diff := cmp.Diff(toytest.Checksums(t, file, rate), string(got)); diff != "" {
				t.Errorf("the output (-want +got):\n%s", diff)
			}
			want[out] = got
			if left := keys(t, c.scratch, ""); len(left) > 0 {
				t.Errorf("a job that is done leaves %q in scratch", left)
			}
		})
	}

	t.Run("and stops at a budget, and continues with a higher one", func(t *testing.T) {
		d := c.deploy(t)
		r := d.record()
		request, _ := toyRequest(c, "out/budget", work.RouteLambda).(map[string]any)
		request["compute"] = map[string]any{"mode": work.RouteLambda, "budget": 0.0005} // a unit has three transitions, which alone cost 0.000075
		_, err := r.execute("arn:execution:budget-1", request)
		if err == nil || !strings.Contains(err.Error(), "OverBudget") && !strings.Contains(err.Error(), "stopped at the budget of 0.000500 USD") {
			t.Fatalf("it ended with %v", err)
		}
		first := len(r.states)
		request["compute"] = map[string]any{"mode": work.RouteLambda, "budget": 1}
		if _, err := r.execute("arn:execution:budget-2", request); err != nil {
			t.Fatal(err)
		}
		if got := read(t, c.media, "out/budget/noise.wav.sha256"); !bytes.Equal(got, want["out/"+string(work.RouteLambda)]) || first == 0 || first >= seconds {
			t.Errorf("it stopped after %d of %d units, and then wrote %q", first, seconds+1, got)
		}
	})

	t.Run("as on one machine", func(t *testing.T) {
		destination := t.TempDir()
		request, err := json.Marshal(map[string]any{"source": file, "destination": destination, "checksums": map[string]any{"seconds": 1}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := local.Run(t.Context(), request, local.Options{Scratch: t.TempDir(), Registry: toy.Add(work.Registry{})}); err != nil {
			t.Fatal(err)
		}
		here, err := os.ReadFile(filepath.Join(destination, "noise.wav.sha256"))
		if err != nil {
			t.Fatal(err)
		}
		for out, there := range want {
			if !bytes.Equal(here, there) {
				t.Errorf("%s differs from the output of a local run", out)
			}
		}
	})

	for n, unit := range []string{"checksum/00000", "checksum/00006", "checksum/00012", "checksumlist/all"} {
		t.Run("and continues when the process of "+unit+" is killed", func(t *testing.T) {
			out := fmt.Sprintf("out/killed-%d", n)
			req := toyRequest(c, out, work.RouteLambda)
			first := c.deploy(t)
			for _, f := range first.functions {
				f.Delivered = func(payload []byte) {
					if bytes.Contains(payload, []byte(unit)) {
						time.Sleep(rand.N(3 * time.Millisecond))
						_ = f.Cmd.Process.Kill()
					}
				}
			}
			execution := fmt.Sprintf("arn:execution:killed-%d", n)
			if _, err := first.execute(execution, req); err == nil {
				t.Fatal("the execution succeeded although a function was killed")
			} else if !strings.Contains(err.Error(), "exited") {
				t.Fatalf("the execution failed with %v, want the exit of a function", err)
			}
			job, done := results(t, c, execution)
			if _, err := c.deploy(t).execute(execution+"-again", req); err != nil {
				t.Fatal(err)
			}
			again, after := results(t, c, execution+"-again")
			if job != again {
				t.Errorf("the second execution made job %s, the first %s", again, job)
			}
			for unit, facts := range done {
				if after[unit] != facts {
					t.Errorf("%s was done, with %s; now it has %s", unit, facts, after[unit])
				}
			}
			if n := len(after); n != seconds+2 {
				t.Errorf("%d units are done, want %d", n, seconds+2)
			}
			if index := slices.Index([]string{"checksum/00000", "checksum/00006", "checksum/00012"}, unit); index > 0 && len(done) == 0 {
				t.Errorf("no unit was done before %s", unit)
			}
			if got := read(t, c.media, out+"/noise.wav.sha256"); string(got) != toytest.Checksums(t, file, rate) {
				t.Errorf("the output is\n%s", got)
			}
			if left := keys(t, c.scratch, ""); len(left) > 0 {
				t.Errorf("a job that is done leaves %q in scratch", left)
			}
		})
	}
}

// instance stands for the metadata service of an EC2 instance, and returns its address.
func instance(t *testing.T, values map[string]string) string {
	t.Helper()
	api := http.NewServeMux()
	api.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
		_, _ = io.WriteString(w, "token")
	})
	api.HandleFunc("GET /latest/meta-data/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, values[r.PathValue("name")])
	})
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return server.URL
}

// checkCost compares what a job cost with what is recorded, priced here by other means: dollars for each record, added up.
func checkCost(t *testing.T, c *cloud, execution string, mode work.Route) {
	t.Helper()
	record, err := c.ledger.JobOf(t.Context(), execution)
	if err != nil {
		t.Fatal(err)
	}
	const million = 1e6
	dollars := 0.0
	for u, err := range c.ledger.Units(t.Context(), record.ID, "") {
		if err != nil {
			t.Fatal(err)
		}
		var use map[string]any
		if err := json.Unmarshal(u.Used[1], &use); err != nil || len(u.Used) != 1 {
			t.Fatalf("%s has the records %v: %v", u.ID, u.Used, err)
		}
		of := func(name string) float64 { n, _ := use[name].(float64); return n }
		if of("ms") < 1 || of("ms") > patience.Seconds()*1000 || of("steps") != 3 || of("w") < 3 || of("r") < 2 || of("put") < 1 {
			t.Errorf("%s used %v", u.ID, use)
		}
		seconds := of("ms") / 1000
		switch service, _ := use["on"].(string); {
		case service != string(mode) || runtime.GOARCH == "arm64" && service == "lambda" && use["arch"] != "arm64":
			t.Errorf("%s ran on %v", u.ID, use)
		case service == "lambda":
			rate := map[string]float64{"amd64": 0.0000166667, "arm64": 0.0000133334}[runtime.GOARCH]
			dollars += seconds*(3008.0/1024*rate+(10240.0-512)/1024*0.0000000309) + of("req")*0.20/million
		default:
			if use["type"] != "c7g.2xlarge" || use["spot"] != true || of("cpus") != 2 {
				t.Errorf("%s used %v, want a Spot instance", u.ID, use)
			}
			dollars += 2 * seconds / 3600 * 0.03625 * 0.5
		}
		dollars += of("steps")*0.025/1000 + of("w")*0.625/million + of("r")*0.125/million + of("put")*0.005/1000 + of("get")*0.0004/1000
	}
	spent, err := engine.ReadSpent(t.Context(), c.ledger, record.ID)
	if err != nil {
		t.Fatal(err)
	}
	cost := spent.Cost(price.Default())
	if cost == nil || spent.Unrecorded != 0 || math.Abs(float64(cost.Total)/float64(price.Dollar)-dollars) > 1e-7 {
		t.Errorf("it cost %+v; its records are worth %.9f USD", cost, dollars)
	}
}

// results returns the job of an execution and the results of its units that are done. They name the attempts.
func results(t *testing.T, c *cloud, execution string) (job string, done map[string]string) {
	t.Helper()
	record, err := c.ledger.JobOf(t.Context(), execution)
	if err != nil {
		t.Fatal(err)
	}
	done = map[string]string{}
	for u, err := range c.ledger.Units(t.Context(), record.ID, "") {
		if err != nil {
			t.Fatal(err)
		}
		if u.State == ledger.Done {
			done[u.ID] = fmt.Sprintf("attempt %d: %s", u.Attempt, u.Facts)
		}
	}
	return record.ID, done
}

// toyRequest asks for the checksums of every second of in/noise.wav.
func toyRequest(c *cloud, destination string, mode work.Route) any {
	return map[string]any{
		"source": "s3://" + c.bucket + "/in/noise.wav", "destination": "s3://" + c.bucket + "/" + destination,
		"checksums": map[string]any{"seconds": 1}, "compute": map[string]any{"mode": mode},
	}
}
