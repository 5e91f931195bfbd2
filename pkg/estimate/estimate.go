// Package estimate says how long a job will take and what it will cost, in each place where it can run, from its units and from
// what they take of processors.
//
//	places, err := estimate.Places(ctx, work, estimate.Deployment{}, price.Default())
//
// It does no I/O. The time on AWS is that of a simulation: see package forecast. A cost is made of the same records of use as that of
// a job that has run, and priced by the same code.
package estimate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
)

// Range is from what something is at least to what it is at most, as far as can be told.
type Range struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

// Plus adds two ranges.
func (r Range) Plus(o Range) Range { return Range{r.Low + o.Low, r.High + o.High} }

// Over divides a range by a number above 0.
func (r Range) Over(by float64) Range {
	return Range{int64(float64(r.Low) / by), int64(float64(r.High) / by)}
}

// times multiplies a range by the percentages low and high.
func (r Range) times(low, high int64) Range { return Range{r.Low * low / 100, r.High * high / 100} }

// Group is units of one kind, which run side by side.
type Group struct {
	Name  string `json:"name"`
	Noun  string `json:"noun"`
	Phase int    `json:"phase"` // groups of a phase run at the same time, phases in their order
	Units int    `json:"units"`
	// CPU is what all units take of processors, and Longest what one of them takes at most, in milliseconds on this machine.
	CPU     Range `json:"cpu"`
	Longest Range `json:"longest"`
	Encodes bool  `json:"encodes,omitempty"` // whether they run on the workers that encode, or on small ones
	Joins   int   `json:"joins,omitempty"`   // how many pieces each of them joins
	Renders bool  `json:"renders,omitempty"` // whether they run on the workers that render, with all of their processors
	// Start is what each of them takes before it does anything, in the same milliseconds. One machine has fewer units of a scene: one for
	// each that runs at once.
	Start int64 `json:"start,omitempty"`
}

// Work is a job.
type Work struct {
	Groups  []Group `json:"groups"`
	Source  int64   `json:"source"`  // bytes
	Scratch Range   `json:"scratch"` // bytes of intermediate artifacts
	Output  Range   `json:"output"`  // bytes
	Threads int     `json:"threads"` // of an encoder
	// Basis says where the speed comes from.
	Basis string `json:"basis"`
}

// CPU returns what the whole job takes of processors, in milliseconds.
func (w Work) CPU() (sum Range) {
	for _, g := range w.Groups {
		sum = sum.Plus(g.CPU)
	}
	return sum
}

// Deployment is what workers a job has. The zero value of each field is the default of a deployment.
type Deployment struct {
	Cores       int   `json:"cores"`       // of this machine
	Jobs        int   `json:"jobs"`        // units at once on this machine; 0: one for each core
	Memory      int64 `json:"memory"`      // MiB of the functions that encode
	Concurrency int   `json:"concurrency"` // units at once on AWS
	ScratchS3   bool  `json:"scratchS3"`   // artifacts lie in S3, not on EFS
	Arm         bool  `json:"arm"`
}

// Place is what a job takes in one place.
type Place struct {
	Name     string        `json:"place"`
	Refused  string        `json:"refused,omitempty"` // why it cannot be done there
	Wall     Range         `json:"wall"`              // milliseconds
	Low      price.Cost    `json:"low"`
	High     price.Cost    `json:"high"`
	Services []ServiceCost `json:"services,omitempty"`
	Assumed  []string      `json:"assumed"`
}

// ServiceCost is the part of one service.
type ServiceCost struct {
	Name string      `json:"service"`
	Low  price.Money `json:"low"`
	High price.Money `json:"high"`
}

// Defaults of a deployment (infra/classes.go, infra/compute.go).
const (
	defaultMemory      = 3008
	smallMemory        = 1769
	mibPerProcessor    = 1769
	encodeDisk         = 10240
	smallDisk          = 10240
	defaultConcurrency = 1000
	jobVCPUs           = 4
	functionLimit      = 15*60*1000 - 15*1000 // milliseconds, less the margin in which a function stops
)

