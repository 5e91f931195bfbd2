package main

import (
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/work"
)

// class describes the workers of one class: a Lambda function, and for classes that run units a
// Batch job too.
type class struct {
	memory  float64 // MiB of the function, mibPerCPU for each processor; 0: the setting functionMemory, or renderMemory where it has Blender
	minutes float64 // time limit of the function, below the 16 that the definition allows the task
	disk    float64 // MiB of the function's /tmp, where ffmpeg works
	job     jobSize // of the Batch job; zero for classes that run no units
	gpuJob  jobSize // of the Batch job on the GPU queue; zero for classes that use no GPU
	allow   func(r rights)
}

// jobSize is what a Batch job reserves of its instance.
type jobSize struct {
	cpus   float64
	memory float64 // MiB
	gpus   float64
}

// mibPerCPU is the memory with which Lambda gives a function one processor (Developer Guide, "Configure Lambda function memory").
const mibPerCPU = 1769

// processors returns how many processors a function of so much memory sees. It has at least two, of which it gets a share.
func processors(memory float64) int { return max(2, int(math.Ceil(memory/mibPerCPU))) }

// smallJob has half of the smallest instance with four vCPUs and 8 GiB, of which ECS leaves a
// little over 7,000 MiB to jobs. It is twice the memory of the functions whose work it takes over,
// because a unit may come to Batch for lack of memory.
var smallJob = jobSize{cpus: 2, memory: 3500}

// gpuJob fits the smallest g4dn, g5 and g6.
var gpuJob = jobSize{cpus: 4, memory: 14000, gpus: 1}

// classes has a row for each class of work.
var classes = map[work.Class]class{
	work.ClassAnalyse: {memory: 1769, minutes: 5, disk: 512, allow: func(r rights) {
		r.readSources()
		r.plan()
		r.read(artifacts)      // looks for what an earlier run left, and reads the index that a split unit wrote
		r.inspectDestination() // the same for published outputs
		r.clear()              // an execution that was superseded removes what it has just written
	}},
	work.ClassSplit: {memory: 1769, minutes: 15, disk: 10240, job: smallJob, allow: func(r rights) {
		r.readSources()
		r.record()
		r.write(splits)
		r.listArtifacts(splits) // an attempt that ends after its job discards what it has written
	}},
	work.ClassEncode: {
		minutes: 15, disk: 10240,
		job: jobSize{cpus: 4, memory: 7000}, gpuJob: gpuJob,
		allow: func(r rights) {
			r.readSources()
			r.record()
			r.readFrames()
			r.encodeTools()
			r.read(splits, audio, sidecars) // audio is interleaved with the video, subtitles may be drawn into it
			r.write(video)
			r.writeSegments()
		},
	},
	work.ClassAudio: {memory: 1769, minutes: 15, disk: 4096, job: smallJob, allow: func(r rights) {
		r.readSources()
		r.record()
		r.readFrames() // the sound of a scene lies beside them
		r.read(audio)  // the joined sound of several sources
		r.write(audio, sidecars)
	}},
	// Only with the setting render. The folder of the scene and the frames that wait to be stored lie on the disk.
	work.ClassRender: {minutes: 15, disk: 10240, job: jobSize{cpus: 4, memory: 7000}, gpuJob: gpuJob, allow: func(r rights) {
		r.readSources()
		r.record()
		r.write(frames)
		r.read(frames)          // tiles, which are merged
		r.listArtifacts(frames) // what an attempt that was ended has stored is not rendered again
	}},
	work.ClassMerge: {memory: 1769, minutes: 15, disk: 10240, job: smallJob, allow: func(r rights) {
		r.joinTools()
		r.readKeys()
		r.record()
		r.readFrames()
		r.replaceFrames()
		r.read(video, audio, sidecars, outputs)
		r.write(outputs) // what ffmpeg muxes into containers that mapreel does not write itself
		r.publish()
		r.announce()
	}},
	work.ClassCollect: {memory: 1769, minutes: 15, disk: 512, allow: func(r rights) {
		r.collect()
	}},
	work.ClassFinish: {memory: 1024, minutes: 10, disk: 512, allow: func(r rights) {
		r.record()
		r.clear()
	}},
}

// class returns a class as this deployment has it. Where scenes are rendered, Analyse asks Blender what they have.
func (s settings) class(name work.Class) class {
	if t, ok := s.toolOf(name); ok {
		return toolClass(t)
	}
	c := classes[name]
	if s.hasBlender(name) {
		c.memory, c.minutes, c.disk = s.renderMemory, 15, 10240
		if s.blender == (blender{}) && s.imageURI == "" { // Debian's has no kernels for one
			c.gpuJob = jobSize{}
		}
	} else if c.memory == 0 {
		c.memory = s.functionMemory
	}
	return c
}

// hasBlender reports whether the functions of a class run from the image with Blender.
func (s settings) hasBlender(name work.Class) bool {
	return s.render && (name == work.ClassRender || name == work.ClassAnalyse)
}

// unitClasses lists the classes that run units in this deployment, in the order in which a job of film meets them.
func (s settings) unitClasses() []work.Class { return append(s.filmClasses(), s.toolClasses(false)...) }

// filmClasses lists those whose units no tool runs.
func (s settings) filmClasses() []work.Class {
	if !s.render {
		return work.UnitClasses()
	}
	return append(work.UnitClasses(), work.ClassRender)
}

// allClasses lists the classes of this deployment that have functions.
func (s settings) allClasses() []work.Class {
	list := append([]work.Class{work.ClassAnalyse}, s.filmClasses()...)
	list = append(list, s.toolClasses(true)...)
	return append(list, work.ClassFinish, work.ClassCollect)
}

// stageClasses lists the classes whose functions the machine calls: all but the one that a schedule calls.
func (s settings) stageClasses() []work.Class {
	return slices.DeleteFunc(s.allClasses(), func(c work.Class) bool { return c == work.ClassCollect })
}
