package verify

import (
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// Verdict is the result of a check.
type Verdict string

// The verdicts.
const (
	Good Verdict = "good"
	Bad  Verdict = "bad"
	Note Verdict = "note" // neither: a figure, or something that cannot be compared
)

// Check is the result of one comparison.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Figure  string  `json:"figure"`          // what was found, for people
	Limit   string  `json:"limit,omitempty"` // what is good, for people
}

// Report is the result of Files.
type Report struct {
	Verdict Verdict `json:"verdict"` // Bad if any check is Bad, else Good
	Source  string  `json:"source"`
	Output  string  `json:"output"`
	Checks  []Check `json:"checks"`
	Video   *Video  `json:"picture,omitempty"` // if both files have video
	Audio   []Audio `json:"sound,omitempty"`   // one element per track
	Against *Video  `json:"against,omitempty"` // how another encode of the source compares, if one was given
}

// Video describes how the frames compare. Frame numbers count from 0 in the output, unless a field
// names the source. Times count from the first frame.
type Video struct {
	SourceFrames int `json:"sourceFrames"`
	OutputFrames int `json:"outputFrames"`
	Lost         int `json:"lost"`  // source frames without an output frame at their time
	Extra        int `json:"extra"` // output frames at times where the source has none

	// Leading is how many frames at the start of the source, before its first keyframe, do not count because the output
	// leaves them out.
	Leading int    `json:"leading,omitempty"`
	Edits   []Edit `json:"edits,omitempty"` // what is missing and added, by the pictures

	TimeError Worst   `json:"timeError"` // seconds, of the paired frames
	Tick      float64 `json:"tick"`      // seconds, of the output's timescale

	Compared string   `json:"compared"` // "yes", or why the content was not compared
	PSNR     Measure  `json:"psnr"`     // dB, over all planes; 100 = equal
	SSIM     Measure  `json:"ssim"`     // 1 = equal
	Wrong    []Wrong  `json:"wrong,omitempty"`
	Broken   []Broken `json:"broken,omitempty"`
	// Colourless is about frames that lack their source frame's colours, or have others; nil = none.
	Colourless *Colourless `json:"colourless,omitempty"`
	Seams      []Seam      `json:"seams,omitempty"`
	// Quality is what the job's report says of a target quality; nil = the job had none, or its report is not known.
	Quality *film.QualityReport `json:"quality,omitempty"`

	Series []Point `json:"-"` // PSNR over time, for a plot
}

// Worst is an extreme value and the frame that has it.
type Worst struct {
	Value float64      `json:"value"`
	Frame int          `json:"frame"`
	At    film.Seconds `json:"at"`
}

// Measure summarises a measurement of every frame.
type Measure struct {
	Mean float64 `json:"mean"`
	Min  Worst   `json:"min"`
}

// Wrong is a frame that shows a different source frame than it should.
type Wrong struct {
	Frame    int          `json:"frame"`
	At       film.Seconds `json:"at"`
	Shows    int          `json:"shows"` // number of the source frame
	Expected int          `json:"not"`   // number of the source frame that belongs there
}

// Broken is a frame that is far worse than those around it.
type Broken struct {
	Frame int          `json:"frame"`
	At    film.Seconds `json:"at"`
	PSNR  float64      `json:"psnr"`
}

// Colourless counts frames without their colours. Frame is the first, which is shown at At.
type Colourless struct {
	Count int          `json:"count"`
	Frame int          `json:"frame"`
	At    film.Seconds `json:"at"`
}

// Seam is a place in the output where decoding can start, and so a possible seam between two
// encodes.
type Seam struct {
	At      film.Seconds `json:"at"`
	Restart bool         `json:"restart"`          // an encoder's signature marks its start here
	Joined  bool         `json:"joined,omitempty"` // two segments of a job meet here, by the job's report
}

// Point is the PSNR of a frame.
type Point struct {
	At   time.Duration
	PSNR float32
}

// Audio describes how a track compares.
type Audio struct {
	Track         int     `json:"track"` // from 1
	SourceSamples int64   `json:"sourceSamples"`
	OutputSamples int64   `json:"outputSamples"`
	SourceRate    int64   `json:"sourceRate"` // Hz
	OutputRate    int64   `json:"outputRate"`
	Start         float64 `json:"start"`  // seconds by which the output's first sample is later than the source's
	End           float64 `json:"end"`    // seconds by which its last sample ends later
	Longer        float64 `json:"longer"` // seconds of samples by which the output is longer
	Lost          float64 `json:"lost"`   // seconds of audio missing from the output; gaps in the source do not count
	Frame         float64 `json:"frame"`  // seconds; the longer codec frame of the two
	Places        []Place `json:"places"`
	edges         float64 // seconds by which more may be missing or added at the ends of a part
	// Edits are the places where samples are missing or added.
	Edits  []SoundEdit `json:"edits,omitempty"`
	Silent int         `json:"silent"` // places skipped because the source is silent there
}

// Place is the result of comparing a track at one place. Times are in seconds.
type Place struct {
	At        float64 `json:"at"`     // after the first frame, or the first sample where there is no video
	Offset    float64 `json:"offset"` // how much later the output's audio is; negative = earlier
	Match     float64 `json:"match"`
	Silent    bool    `json:"silent,omitempty"`
	Ambiguity float64 `json:"vague,omitempty"` // range of the offsets that match equally well; above 0.005 the audio is periodic
	Onset     bool    `json:"onset,omitempty"` // the window covers the beginning of the track and the silence before it
}

// matches reports whether the output has the source's audio here, even if it is offset.
func (p Place) matches() bool {
	return p.Match >= matchThreshold || p.Match >= weakMatchThreshold && toDuration(math.Abs(p.Offset)) <= maxAudioOffset && toDuration(p.Ambiguity) <= maxAudioOffset
}

// setVerdict derives the verdict of the report from its checks.
func (r *Report) setVerdict() {
	r.Verdict = Good
	for _, c := range r.Checks {
		if c.Verdict == Bad {
			r.Verdict = Bad
		}
	}
}
