package forecast

import (
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
)

// batch is a job queue and its compute environment: instances are launched for the jobs that wait, and kept until the end.
type batch struct {
	s        *simulation
	waiting  []*batchJob
	free     int64 // vCPUs of instances that run
	coming   int64 // vCPUs of instances that start
	launched int64 // vCPUs of all of them
}

// batchJob is one job, with its attempts.
type batchJob struct {
	unit     *Unit
	attempts int
	ended    func(string)
}

// batchAttempts is how often a job is started whose instance was taken back: see infra/batch.go.
const batchAttempts = 3

// batchError is what Step Functions reports of a job that failed.
const batchError = "States.TaskFailed"

// submit puts a unit into the queue.
func (b *batch) submit(unit *Unit, ended func(string)) {
	b.waiting = append(b.waiting, &batchJob{unit: unit, ended: ended})
	b.launch()
	b.dispatch()
}

// launch asks for instances for the jobs that have no place yet.
func (b *batch) launch() {
	c := b.s.c
	for need := int64(len(b.waiting)) * c.VCPUs; b.free+b.coming < need && b.launched+c.PerHost <= c.MaxVCPUs; {
		b.coming += c.PerHost
		b.launched += c.PerHost
		b.s.result.Instances++
		b.s.after(time.Duration(float64(c.Launch+c.Boot)*b.s.noise(c.Spread)), func() {
			b.coming -= c.PerHost
			b.free += c.PerHost
			b.dispatch()
		})
	}
}

// dispatch starts the jobs that wait where there is room.
func (b *batch) dispatch() {
	for len(b.waiting) > 0 && b.free >= b.s.c.VCPUs {
		job := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.free -= b.s.c.VCPUs
		b.start(job)
	}
}

// start runs a job until it ends, or its instance is taken back.
func (b *batch) start(job *batchJob) {
	s, c := b.s, b.s.c
	job.attempts++
	s.occupy(1)
	took := c.Container + s.workTime(*job.unit, min(float64(c.VCPUs), max(job.unit.Threads, 1))*c.BatchSpeed)
	reclaimed := false
	if c.Spot && c.Reclaims > 0 {
		if until := time.Duration(-math.Log(1-s.rand.Float64()) / c.Reclaims * float64(time.Hour)); until < took {
			took, reclaimed = until, true
		}
	}
	s.after(took, func() {
		s.occupy(-1)
		u := price.Use{
			Place: price.OnBatch, Arch: c.Arch, Millis: took.Milliseconds(), CPUs: c.VCPUs, Instance: c.Instance, Spot: c.Spot,
			Transitions: 3, Writes: unitWrites, Reads: unitReads,
		}
		s.result.Sum.Add(withTraffic(u, job.unit))
		b.free += c.VCPUs
		switch {
		case !reclaimed:
			s.result.OnBatch++
			job.ended("")
		case job.attempts < batchAttempts:
			s.result.Reclaimed++
			b.lose()
			b.waiting = append(b.waiting, job)
			b.launch()
		default:
			s.result.Reclaimed++
			job.ended(batchError)
		}
		b.dispatch()
	})
}

// lose takes the part of an instance away that a job had. The other jobs of it have events of their own.
func (b *batch) lose() {
	b.free -= b.s.c.VCPUs
	b.launched -= b.s.c.VCPUs
}
