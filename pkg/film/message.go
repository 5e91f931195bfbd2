package film

import (
	"encoding/json"
	"fmt"
	"time"
)

// The stages' inputs and outputs, as they stand in the state machine's definition.

// AnalyseInput starts a job.
type AnalyseInput struct {
	Request   json.RawMessage `json:"request"`
	Execution string          `json:"execution"` // ARN, or the local run's name
	Started   time.Time       `json:"started"`   // when it was started, or last redriven
}

// Brief is what Analyse and Split tell the state machine: where to go, and what to map over. It stays far below the
// 256 KiB of a payload whatever the source's length.
type Brief struct {
	Job         string      `json:"job"`
	Split       bool        `json:"split"`
	Segments    Items       `json:"segments"`
	Route       ComputeMode `json:"route"`
	GPU         bool        `json:"gpu"`
	Concurrency int         `json:"concurrency"`
	Audio       []AudioItem `json:"audio"`
	Outputs     []MergeItem `json:"outputs"`
}

// Items says where the JSON array lies that the Distributed Map reads.
type Items struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Count  int    `json:"count"`
}

// SplitInput names a job, and who asks.
type SplitInput struct {
	Job       string    `json:"job"`
	Execution string    `json:"execution"`
	Started   time.Time `json:"started"` // as in AnalyseInput
}

// EncodeItem names a segment: an item of the Distributed Map, and with Reason the input of Encode.
type EncodeItem struct {
	Job     string `json:"job"`
	Segment int    `json:"segment"`
	Reason  string `json:"reason,omitempty"` // why it did not finish where it was tried first
}

// AudioItem names a piece of sound: the input of Audio.
type AudioItem struct {
	Job  string `json:"job"`
	Part int    `json:"part"` // or SidecarPart
}

// SidecarPart stands where a piece's number would: the pass that takes everything but picture and sound.
const SidecarPart = -1

// MergeItem names an output: the input of Merge.
type MergeItem struct {
	Job    string `json:"job"`
	Output string `json:"output"`
}

// FinishInput ends a job: at the machine's end with Job, or after a failure, seen from outside, with Execution and what
// became of it.
type FinishInput struct {
	Job       string `json:"job,omitempty"`
	Execution string `json:"execution"`
	Status    string `json:"status,omitempty"` // "", or FAILED, TIMED_OUT, ABORTED
	Error     string `json:"error,omitempty"`
	Cause     string `json:"cause,omitempty"`
}

// Result is what an execution returns.
type Result struct {
	Job      string        `json:"job"`
	Segments int           `json:"segments"`
	Outputs  []OutputFacts `json:"outputs"`
	Warnings []string      `json:"warnings,omitempty"`
}

// Names of units in the ledger, and keys in scratch. Both sort in the order of the film.

// VideoUnit names segment i in the ledger.
func VideoUnit(i int) string { return fmt.Sprintf("video/%05d", i) }

// AudioUnit names piece i of the sound in the ledger.
func AudioUnit(i int) string { return fmt.Sprintf("audio/%05d", i) }

// SidecarUnit names in the ledger what is neither picture nor sound.
const SidecarUnit = "sidecar/00000"

// OutputUnit names an output in the ledger.
func OutputUnit(name string) string { return "output/" + name }

// Prefix is where all of a job's pieces lie.
func Prefix(job string) string { return job + "/" }

// ItemsKey is the JSON array that the Distributed Map reads.
func ItemsKey(job string) string { return job + "/items.json" }

// ArtifactKey is where an attempt at a unit puts its piece of a rendition. Attempts never share a key, so a late worker
// cannot replace the bytes of the one that won.
func ArtifactKey(job, unit string, attempt, rendition int, ext string) string {
	return fmt.Sprintf("%s/%s.%d.%d.%s", job, unit, attempt, rendition, ext)
}

// SplitKey is where Split puts stretch i of a source that cannot be read at random.
func SplitKey(job string, i int) string { return fmt.Sprintf("%s/split/%05d.mp4", job, i) }
