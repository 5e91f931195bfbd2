package price

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// Cost is what use costs by a table.
type Cost struct {
	Total  Money  `json:"usd"`
	Lines  []Line `json:"lines"`
	Region string `json:"region"`
	Prices Date   `json:"prices"` // of the table
	// Unrecorded is how many attempts left no record of what they used: those that run, and those that were killed.
	Unrecorded int `json:"unrecorded,omitempty"`
	// Twins is the part of the total that functions took to wait for slow units and to try them a second time, and Saved how many
	// milliseconds longer those would have taken.
	Twins Money `json:"twins,omitempty"`
	Saved int64 `json:"saved,omitempty"`
}

// Line is a part of a cost.
type Line struct {
	Service string `json:"service"`
	What    string `json:"what"`
	Amount  string `json:"amount"` // with its unit
	Cost    Money  `json:"usd"`
	// Assumed says what the line takes for granted.
	Assumed string `json:"assumed,omitempty"`
}

// gib is what AWS calls a GB of memory or of bytes.
const gib = 1 << 30

// mibMillis is how many MiB-milliseconds a GB-second has.
const mibMillis = 1024 * 1000

// hourMillis is how many milliseconds an hour has.
const hourMillis = 3600 * 1000

// Bill returns what the attempts of a sum cost, as far as AWS charges for it. Each line is exact to a nano-dollar, and the total is
// the sum of the lines.
func (t Table) Bill(s Sum) Cost {
	b := bill{t, Cost{Region: t.Region, Prices: t.Date, Lines: []Line{}}}
	b.Saved = s.Saved
	twins := bill{t, Cost{}}
	for _, arch := range slices.Sorted(maps.Keys(s.lambda)) {
		id := LambdaX86
		if arch == "arm64" {
			id = LambdaArm
		}
		twins.add(id, "second tries", big.NewRat(s.helped[arch], mibMillis), "")
		b.add(id, "memory of functions, "+arch, big.NewRat(s.lambda[arch], mibMillis), "")
	}
	b.add(LambdaDisk, "/tmp of functions", big.NewRat(s.disk, mibMillis), "")
	b.add(LambdaRequests, "invocations", count(s.counts[LambdaRequests]), "")
	for _, w := range sortedWorkers(s.vcpus) {
		id, assumed := t.vcpuID(w)
		b.addInstances(id, w, "vCPUs", s.vcpus[w], assumed)
	}
	for _, w := range sortedWorkers(s.gpus) {
		id, assumed := t.gpuID(w)
		b.addInstances(id, w, "GPU instances", s.gpus[w], assumed)
	}
	b.add(Transitions, "state transitions", count(s.counts[Transitions]), "")
	b.add(DynamoWrites, "writes", count(s.counts[DynamoWrites]), "")
	b.add(DynamoReads, "reads", count(s.counts[DynamoReads]), "")
	b.add(S3Puts, "requests that write", count(s.counts[S3Puts]), "")
	b.add(S3Gets, "requests that read", count(s.counts[S3Gets]), "")
	b.add(EFSRead, "read", big.NewRat(s.fin, gib), "")
	b.add(EFSWritten, "written", big.NewRat(s.fout, gib), "")
	b.Twins = twins.Total
	return b.Cost
}

type bill struct {
	table Table
	Cost
}

func count(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

// add adds a line, unless nothing was used.
func (b *bill) add(id ID, what string, amount *big.Rat, assumed string) {
	if amount.Sign() == 0 {
		return
	}
	rate, _ := b.table.rate(id)
	b.addAt(id, what, amount, rate, assumed)
}

func (b *bill) addAt(id ID, what string, amount, rate *big.Rat, assumed string) {
	p, _ := b.table.find(id)
	digits := 3
	if amount.IsInt() {
		digits = 0
	}
	line := Line{
		Service: p.Service, What: what, Amount: amount.FloatString(digits) + " " + p.Unit,
		Cost: exact(new(big.Rat).Mul(amount, rate)), Assumed: assumed,
	}
	b.Lines = append(b.Lines, line)
	b.Total += line.Cost
}

// addInstances adds the line of instances. Of a Spot instance it takes the most that it is taken to cost.
func (b *bill) addInstances(id ID, w worker, what string, millis int64, assumed string) {
	if millis == 0 {
		return
	}
	rate, _ := b.table.rate(id)
	if w.spot {
		rate.Mul(rate, big.NewRat(b.table.Spot.High, 100))
		what = "Spot " + what
		assumed = joined(assumed, fmt.Sprintf("Spot at %d %% of On-Demand", b.table.Spot.High))
	}
	if w.instance != "" {
		what += ", " + w.instance
	}
	b.addAt(id, what, big.NewRat(millis, hourMillis), rate, assumed)
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// vcpuID returns the price of a vCPU on the instance of a worker, and what it assumes.
func (t Table) vcpuID(w worker) (id ID, assumed string) {
	if _, ok := t.find(ID(vcpuHour + family(w.instance))); ok {
		return ID(vcpuHour + family(w.instance)), ""
	}
	name := defaultX86
	if w.arch == "arm64" {
		name = defaultArm
	}
	return ID(vcpuHour + name), "priced as " + name
}

// gpuID is like vcpuID, for an instance with a GPU.
func (t Table) gpuID(w worker) (id ID, assumed string) {
	if _, ok := t.find(ID(instanceHour + w.instance)); ok {
		return ID(instanceHour + w.instance), ""
	}
	return instanceHour + defaultGPU, "each GPU priced as a " + defaultGPU
}

func sortedWorkers(m map[worker]int64) []worker {
	return slices.SortedFunc(maps.Keys(m), func(a, b worker) int {
		return cmp.Or(cmp.Compare(a.arch, b.arch), cmp.Compare(a.instance, b.instance), cmp.Compare(fmt.Sprint(a.spot), fmt.Sprint(b.spot)))
	})
}

// Service is the part of a cost that one service has.
type Service struct {
	Name string `json:"service"`
	Cost Money  `json:"usd"`
}

// Services adds up the lines of each service, in the order of the lines.
func (c Cost) Services() []Service {
	var list []Service
	for _, line := range c.Lines {
		i := slices.IndexFunc(list, func(s Service) bool { return s.Name == line.Service })
		if i < 0 {
			i = len(list)
			list = append(list, Service{Name: line.Service})
		}
		list[i].Cost += line.Cost
	}
	return list
}
