package forecast

import (
	"time"

	"github.com/mapreel/mapreel/pkg/price"
)

// function is a Lambda function: its environments.
type function struct {
	idle int
	new  bucket // how many environments it may start
}

// Errors as the definition names them.
const (
	throttled = "Lambda.TooManyRequestsException"
	faulty    = "Lambda.ServiceException"
	outOfTime = "OutOfTime"
)

// invoke calls a function. unit is nil for the functions that plan a job and end it.
func (s *simulation) invoke(name string, unit *Unit, ended func(string)) {
	f := s.functions[name]
	if f == nil {
		f = &function{idle: s.c.Warm, new: bucket{rate: s.c.NewRate, burst: s.c.Burst}}
		s.functions[name] = f
	}
	cold := f.idle == 0
	if s.running >= s.c.Account || cold && !f.new.take(s.now, 1) {
		s.result.Throttled++
		s.result.Sum.Add(price.Use{Place: price.OnLambda, Arch: s.c.Arch, Transitions: 1})
		ended(throttled)
		return
	}
	start := time.Duration(0)
	if cold {
		s.result.Cold++
		start = s.between(s.c.Start) + time.Duration(float64(s.c.StartBy)*float64(s.c.Image)/100*s.noise(s.c.Spread))
	} else {
		f.idle--
	}
	s.occupy(1)
	took, failed := s.functionTime(name, unit)
	s.after(start+took, func() {
		f.idle++
		s.occupy(-1)
		s.used(name, unit, start+took)
		ended(failed)
	})
}

// occupy counts the workers that are at work.
func (s *simulation) occupy(n int) {
	s.running += n
	s.result.Peak = max(s.result.Peak, s.running)
}

// functionTime returns how long a function works, and the error that it ends with.
func (s *simulation) functionTime(name string, unit *Unit) (time.Duration, string) {
	if unit == nil {
		if name == finish {
			return s.c.Finish, ""
		}
		return s.c.Examine, ""
	}
	if s.c.Faults > 0 && s.rand.Float64() < s.c.Faults {
		return time.Second, faulty
	}
	cpus := min(float64(of(s.c.Memory, unit.Class, defaultMemory))/mibPerCPU, max(unit.Threads, 1))
	took := s.workTime(*unit, cpus*s.c.Speed)
	if s.c.Twins && unit.Class != "merge" {
		took = s.withTwin(unit, took, cpus*s.c.Speed)
	}
	if took > s.c.TimeOut {
		return s.c.TimeOut, outOfTime
	}
	return took, ""
}

// When a unit gets a second try (pkg/engine/twin.go, pkg/lambdafn/engine.go).
const (
	farBeyond = 2.5 // times the median
	twinLeast = 10 * time.Second
	twinEvery = time.Second // until its end is noticed, in the mean
)

// withTwin returns how long a unit takes that may get a second try, and records what that uses. The median is taken to be what a unit
// takes that chance neither speeds up nor slows down.
func (s *simulation) withTwin(unit *Unit, took time.Duration, cpus float64) time.Duration {
	begins := max(time.Duration(farBeyond*float64(unit.Work)/cpus), twinLeast)
	if took <= begins {
		return took
	}
	second := s.workTime(*unit, cpus)
	s.result.Twins++
	s.result.Sum.Add(price.Use{
		Place: price.OnLambda, Arch: s.c.Arch, Millis: min(second, took-begins).Milliseconds(),
		Memory: of(s.c.Memory, unit.Class, defaultMemory), Disk: of(s.c.Disk, unit.Class, defaultDisk), Writes: unitWrites, Reads: unitReads,
	})
	return min(took, begins+second+twinEvery)
}

// workTime returns how long a worker with so much of the reference machine's processors takes for a unit.
func (s *simulation) workTime(u Unit, cpus float64) time.Duration {
	work := float64(u.Work) / cpus * s.noise(s.c.Spread)
	if s.c.Stragglers > 0 && s.rand.Float64() < s.c.Stragglers {
		work *= s.c.StragglerFactor
	}
	stream, move := float64(u.Stream)/s.c.Network*1e9, float64(u.Move)/s.c.Network*1e9
	took := time.Duration(max(work, stream) + move)
	// The ledger takes the begin and the end, and S3 what the unit writes, as fast as a partition and a prefix can.
	return took + s.ledger.wait(s.now, unitWrites) + s.puts.wait(s.now, float64(u.Puts))
}

// What a unit asks of the ledger: see docs/cost.md.
const unitWrites, unitReads = 5, 5

// used records an attempt of a function, as a worker does.
func (s *simulation) used(name string, unit *Unit, took time.Duration) {
	class := name
	if unit != nil {
		class = unit.Class
	}
	u := price.Use{
		Place: price.OnLambda, Arch: s.c.Arch, Millis: took.Milliseconds(), Memory: of(s.c.Memory, class, defaultMemory), Disk: of(s.c.Disk, class, defaultDisk),
		Requests: 1, Transitions: 3, Writes: unitWrites, Reads: unitReads,
	}
	s.result.Sum.Add(withTraffic(u, unit))
}

// withTraffic adds what a unit reads and writes.
func withTraffic(u price.Use, unit *Unit) price.Use {
	if unit != nil {
		u.Gets, u.Puts, u.FilesIn, u.FilesOut = unit.Gets, unit.Puts, unit.FilesIn, unit.FilesOut
	}
	return u
}