// What is assumed of AWS. Percentages are of this machine's cores.
const (
	lambdaSlow, lambdaFast = 60, 110 // how fast a processor of Lambda is
	batchSlow, batchFast   = 80, 120 // likewise of a vCPU of c7i or c7g
	coldLow, coldHigh      = 1000, 6000
	examineLow             = 2000 // Analyse and Finish together
	examineHigh            = 15000
	instanceLow            = 296000 // launch (167 s) and boot (129 s) of a Batch instance
	instanceHigh           = 450000
	localSlow              = 112 // what processes start, wait and check besides their work, in percent
	unitReads, unitWrites  = 5, 5
	unitGets, unitPuts     = 10, 3
)

// Processors returns how many processors a function that encodes sees, which is how many threads an encoder has where a request
// names none. It has at least two, of which it gets a share.
func (d Deployment) Processors() int {
	return int(max(2, (d.withDefaults().Memory+mibPerProcessor-1)/mibPerProcessor))
}

func (d Deployment) withDefaults() Deployment {
	full := d
	full.Memory = cmp.Or(d.Memory, defaultMemory)
	full.Concurrency = cmp.Or(d.Concurrency, defaultConcurrency)
	full.Cores = max(d.Cores, 1)
	full.Jobs = cmp.Or(d.Jobs, full.Cores)
	return full
}

// Here is the name of the place that is this machine.
const Here = "this machine"

