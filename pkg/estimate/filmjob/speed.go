package filmjob

import (
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/film"
)

// Speed is what a frame of the source takes: to decode it, and to encode it to every rendition.
type Speed struct {
	CPU   estimate.Range // microseconds of processors
	Bytes estimate.Range // thousandths of a byte, of all that a unit writes; zero: not known
	Start int64          // milliseconds of processors that a unit takes to start; 0: in the frames' part
	Head  int64          // bytes that a unit writes besides those of frames, such as what its first keyframe has more; 0: likewise
	Basis string
}

// Known reports whether there is a speed.
func (s Speed) Known() bool { return s.CPU.High > 0 }

// Encoders' work for a megapixel of each frame at the default preset, in microseconds of a core, measured on the machine that
// mapreel was developed on; decoding takes decodeCost of the source's.
var (
	encodeCost = map[film.VideoCodec]int64{film.H264: 42000, film.H265: 130000, film.VP9: 140000, film.AV1: 60000}
	decodeCost = int64(5000)
	// A segment with a target quality is encoded about so often, and comparing what was encoded takes so much of a megapixel.
	usualProbes, compareCost = int64(3), int64(15000)
	// presetCost is in percent of the default preset, of x264 and x265.
	presetCost = map[string]int64{
		"ultrafast": 18, "superfast": 25, "veryfast": 40, "faster": 60, "fast": 80, "medium": 100, "slow": 160, "slower": 300, "veryslow": 520, "placebo": 1200,
	}
)

// Assumed is the speed where nothing is measured: what common sources take, within a factor of two.
func Assumed(j film.Job) Speed {
	v := j.Source.Video
	decode := int64(v.Width) * int64(v.Height) * decodeCost / 1e6
	micros := decode
	for _, r := range j.Renditions {
		percent := presetCost[r.Preset]
		if percent == 0 {
			percent = 100
		}
		pixels := int64(r.Width) * int64(r.Height)
		cost := pixels * encodeCost[r.Codec] / 1e6 * percent / 100
		if r.Quality.Target != 0 { // a probe decodes the source twice: for the encoder, and to compare
			cost = usualProbes * (cost + 2*decode + pixels*compareCost/1e6)
		}
		micros += cost
	}
	return Speed{CPU: estimate.Range{Low: micros / 2, High: micros * 2}, Basis: "common sources; --calibrate measures this one"}
}
