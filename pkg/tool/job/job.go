// Package job makes units of work of the tools that a request describes: the planner, the kind that runs a tool for a piece of the
// source, and the kind that joins and publishes what came of it.
//
//	tool/captions/00012 ─▶ artifacts ─▶ tooljoin/captions/0 ─▶ captions.srt
package job

import (
	"encoding/json"
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool"
)

// Names of the kinds of units.
const (
	ToolKind = "tool"
	JoinKind = "tooljoin"
)

// format numbers what plans and artifacts of tools look like: another version of mapreel does not continue them.
const format = 4

// document is the plan's Doc.
type document struct {
	Request tool.Request   `json:"request"`
	Source  film.Source    `json:"source"`
	Counts  map[string]int `json:"counts"` // units, by the tool's name
	Encoder string         `json:"encoder"`
	Threads int            `json:"threads,omitempty"` // of each encoder of a film
	// AV1Forced says that SVT-AV1 sets the keyframes of packages where it is told.
	AV1Forced bool   `json:"av1Forced,omitempty"`
	Files     string `json:"files,omitempty"` // digest of a deployment's folder of tools
	// Images are the IDs of the images in which tools run on this machine, by the tool's name.
	Images map[string]string `json:"images,omitempty"`
}

// piece is the Spec of a unit: what the tool gets. Times are microseconds of the film; a file of unknown length has none.
type piece struct {
	Tool    int           `json:"tool"` // index in the request
	Index   int           `json:"index"`
	Start   media.Ticks   `json:"start"`
	End     media.Ticks   `json:"end"`
	Last    bool          `json:"last,omitempty"`
	Segment *film.Segment `json:"segment,omitempty"` // of the video
	// Before is the segment in which the frames before the piece begin that a tool gets as context, After the one that follows the piece.
	Before *film.Segment `json:"before,omitempty"`
	After  *film.Segment `json:"after,omitempty"`
}

// joined is the Spec of a unit that joins: an output of a tool.
type joined struct {
	Tool   int `json:"tool"`
	Output int `json:"output"`
	Film   int `json:"film,omitempty"` // of an output with join: video: the output of its film job
}

// facts are those of a unit of a tool.
type facts struct {
	Start media.Ticks `json:"start"`
	End   media.Ticks `json:"end"`
	Files []file      `json:"files,omitempty"` // one for each artifact
}

// file is a file that a tool has left.
type file struct {
	Name    string `json:"name"` // its path below TMP_OUTPUT_DIR
	Size    int64  `json:"size"`
	Outputs []int  `json:"outputs,omitempty"` // that take it
	Made    bool   `json:"made,omitempty"`    // of all that an output takes: it is no file of the tool
	// Pictures describe what was made of pictures.
	Pictures *pictures `json:"pictures,omitempty"`
}

// published are the facts of a unit that joins.
type published struct {
	URL   string `json:"url"` // of the file, or the folder of several
	Size  int64  `json:"size"`
	Files int    `json:"files"`
}

func unitName(t tool.Tool, index int) string {
	return fmt.Sprintf("%s/%s/%05d", ToolKind, t.Name, index)
}

// joinName returns the name of the unit that joins an output, or of the one that merges one of its films after the first.
func joinName(t tool.Tool, output, film int) string {
	name := fmt.Sprintf("%s/%s/%02d", JoinKind, t.Name, output)
	if film > 0 {
		name += fmt.Sprintf("/%02d", film)
	}
	return name
}

func decode(data json.RawMessage, v any, unit string) error {
	return fault.Wrap(fault.Corrupt, json.Unmarshal(data, v), "record of "+unit)
}
