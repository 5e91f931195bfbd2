package filmjob

import (
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
)

// Speed is what a frame of the source takes: to decode it, and to encode it to every rendition.
type Speed struct {
	CPU   estimate.Range // microseconds of processors
	Bytes estimate.Range // thousandths of a byte, of all that a unit writes; zero: not known
	Start int64          // milliseconds of processors that a unit takes to start; 0: in the frames' part
	Head  int64          // bytes that a unit writes besides those of frames, such as what its first keyframe has more; 0: likewise
	Basis string
	// Render is what Blender takes for the frames of a scene.
	Render Rendering
}

// Rendering is what Blender takes for a scene, in milliseconds of processors. The zero value is not known.
type Rendering struct {
	Start int64 // of a unit, until its first frame begins
	Frame estimate.Range
	Bytes int64 // of a frame; 0: not known
	Basis string
}

// Known reports whether there are times.
func (r Rendering) Known() bool { return r.Frame.High > 0 }

// Known reports whether there is a speed.
func (s Speed) Known() bool { return s.CPU.High > 0 }

// Assumed is the speed where nothing is measured: what common sources take, within a factor of two.
func Assumed(j film.Job) Speed {
	micros := plan.FrameWork(j)
	return Speed{CPU: estimate.Range{Low: micros / 2, High: micros * 2}, Basis: "common sources; --calibrate measures this one"}
}
