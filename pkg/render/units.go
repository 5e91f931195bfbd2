package render

import (
	"fmt"
	"math"
)

// Kind is the prefix of the names of units that render.
const Kind = "frames"

// Unit is a range of a job's frames, or every Step-th of it, by their places in its list.
type Unit struct {
	From int `json:"from"`
	To   int `json:"to"` // exclusive
	// Step is the distance of a frame of the unit to the next one; 0: 1.
	Step int `json:"step,omitempty"`
}

// Places returns the places of the unit's frames.
func (u Unit) Places() (list []int) {
	for i := u.From; i < u.To; i += max(u.Step, 1) {
		list = append(list, i)
	}
	return list
}

// Name returns the name of the unit. It sorts in the order of the film.
func (u Unit) Name() string { return fmt.Sprintf("%s/%06d", Kind, u.From) }

// Key returns the key in scratch of the frame at place i of the job's list. All attempts write the same bytes there.
func Key(job string, i int, f Format) string {
	return fmt.Sprintf("%s/%s/%06d.%s", job, Kind, i, f.Extension())
}

// Pace is what the first frames took, in seconds.
type Pace struct {
	Start float64 `json:"start"` // Blender's start until the first frame begins
	Frame float64 `json:"frame"` // a frame
}

// BatchStart is an assumption of how long a Batch job takes until Blender starts, in seconds, on an instance that runs already: its
// container starts, and the scene and its files are fetched. A pace does not include it.
const BatchStart = 20

const (
	// startShare is how many times as long as its start a unit works at least, so that starting takes less than a tenth.
	startShare = 9
	// longest is how long a unit should work, in seconds: a third of what a Lambda function may.
	longest = 300
	// fewRounds is up to how many units a worker would wait for another one at the end, if their number were not a multiple of the workers'.
	fewRounds = 4
)

// First returns how many of n frames are rendered first, to measure what the others will take. 0: none, for so few frames that it would
// not pay.
func First(n int) int {
	const measured, few = 2, 8
	if n < few {
		return 0
	}
	return measured
}

// Divide divides the frames from ≤ i < to into units, for a number of workers. Starting Blender takes less than a tenth of each unit
// of more than one frame, unless a unit would then be longer than five minutes.
func Divide(from, to int, pace Pace, workers int) []Unit {
	n := to - from
	if n <= 0 {
		return nil
	}
	frame := max(pace.Frame, 1e-3)
	size := math.Ceil(startShare * max(pace.Start, 0) / frame)
	count := max(int(float64(n)/max(size, 1)), 1)
	count = max(count, int(math.Ceil(float64(n)*frame/longest)))
	if count > workers && count < fewRounds*workers && workers > 0 {
		count -= count % workers
	}
	return Split(from, to, min(count, n))
}

// Split divides the frames from ≤ i < to into count units whose sizes differ by one frame at most.
func Split(from, to, count int) []Unit {
	n := to - from
	var units []Unit
	for i := range count {
		if u := (Unit{From: from + i*n/count, To: from + (i+1)*n/count}); u.From < u.To {
			units = append(units, u)
		}
	}
	return units
}

// Deal divides n frames into count units in turn: of two units, one has the frames at 0, 2, 4, … Neighbouring frames take about the same
// time, so the units do, too.
func Deal(n, count int) []Unit {
	var units []Unit
	for i := range min(n, count) {
		units = append(units, Unit{From: i, To: n, Step: count})
	}
	return units
}

// Job is what the units of a job need to know in order to render.
type Job struct {
	Settings Settings `json:"settings"`
	Frames   string   `json:"frames"` // as FormatFrames writes it
	Scene    string   `json:"scene"`  // its URL
	Version  string   `json:"version"`
	Look     string   `json:"look"`            // like Version, but without which frames are rendered
	Files    []File   `json:"files,omitempty"` // what the scene reads
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Alpha    bool     `json:"alpha,omitempty"`
	// Threads is how many threads a unit has; 0: all of its worker's.
	Threads int `json:"threads,omitempty"`
	// Workers is how many units run at once where one machine does the whole job; 0: the request says how many.
	Workers int    `json:"workers,omitempty"`
	Blender string `json:"blender"`         // version
	Sound   *Sound `json:"sound,omitempty"` // of the sequencer, or of SoundFile; nil: none that fits the frames
	// SoundFile is the file that Settings.Sound names; nil: none.
	SoundFile *SoundFile `json:"soundFile,omitempty"`
}

// SoundFile is a file with the sound of a film.
type SoundFile struct {
	Size    int64  `json:"size"`
	Digest  string `json:"digest"` // SHA-256
	Demuxer string `json:"demuxer"`
	Stream  int    `json:"stream"`
	Layout  string `json:"layout"` // that it is mixed to
	// Duration is how long it says to be, in microseconds; 0: it does not say.
	Duration int64 `json:"duration,omitempty"`
}

// Sound is what the sequencer of a scene sounds like, mixed down.
type Sound struct {
	Rate     int `json:"rate"` // samples a second
	Channels int `json:"channels"`
	First    int `json:"first"` // frame with which it begins
	Last     int `json:"last"`  // frame with which it ends
	// Samples is the length, of each channel.
	Samples int64 `json:"samples"`
}

// SoundBytes is the size of a sample of SoundCodec, and MaxSound that of all samples: a WAV file counts with 32 bits.
const (
	SoundBytes = 3
	MaxSound   = 4_000_000_000
)

// SoundCodec is ffmpeg's name of the codec in which the sound lies in scratch, in a WAV file.
const SoundCodec = "pcm_s24le"

// SoundKind is the prefix of the name of the only unit that mixes sound.
const SoundKind = "sound"

// SoundUnit is the name of that unit.
const SoundUnit = SoundKind + "/mix"

// SoundKey returns the key in scratch of a job's sound, beside its frames. All attempts write the same bytes there.
func SoundKey(job string) string { return fmt.Sprintf("%s/%s/sound.wav", job, Kind) }

// File is a file that a scene reads.
type File struct {
	Path   string `json:"path"` // absolute, or relative to the scene's folder
	Size   int64  `json:"size"`
	Digest string `json:"digest"`
}
