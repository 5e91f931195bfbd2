package main

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/job"
	"github.com/mapreel/mapreel/pkg/tool/toolfile"
	"github.com/mapreel/mapreel/pkg/work"
)

// toolFiles is the folder of the images that holds a copy of the folder of the tools file.
const toolFiles = "/opt/mapreel/toolfiles"

// toolReserve is the memory in MiB that a worker has in addition to that of its tool: for this program, and for ffmpeg, which makes the
// tool's input. With it, a tool that says nothing fits into the largest function of a new account.
const toolReserve = 960

// Limits of tools. A function's time also has to do for the input and the outputs of a tool.
const (
	functionMinutes = 15
	toolMargin      = 5 // minutes
	gpuToolCPUs     = 4
)

// toolImage matches the name of a container image.
var toolImage = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/@-]{0,499}$`)

// tools reads the setting of that name.
func (p *parser) tools() (d tool.Deployed, file string) {
	if file = p.text("tools"); file == "" {
		return d, file
	}
	d, err := toolfile.Read(file, toolFiles)
	if err != nil {
		p.bad("tools=%s: %v", file, err)
	}
	return d, file
}

// checkTools checks the tools against the other settings, so that a deployment can run what it has. As for scenes, scratch must not be
// a file system: no function can keep a tool from one that jobs share.
func (s settings) checkTools(p *parser) {
	if s.toolsFile == "" {
		return
	}
	if s.scratch != "s3" {
		p.bad("tools=%s needs scratch=s3: on Lambda nothing keeps a tool from a file system that jobs share", s.toolsFile)
	}
	if s.imageURI != "" {
		p.bad("tools=%s has no effect with imageUri, whose image is built elsewhere, without the tools", s.toolsFile)
	}
	ids := map[string]string{}
	for _, t := range s.deployed.Tools {
		for _, problem := range s.toolProblems(t) {
			p.bad("tools=%s: %s: %s", s.toolsFile, t.Name, problem)
		}
		id := constructID(work.ToolClass(t.Name))
		if other := ids[id]; other != "" {
			p.bad("tools=%s: %s and %s differ in hyphens alone, which names of resources do not have", s.toolsFile, other, t.Name)
		}
		ids[id] = t.Name
		if job := toolJob(t); t.GPU && s.gpu {
			p.shares("gpuMaxVcpus", s.gpuMaxVCPUs, s.onDemandShare, job.cpus)
			s.checkFamilies(p, t.Name, "gpuInstanceFamilies", s.gpuInstanceFamilies, job)
		} else if s.batch && t.DeployedRoute() != work.RouteLambda {
			p.shares("maxVcpus", s.maxVCPUs, s.onDemandShare, job.cpus)
			s.checkFamilies(p, t.Name, "instanceFamilies", s.instanceFamilies, job)
		}
	}
}

// checkFamilies refuses a tool whose Batch job would wait for an instance that none of the families has.
func (s settings) checkFamilies(p *parser, tool, setting string, families []string, job jobSize) {
	if !holds(families, job) {
		p.bad("tools=%s: %s: its Batch job takes %.0f vCPUs and %.0f MiB of memory (memory of the tool and %d), and no instance of %s=%s has more: "+
			"lower memory or vcpus, or add a larger family", s.toolsFile, tool, job.cpus, job.memory, toolReserve, setting, strings.Join(families, ","))
	}
}

// toolProblems returns why this deployment could not run a tool.
func (s settings) toolProblems(t tool.Tool) (list []string) {
	onLambda := t.DeployedRoute() == work.RouteLambda || t.DeployedRoute() == work.RouteLambdaBatch && !s.batch
	for _, problem := range []struct {
		found bool
		text  string
	}{
		{slices.ContainsFunc(t.Secrets, func(x tool.Secret) bool { return x.ARN == "" }), "secrets: " + tool.NeedsARN},
		// Jobs of Batch have the network of their instance, on which the limit of hops to the metadata service has no effect.
		{t.Network && !onLambda, "network: on Batch, a tool with a network reaches the credentials of the instance; choose the mode lambda"},
		{t.GPU && t.Mode == work.RouteLambda, "gpu: functions have none; choose the mode batch"},
		{t.GPU && !s.gpu, "gpu: needs a GPU queue; add -c gpu=true"},
		{t.Mode == work.RouteBatch && !t.GPU && !s.batch, "mode: batch needs a queue; add -c batch=true"},
		{onLambda && t.Timeout > functionMinutes*60, "timeout: a function has 900 seconds; choose the mode batch or lambda-batch, with -c batch=true"},
		{onLambda && float64(t.Memory)+toolReserve > mostMemory, "memory: a function has 10240 MiB, of which 960 are mapreel's; choose the mode batch or lambda-batch, with -c batch=true"},
		{t.Timeout > attemptHours*3600, "timeout: a Batch job has 6 hours"},
		{t.Image != "" && !toolImage.MatchString(t.Image), "image: this is no name of a container image"},
	} {
		if problem.found {
			list = append(list, problem.text)
		}
	}
	return list
}

// toolOf returns the tool whose class it is.
func (s settings) toolOf(c work.Class) (tool.Tool, bool) {
	i := slices.IndexFunc(s.deployed.Tools, func(t tool.Tool) bool { return c.Tool() == t.Name })
	if i < 0 {
		return tool.Tool{}, false
	}
	return s.deployed.Tools[i], true
}

// toolClasses lists the classes of the tools: all of them, or those that functions run. An image for a GPU may be larger than functions
// allow.
func (s settings) toolClasses(functions bool) (list []work.Class) {
	for _, t := range s.deployed.Tools {
		if !functions || t.DeployedRoute() != work.RouteBatch {
			list = append(list, work.ToolClass(t.Name))
		}
	}
	return list
}

// toolJob returns the size of a tool's Batch job.
func toolJob(t tool.Tool) jobSize {
	size := jobSize{cpus: smallJob.cpus, memory: max(float64(t.Memory)+toolReserve, smallJob.memory)}
	if t.GPU {
		size.cpus, size.gpus = gpuToolCPUs, 1
	}
	if t.VCPUs > 0 {
		size.cpus = float64(t.VCPUs)
	}
	return size
}

// toolClass returns the class of a tool.
func toolClass(t tool.Tool) class {
	c := class{
		memory:  min(max(float64(t.Memory)+toolReserve, leastMemory), mostMemory),
		minutes: min(math.Ceil(float64(t.Timeout)/60)+toolMargin, functionMinutes),
		disk:    10240,
		allow: func(r rights) {
			r.record()
			r.write(artifactsOf(job.ToolKind + "/" + t.Name))
			if t.Each.Tool != "" {
				r.read(artifactsOf(job.ToolKind + "/" + t.Each.Tool))
			} else {
				r.readSources()
			}
		},
	}
	switch size := toolJob(t); {
	case t.GPU:
		c.gpuJob = size
	case t.DeployedRoute() != work.RouteLambda:
		c.job = size
	}
	return c
}

// makesFilms reports whether an output of a tool is a film.
func makesFilms(list []tool.Tool) bool {
	return slices.ContainsFunc(list, func(t tool.Tool) bool {
		return slices.ContainsFunc(t.Outputs, func(o tool.Output) bool { return o.Join == tool.JoinVideo })
	})
}

// addsCaptions reports whether a film has the cues of other tools as subtitles.
func addsCaptions(list []tool.Tool) bool {
	return slices.ContainsFunc(list, func(t tool.Tool) bool {
		return slices.ContainsFunc(t.Outputs, func(o tool.Output) bool { return len(o.Subtitles) > 0 })
	})
}

// constructName removes from the name of a class what CloudFormation's names do not have.
func constructName(c work.Class) string {
	return strings.NewReplacer("-", "", "_", "").Replace(string(c))
}
