package estimate

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/forecast"
)

// end is one end of a range: what is assumed where AWS is as fast as it may be, or as slow.
type end struct {
	high bool
	c    forecast.Conditions
}

// ends returns both ends for a deployment.
func (d Deployment) ends(spot bool) [2]end {
	both := [2]end{
		{c: forecast.Conditions{
			Speed: lambdaFast / 100.0, BatchSpeed: batchFast / 100.0, Start: [2]time.Duration{coldLow / 2 * time.Millisecond, coldLow * time.Millisecond},
			StartBy: 100 * time.Millisecond, Examine: examineLow / 2 * time.Millisecond, Finish: examineLow / 2 * time.Millisecond, Spread: 0.05,
		}},
		{high: true, c: forecast.Conditions{
			Speed: lambdaSlow / 100.0, BatchSpeed: batchSlow / 100.0, Start: [2]time.Duration{coldLow * time.Millisecond, coldHigh * time.Millisecond},
			Examine: examineHigh * 2 / 3 * time.Millisecond, Finish: examineHigh / 3 * time.Millisecond, Spread: 0.15,
			Stragglers: slowShare, StragglerFactor: slowFactor, Faults: faultShare,
			Launch: 167 * time.Second * instanceHigh / instanceLow, Boot: 129 * time.Second * instanceHigh / instanceLow,
		}},
	}
	for i := range both {
		c := &both[i].c
		c.Arch = d.arch()
		c.Memory = map[string]int64{"encode": d.Memory, "render": defaultMemory, "": smallMemory}
		c.Disk = map[string]int64{"encode": encodeDisk, "render": encodeDisk, "": smallDisk}
		c.VCPUs, c.Spot = jobVCPUs, spot
		if both[i].high && spot {
			c.Reclaims = reclaims
		}
	}
	return both
}

// What is assumed at the high end, besides slower workers.
const (
	slowShare  = 0.02  // of attempts
	slowFactor = 2     // times as long
	faultShare = 0.001 // of invocations
	reclaims   = 0.02  // of a Spot instance, an hour
)

// Each end of a range is the extreme of several runs of chance, and of one where a job has so many units that chance evens out.
const (
	seeds    = 3
	manyRuns = 2000 // units from which on one run is enough
)

// wall returns how long a job takes on AWS, by simulation, if its segments have a route.
func wall(ctx context.Context, w Work, d Deployment, route string, spot bool) (Range, error) {
	machine, err := forecast.Default()
	if err != nil {
		return Range{}, err
	}
	runs, units := uint64(seeds), 0
	for _, g := range w.Groups {
		units += g.Units
	}
	if units >= manyRuns {
		runs = 1
	}
	var r Range
	for i, end := range d.ends(spot) {
		if route == "lambda" { // whether units are too long for it is judged before: see tooLong
			end.c.TimeOut = time.Duration(math.MaxInt64)
		}
		job := simulated(w, d, route, end.high)
		for seed := range runs {
			result, err := forecast.Simulate(ctx, machine, job, end.c, seed)
			if err != nil {
				return r, fmt.Errorf("simulate the job: %w", err)
			}
			took := result.Wall.Milliseconds()
			switch {
			case i > 0:
				r.High = max(r.High, took)
			case seed == 0:
				r.Low = took
			default:
				r.Low = min(r.Low, took)
			}
		}
	}
	return r, nil
}

// simulated returns a job as the simulation takes it.
func simulated(w Work, d Deployment, route string, high bool) forecast.Job {
	pick := func(r Range) int64 {
		if high {
			return r.High
		}
		return r.Low
	}
	j := forecast.Job{Concurrency: d.Concurrency}
	for phase := range phases(w) {
		var list forecast.Phase
		for _, g := range phase {
			list.Name = g.Name
			list.Units = append(list.Units, unitsOf(w, d, g, route, pick)...)
		}
		j.Phases = append(j.Phases, list)
	}
	if len(j.Phases) == 0 {
		j.Phases = []forecast.Phase{{}}
	}
	return j
}

// unitsOf returns the units of a group: all as long as their mean, and one, in the middle, as long as the longest.
func unitsOf(w Work, d Deployment, g Group, route string, pick func(Range) int64) []forecast.Unit {
	n := int64(g.Units)
	if n == 0 {
		return nil
	}
	u := forecast.Unit{
		Class: "merge", Route: "lambda", Threads: 1, Work: time.Duration(pick(g.CPU)/n) * time.Millisecond,
		Gets: unitGets + int64(2*g.Joins), Puts: unitPuts + int64(g.Joins),
	}
	switch {
	case g.Encodes:
		u.Class, u.Route, u.Threads = "encode", route, float64(w.Threads+1)
		u.Stream, u.Move = w.Source/n, pick(w.Scratch)/n
	case g.Renders:
		u.Class, u.Route, u.Threads = "render", route, float64(w.threads(g))
	case g.Joins > 0 && !d.ScratchS3: // what lies on EFS passes through the function; S3 copies by itself
		u.Move = pick(w.Output) / n
	case g.Name == "split":
		u.Class, u.Stream = "split", 2*w.Source
	}
	list := make([]forecast.Unit, n)
	for i := range list {
		list[i] = u
	}
	list[n/2].Work = time.Duration(pick(g.Longest)) * time.Millisecond
	return list
}
