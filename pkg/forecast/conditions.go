package forecast

import (
	"cmp"
	"maps"
	"time"
)

// Conditions are what the simulation takes for granted of AWS and of a deployment. The zero value of a field is its default.
type Conditions struct {
	// Memory is that of functions in MiB, by class; the class "" is that of all others.
	Memory map[string]int64
	// Disk is that of /tmp in MiB, likewise.
	Disk map[string]int64
	Arch string // "arm64"; else x86_64

	// Speed is that of a processor of Lambda, and BatchSpeed of a vCPU of Batch, as shares of a processor of the reference machine.
	Speed, BatchSpeed float64
	// Spread is how much the time of equal units varies: the standard deviation of its logarithm. Stragglers is the share of
	// attempts that take StragglerFactor times as long.
	Spread, Stragglers, StragglerFactor float64
	// Twins says that units which run far longer than their peers get a second try. What workers take that wait for such units is not
	// simulated.
	Twins bool

	// Image is the size of the functions' image in MB; Start is how long an environment takes to start, at least and at most, besides
	// what each 100 MB of the image add.
	Image    int
	Start    [2]time.Duration
	StartBy  time.Duration // for each 100 MB
	Warm     int           // environments of each function that are there from the beginning
	Account  int           // functions at once
	Burst    float64       // new environments of a function at once,
	NewRate  float64       // and each second after that
	TimeOut  time.Duration // after which a function gives its unit up
	Faults   float64       // share of invocations that fail for reasons of Lambda's own
	Network  float64       // bytes a second of a function
	Dispatch time.Duration // between two states

	// ChildStarts is how many children of a Distributed Map start each second, ChildBurst how many at once.
	ChildStarts, ChildBurst float64
	// LedgerWrites is how many writes a second the partition of a job takes, PutRate how many writing requests its prefix.
	LedgerWrites, PutRate float64
	Examine, Finish       time.Duration // what the functions Analyse and Finish take

	VCPUs     int64 // of a Batch job
	MaxVCPUs  int64 // of the compute environment
	PerHost   int64 // of an instance
	Instance  string
	Spot      bool
	Reclaims  float64       // how often an instance is taken back, an hour
	Launch    time.Duration // until Batch has an instance
	Boot      time.Duration // until it takes jobs
	Container time.Duration // until a job's program runs there
}

// Defaults of functions. The other defaults are AWS's default quotas and what docs/cost.md has sources for.
const (
	defaultMemory = 1769
	defaultDisk   = 10240
	mibPerCPU     = 1769
)

func (c Conditions) withDefaults() Conditions {
	c.Memory, c.Disk = maps.Clone(c.Memory), maps.Clone(c.Disk)
	for _, of := range []struct {
		to    *float64
		value float64
	}{
		{&c.Speed, 0.8},
		{&c.BatchSpeed, 1},
		{&c.Spread, 0.1},
		{&c.StragglerFactor, 2},
		{&c.Burst, 1000},
		{&c.NewRate, 100},
		{&c.Network, 75e6},
		{&c.ChildStarts, 300},
		{&c.ChildBurst, 1000},
		{&c.LedgerWrites, 1000},
		{&c.PutRate, 3500},
	} {
		*of.to = cmp.Or(*of.to, of.value)
	}
	for _, of := range []struct {
		to    *time.Duration
		value time.Duration
	}{
		{&c.StartBy, 300 * time.Millisecond},
		{&c.TimeOut, 15*time.Minute - 15*time.Second},
		{&c.Dispatch, 60 * time.Millisecond},
		{&c.Examine, 2 * time.Second},
		{&c.Finish, time.Second},
		{&c.Launch, 167 * time.Second},
		{&c.Boot, 129 * time.Second},
		{&c.Container, 5 * time.Second},
	} {
		*of.to = cmp.Or(*of.to, of.value)
	}
	if c.Start == [2]time.Duration{} {
		c.Start = [2]time.Duration{500 * time.Millisecond, 2 * time.Second}
	}
	c.Image, c.Account = cmp.Or(c.Image, 400), cmp.Or(c.Account, 1000)
	c.VCPUs, c.MaxVCPUs, c.PerHost = cmp.Or(c.VCPUs, 4), cmp.Or(c.MaxVCPUs, 1024), cmp.Or(c.PerHost, 16)
	return c
}

// of returns the value of a class.
func of(m map[string]int64, class string, otherwise int64) int64 {
	if v, ok := m[class]; ok {
		return v
	}
	return cmp.Or(m[""], otherwise)
}
