package lambdafn_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/lambdafn/lambdatest"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// Another kind of work needs no other function program, machine or ledger.
func TestAnotherKindOfWorkRunsAsFunctions(t *testing.T) {
	const rate, seconds = 4 << 20, 12 // bytes a second; units large enough that a process is killed within one
	c := newServers(t)
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
				f.Delivered = func(f *lambdatest.Function, payload []byte) {
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
