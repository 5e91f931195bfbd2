package forecast

import (
	"reflect"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/cputime"
	"github.com/mapreel/mapreel/pkg/price"
)

// film is a job of so many segments, each of which takes so long on one processor, and of a merge.
func film(segments int, work time.Duration) Job {
	encode := Phase{Name: "encode"}
	for range segments {
		encode.Units = append(encode.Units, Unit{Class: "encode", Route: "lambda-batch", Work: work, Threads: 2, Gets: 10, Puts: 3})
	}
	merge := Phase{Name: "merge", Units: []Unit{{Class: "merge", Route: "lambda-batch", Work: time.Second, Threads: 1}}}
	return Job{Phases: []Phase{encode, merge}, Concurrency: 1000}
}

// exact is conditions without chance: a processor as fast as the reference, environments that start in a second.
func exact() Conditions {
	return Conditions{
		Speed: 1, BatchSpeed: 1, Spread: 1e-12, Image: 100, StartBy: 500 * time.Millisecond,
		Start: [2]time.Duration{500 * time.Millisecond, 500 * time.Millisecond}, Dispatch: time.Microsecond,
	}
}

func simulate(t *testing.T, job Job, c Conditions, seed uint64) Result {
	t.Helper()
	m, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Simulate(t.Context(), m, job, c, seed)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAJobTakesWhatIsWorkedOutByHand(t *testing.T) {
	r := simulate(t, film(100, 10*time.Second), exact(), 1)
	// A start and Analyse: 1 + 2 s. A start and a segment on one processor (1,769 MiB): 1 + 10 s. A start and a merge: 1 + 1 s.
	// A start and Finish: 1 + 1 s. Nothing waits: 1,000 children start at once, and 1,000 environments.
	if want := 18 * time.Second; r.Failed != "" || r.Wall < want || r.Wall > want+100*time.Millisecond {
		t.Errorf("it takes %v, want %v: %+v", r.Wall, want, r)
	}
	if r.Peak != 100 || r.Cold != 103 || r.Throttled != 0 || r.Retries != 0 || len(r.Phases) != 2 {
		t.Errorf("%+v", r)
	}
	// 100 × 11 s + 2 s + 3 s + 2 s of functions with 1,769 MiB: 1912.3 GB-s × 0.0000166667 = 0.03187
	cost := price.Default().Bill(r.Sum)
	for _, s := range cost.Services() {
		if s.Name == "Lambda" && (s.Cost < 32_000_000 || s.Cost > 32_400_000) { // with /tmp: 1107 s × 9.5 GB × 0.0000000309 = 0.0003
			t.Errorf("functions cost %v", s.Cost)
		}
	}
}

func TestTheSameSeedGivesTheSameResult(t *testing.T) {
	c := Conditions{Faults: 0.05, Stragglers: 0.05, Account: 50}
	one, two, other := simulate(t, film(300, 5*time.Second), c, 7), simulate(t, film(300, 5*time.Second), c, 7), simulate(t, film(300, 5*time.Second), c, 8)
	if !reflect.DeepEqual(one, two) {
		t.Errorf("%+v and %+v", one, two)
	}
	if one.Wall == other.Wall {
		t.Errorf("another seed gives the same time, %v", other.Wall)
	}
}

func TestNewEnvironmentsAreLimited(t *testing.T) {
	c := exact()
	c.ChildStarts, c.ChildBurst, c.Account = 1e6, 1e6, 10_000
	job := film(3000, time.Minute)
	job.Concurrency = 3000
	r := simulate(t, job, c, 1)
	// 1,000 at once and 100 a second after that: the last starts after 20 s, and because those that are refused wait with jitter,
	// somewhat later.
	if wall := r.Phases[0] - 3*time.Second; wall < 81*time.Second || wall > 130*time.Second || r.Throttled < 2000 || r.Cold < 3000 {
		t.Errorf("the phase takes %v with %d refusals", wall, r.Throttled)
	}
}

func TestFunctionsBeyondTheQuotaWaitForOthers(t *testing.T) {
	c := exact()
	c.Account = 10
	r := simulate(t, film(100, 10*time.Second), c, 1)
	// Ten rounds of 10 s at least, with what jitter wastes between them.
	if r.Peak != 10 || r.Phases[0] < 100*time.Second || r.Phases[0] > 220*time.Second || r.Throttled == 0 {
		t.Errorf("%v, %d at once, %d refused", r.Phases[0], r.Peak, r.Throttled)
	}
	job := film(100, 10*time.Second)
	job.Concurrency = 10
	if asked := simulate(t, job, exact(), 1); asked.Peak != 10 || asked.Throttled != 0 || asked.Phases[0] >= r.Phases[0] || asked.Cold > 14 {
		t.Errorf("with a concurrency of 10: %+v", asked)
	}
}

func TestUnitsThatAreTooLongGoToBatch(t *testing.T) {
	job := film(4, 20*time.Minute)
	r := simulate(t, job, exact(), 1)
	// 885 s on Lambda, 296 s until an instance works, 5 s for a container, and 600 s on two of its processors.
	want := 3*time.Second + 1*time.Second + 885*time.Second + 296*time.Second + 5*time.Second + 600*time.Second
	if got := r.Phases[0]; r.OnBatch != 4 || r.Instances != 1 || got < want || got > want+time.Second {
		t.Errorf("it takes %v, want %v: %+v", got, want, r)
	}
	for i := range job.Phases[0].Units {
		job.Phases[0].Units[i].Route = "lambda"
	}
	if r := simulate(t, job, exact(), 1); r.Failed != "OutOfTime" {
		t.Errorf("on Lambda alone it ends with %q", r.Failed)
	}
	for i := range job.Phases[0].Units {
		job.Phases[0].Units[i].Route = "batch"
	}
	if r := simulate(t, job, exact(), 1); r.Phases[0] > want-885*time.Second {
		t.Errorf("on Batch alone it takes %v", r.Phases[0])
	}
}

func TestInstancesThatAreTakenBackCostTimeAndMoney(t *testing.T) {
	job := film(40, 20*time.Minute)
	for i := range job.Phases[0].Units {
		job.Phases[0].Units[i].Route = "batch"
	}
	c := exact()
	c.Spot = true
	kept := simulate(t, job, c, 1)
	c.Reclaims = 0.5
	lost := simulate(t, job, c, 3)
	if lost.Reclaimed == 0 || kept.Reclaimed != 0 || lost.Failed != "" || lost.Wall <= kept.Wall || lost.Sum.Attempts <= kept.Sum.Attempts {
		t.Errorf("kept %+v, lost %+v", kept, lost)
	}
}

func TestFaultsOfTheServiceAreRetried(t *testing.T) {
	r := simulate(t, film(200, time.Second), Conditions{Faults: 0.1}, 1)
	if r.Failed != "" || r.Retries < 10 || r.Throttled != 0 {
		t.Errorf("%+v", r)
	}
	if r := simulate(t, film(200, time.Second), Conditions{Faults: 1}, 1); r.Failed != faulty {
		t.Errorf("a service that is down ends the job with %q", r.Failed)
	}
}

func TestTenThousandSegmentsTakeLessThanASecond(t *testing.T) {
	job := film(10_000, 20*time.Second)
	simulate(t, film(1, time.Second), Conditions{}, 1) // loads the definition
	began := cputime.Process(t)
	r := simulate(t, job, Conditions{Faults: 0.001, Stragglers: 0.01}, 1)
	if took := cputime.Process(t) - began; took > time.Second {
		t.Errorf("it took %v of processors for %d events", took, r.Events)
	}
	if r.Failed != "" || r.Events < 30_000 || r.Peak != 1000 {
		t.Errorf("%+v", r)
	}
}

func BenchmarkTenThousandSegments(b *testing.B) {
	m, err := Default()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Simulate(b.Context(), m, film(10_000, 20*time.Second), Conditions{Faults: 0.001, Stragglers: 0.01}, 1); err != nil {
			b.Fatal(err)
		}
	}
}
