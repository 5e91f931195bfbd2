package main

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// compute is the part of the settings that says what units run on.
type compute struct {
	functionMemory      float64  // MiB of the encode function
	renderMemory        float64  // MiB of the functions that run Blender
	instanceFamilies    []string // of the CPU queue: families, types, or one of Batch's own lists
	gpuInstanceFamilies []string
	functionConcurrency float64 // the account's quota of concurrent functions; 0: not known
	maxVCPUs            float64 // of the CPU queue
	gpuMaxVCPUs         float64 // of the GPU queue
	redriveDays         float64 // how long after its end a failed execution can be redriven
	onDemandShare       float64 // percent of the maximum that On-Demand instances may take where there is no Spot instance
}

// Batch refuses a whole compute environment if one of its families is not offered in the region. So the defaults are Batch's
// own lists, which it fills with what the region has (API Reference, ComputeResource, instanceTypes), and the GPU family that
// most regions have.
var (
	defaultFamilies   = map[string]string{"x86_64": "default_x86_64", "arm64": "default_arm64"}
	defaultGPUFamily  = "g4dn"
	batchLists        = []string{"optimal", "default_x86_64", "default_arm64"}
	instanceFamily    = regexp.MustCompile(`^[a-z]+[0-9]+[a-z]*(-[a-z0-9]+)?(\.[a-z0-9]+(-[a-z0-9]+)?)?$`)
	gravitonFamily    = regexp.MustCompile(`^(a1|[a-z]+[0-9]+g)`) // c7g, m7gd, t4g, g5g
	nvencFamily       = regexp.MustCompile(`^(g4dn|g5|g6|g6e|g6f|gr6|gr6f)(\.|$)`)
	largestJob        = classes["encode"].job.cpus // a queue that has fewer vCPUs never starts it
	largestGPUJob     = classes["encode"].gpuJob.cpus
	defaultMemory     = 3008. // the most that new accounts allow
	leastMemory       = float64(mibPerCPU)
	mostMemory        = 10240. // Lambda's own limit
	mostVCPUs         = 100000.
	defaultOnDemand   = 25.
	mostRedriveDays   = 14. // Step Functions' own limit (API Reference, RedriveExecution)
	defaultMaxVCPUs   = 1024.
	defaultGPUMaxCPUs = 256.
)

// compute reads the settings of compute.
func (p *parser) compute(arch string) compute {
	c := compute{
		functionMemory:      p.number("functionMemory", defaultMemory, leastMemory, mostMemory),
		renderMemory:        p.number("renderMemory", defaultMemory, leastMemory, mostMemory),
		functionConcurrency: p.count("functionConcurrency"),
		instanceFamilies:    p.list("instanceFamilies", cmp.Or(defaultFamilies[arch], defaultFamilies["x86_64"])),
		gpuInstanceFamilies: p.list("gpuInstanceFamilies", defaultGPUFamily),
		maxVCPUs:            p.number("maxVcpus", defaultMaxVCPUs, largestJob, mostVCPUs),
		gpuMaxVCPUs:         p.number("gpuMaxVcpus", defaultGPUMaxCPUs, largestGPUJob, mostVCPUs),
		redriveDays:         p.number("redriveDays", mostRedriveDays, 1, mostRedriveDays),
		onDemandShare:       p.number("onDemandShare", defaultOnDemand, 0, 100),
	}
	for _, family := range c.instanceFamilies {
		switch graviton := gravitonFamily.MatchString(family) || family == "default_arm64"; {
		case !slices.Contains(batchLists, family) && !instanceFamily.MatchString(family):
			p.bad("instanceFamilies: %q is not an instance family, such as c7i, nor one of %s", family, strings.Join(batchLists, ", "))
		case graviton != (arch == "arm64"):
			p.bad("instanceFamilies: %s does not run images of arch=%s", family, arch)
		}
	}
	for _, family := range c.gpuInstanceFamilies {
		if !nvencFamily.MatchString(family) {
			p.bad("gpuInstanceFamilies: %q has no NVENC; choose from g4dn, g5, g6, g6e, g6f, gr6, gr6f", family)
		}
	}
	p.shares("maxVcpus", c.maxVCPUs, c.onDemandShare, largestJob)
	p.shares("gpuMaxVcpus", c.gpuMaxVCPUs, c.onDemandShare, largestGPUJob)
	return c
}

// shares checks that the Spot and the On-Demand part of a queue's vCPUs are each none, or enough for a job.
func (p *parser) shares(name string, most, percent, job float64) {
	onDemand := math.Ceil(most * percent / 100)
	if spot := most - onDemand; onDemand > 0 && onDemand < job || spot > 0 && spot < job {
		p.bad("onDemandShare=%.0f divides %s=%.0f into %.0f On-Demand and %.0f Spot, and a job takes %.0f: raise %s, or set onDemandShare to 0 or 100",
			percent, name, most, onDemand, spot, job, name)
	}
}

// concurrency returns how many functions can encode at once; 0 where that is not known.
func (s settings) concurrency() float64 {
	if s.functionConcurrency == 0 || s.encodeConcurrency == 0 {
		return max(s.functionConcurrency, s.encodeConcurrency)
	}
	return min(s.functionConcurrency, s.encodeConcurrency)
}

// redrive returns how long after its end a failed execution can be redriven.
func (s settings) redrive() time.Duration { return time.Duration(s.redriveDays) * 24 * time.Hour }

// number reads a whole number from least to most.
func (p *parser) number(name string, otherwise, least, most float64) float64 {
	v := p.text(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || float64(n) < least || float64(n) > most {
		p.bad("%s=%s: give a whole number from %.0f to %.0f", name, v, least, most)
		return otherwise
	}
	return float64(n)
}

// list reads names with commas between.
func (p *parser) list(name, otherwise string) []string {
	v := p.text(name)
	if v == "" {
		v = otherwise
	}
	var names []string
	for name := range strings.SplitSeq(v, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	return names
}