// Places returns what a job takes on this machine, on Lambda, on Lambda and Batch, and on Batch with Spot instances. Only the end of ctx
// is an error.
func Places(ctx context.Context, w Work, d Deployment, table price.Table) ([]Place, error) {
	d = d.withDefaults()
	list := []Place{here(w, d), onLambda(w, d, table), onLambdaAndBatch(w, d, table), onBatch(w, d, table)}
	for i, by := range []struct {
		route string
		spot  bool
	}{{}, {"lambda", false}, {"lambda-batch", false}, {"batch", true}} {
		if by.route == "" || list[i].Refused != "" {
			continue
		}
		if _, _, found := tooLong(w, d); by.route == "lambda-batch" && !found {
			list[i].Wall = list[i-1].Wall // no unit needs Batch
			continue
		}
		var err error
		if list[i].Wall, err = wall(ctx, w, d, by.route, by.spot); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// here returns what the job takes on this machine.
func here(w Work, d Deployment) Place {
	wall := Range{500, 1500} // examination, plan, ledger
	for phase := range phases(w) {
		var cpu, longest Range
		threads := 1
		for _, g := range phase {
			spared := int64(max(g.Units-d.Jobs, 0)) * g.Start
			cpu = cpu.Plus(Range{g.CPU.Low - spared, g.CPU.High - spared})
			longest = Range{max(longest.Low, g.Longest.Low), max(longest.High, g.Longest.High)}
			threads = max(threads, w.threads(g))
		}
		busy, alone := int64(min(d.Cores, d.Jobs*threads)), int64(min(d.Cores, threads))
		wall = wall.Plus(Range{max(cpu.Low/busy, longest.Low/alone), max(cpu.High/busy, longest.High/alone)}.times(100, localSlow))
	}
	return Place{Name: Here, Wall: wall, Assumed: []string{
		fmt.Sprintf("%d cores, %d units at once, nothing else at work", d.Cores, d.Jobs), "costs nothing at AWS",
	}}
}

// phases yields the groups of each phase.
func phases(w Work) func(yield func([]Group) bool) {
	return func(yield func([]Group) bool) {
		for n, left := 0, len(w.Groups); left > 0; n++ {
			var list []Group
			for _, g := range w.Groups {
				if g.Phase == n {
					list = append(list, g)
				}
			}
			left -= len(list)
			if len(list) > 0 && !yield(list) {
				return
			}
		}
	}
}

// worker is what one unit has.
type worker struct {
	use           price.Use // of a unit, without its time
	processors    int64     // thousandths
	slow, fast    int64     // percent of this machine's cores
	startIsBilled bool      // as functions' starts are, and not those of instances
}

// threads returns how many threads the units of a group have: to render, one for each processor of their worker.
func (w Work) threads(g Group) int {
	const many = 1000
	if g.Renders {
		return many
	}
	return w.Threads
}

// renders reports whether units render.
func renders(w Work) bool {
	return slices.ContainsFunc(w.Groups, func(g Group) bool { return g.Renders })
}

// nounOf names the units that need the most work.
func nounOf(w Work) string {
	if renders(w) {
		return "frames and segments"
	}
	return "segments"
}

func (d Deployment) arch() string {
	if d.Arm {
		return "arm64"
	}
	return "amd64"
}

func (d Deployment) function(g Group, threads int) worker {
	memory, disk := int64(smallMemory), int64(smallDisk)
	switch {
	case g.Encodes:
		memory, disk = d.Memory, encodeDisk
	case g.Renders:
		memory, disk = defaultMemory, encodeDisk
	}
	return worker{
		use:        price.Use{Place: price.OnLambda, Arch: d.arch(), Memory: memory, Disk: disk, Requests: 1},
		processors: min(memory*1000/mibPerProcessor, int64(threads+1)*1000),
		slow:       lambdaSlow, fast: lambdaFast, startIsBilled: true,
	}
}

func (d Deployment) job(threads int, spot bool) worker {
	return worker{
		use:        price.Use{Place: price.OnBatch, Arch: d.arch(), CPUs: jobVCPUs, Spot: spot},
		processors: min(jobVCPUs, int64(threads+1)) * 1000,
		slow:       batchSlow, fast: batchFast,
	}
}

// time returns how long a worker takes for so much of this machine's processors, in milliseconds.
func (w worker) time(cpu Range) Range {
	return Range{cpu.Low * 1000 / w.processors * 100 / w.fast, cpu.High * 1000 / w.processors * 100 / w.slow}
}

// cloud adds up what a job uses on AWS.
type cloud struct {
	d         Deployment
	low, high price.Sum
}

// add adds the units of a group, done by workers.
func (c *cloud) add(g Group, by worker) {
	if g.Units == 0 {
		return
	}
	total := by.time(g.CPU)
	use := by.use
	use.Transitions, use.Writes, use.Reads = 3, unitWrites, unitReads
	use.Gets, use.Puts = unitGets+int64(2*g.Joins), unitPuts+int64(g.Joins)
	for _, end := range []struct {
		sum  *price.Sum
		time int64
	}{{&c.low, total.Low}, {&c.high, total.High}} {
		one := use
		one.Millis = end.time / int64(g.Units)
		if by.startIsBilled && end.sum == &c.high {
			one.Millis += coldLow
		}
		for range g.Units {
			end.sum.Add(one)
		}
	}
}

// run goes through the groups. encoder is the worker of units that encode.
func (c *cloud) run(w Work, encoder func(Group) worker) {
	for _, g := range w.Groups {
		by := c.d.function(g, w.threads(g))
		if g.Encodes || g.Renders {
			by = encoder(g)
		}
		c.add(g, by)
	}
	for _, sum := range []*price.Sum{&c.low, &c.high} { // Analyse and Finish, and the states around the units
		sum.Add(price.Use{Place: price.OnLambda, Arch: c.d.arch(), Millis: examineLow, Memory: smallMemory, Disk: 512, Requests: 2, Transitions: 10, Writes: 20, Reads: 20, Puts: 2, Gets: 20})
	}
	if !c.d.ScratchS3 {
		c.low.Add(price.Use{Place: price.OnLambda, FilesIn: w.Scratch.Low, FilesOut: w.Scratch.Low})
		c.high.Add(price.Use{Place: price.OnLambda, FilesIn: w.Scratch.High, FilesOut: w.Scratch.High})
	}
}

// place prices the job. Of Spot instances the low end has the low share of On-Demand.
func (c *cloud) place(name string, table price.Table, assumed ...string) Place {
	cheap := table
	cheap.Spot.High = table.Spot.Low
	p := Place{Name: name, Low: cheap.Bill(c.low), High: table.Bill(c.high), Assumed: assumed}
	low := map[string]price.Money{}
	for _, s := range p.Low.Services() {
		low[s.Name] = s.Cost
	}
	for _, s := range p.High.Services() {
		p.Services = append(p.Services, ServiceCost{s.Name, low[s.Name], s.Cost})
	}
	p.Assumed = append(p.Assumed, fmt.Sprintf("%d units at once", c.d.Concurrency))
	if !c.d.ScratchS3 {
		p.Assumed = append(p.Assumed, "artifacts on EFS, each written and read once; scratch=s3 is cheaper")
	}
	return p
}

// lambdaAssumed says what is assumed of functions.
func (d Deployment) lambdaAssumed(w Work) string {
	memory := strconv.FormatInt(d.Memory, 10)
	if renders(w) && d.Memory != defaultMemory {
		memory += fmt.Sprintf(" and, to render, %d", defaultMemory)
	}
	return fmt.Sprintf("functions of %s MiB, whose processors are %d to %d %% as fast as a core here; cold starts of %d to %d s",
		memory, lambdaSlow, lambdaFast, coldLow/1000, coldHigh/1000)
}

// tooLong returns the group of which a unit may exceed the time of a function; at is how long that unit takes.
func tooLong(w Work, d Deployment) (group Group, at time.Duration, found bool) {
	for _, g := range w.Groups {
		if t := d.function(g, w.threads(g)).time(g.Longest); t.High > functionLimit {
			return g, time.Duration(t.High) * time.Millisecond, true
		}
	}
	return Group{}, 0, false
}

func onLambda(w Work, d Deployment, table price.Table) Place {
	c := cloud{d: d}
	c.run(w, func(g Group) worker { return d.function(g, w.threads(g)) })
	p := c.place("Lambda", table, d.lambdaAssumed(w))
	if g, at, found := tooLong(w, d); found {
		instead := "choose shorter segments, more memory, or Batch"
		if g.Renders {
			instead = "choose tiles, fewer samples, or Batch"
		}
		p.Refused = fmt.Sprintf("one of the %s may take %s, and a function 15 minutes: %s", g.Noun, at.Round(time.Minute), instead)
	}
	return p
}

func onLambdaAndBatch(w Work, d Deployment, table price.Table) Place {
	c := cloud{d: d}
	long, _, found := tooLong(w, d)
	if found { // they are tried on Lambda first, until their time is over
		f := d.function(long, w.Threads)
		f.use.Millis, f.use.Transitions = functionLimit, 2
		for range long.Units {
			c.high.Add(f.use)
		}
	}
	c.run(w, func(g Group) worker {
		if f := d.function(g, w.threads(g)); f.time(g.Longest).High <= functionLimit {
			return f
		}
		return d.job(w.threads(g), false)
	})
	words := "no unit needs Batch"
	if found {
		words = fmt.Sprintf("units that take more than 15 minutes go to Batch after those, On-Demand, %d vCPUs each; an instance starts within %d to %d s", jobVCPUs, instanceLow/1000, instanceHigh/1000)
	}
	return c.place("Lambda and Batch", table, d.lambdaAssumed(w), words)
}

func onBatch(w Work, d Deployment, table price.Table) Place {
	c := cloud{d: d}
	c.run(w, func(g Group) worker { return d.job(w.threads(g), true) })
	return c.place("Batch on Spot", table,
		fmt.Sprintf("%s on Batch, %d vCPUs each, %d to %d %% as fast as cores here; all else on Lambda", nounOf(w), jobVCPUs, batchSlow, batchFast),
		fmt.Sprintf("Spot at %d to %d %% of On-Demand, without the time in which instances start, end or wait; at most 2 of 100 are taken back in an hour", table.Spot.Low, table.Spot.High),
		fmt.Sprintf("an instance starts within %d to %d s", instanceLow/1000, instanceHigh/1000))
}
