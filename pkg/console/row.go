package console

import (
	"encoding/json"
	"math"
	"path"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/player"
	"github.com/mapreel/mapreel/pkg/progress"
)

// Row is a job in the list of jobs.
type Row struct {
	Name        string   `json:"name"`
	Sequence    int64    `json:"seq"`
	Status      string   `json:"status"`
	Phase       string   `json:"phase,omitempty"` // of one that runs: waiting, reading, firstPass, working, merging or elsewhere
	Source      string   `json:"source"`
	Destination string   `json:"destination"`
	Outputs     []string `json:"outputs"` // names and containers; of what is done, files
	Started     int64    `json:"started"` // milliseconds since 1970
	Stopped     int64    `json:"stopped,omitempty"`
	Redrives    int      `json:"redrives,omitempty"`
	Error       string   `json:"error,omitempty"`
	Cause       string   `json:"cause,omitempty"` // its first line
	Final       string   `json:"final,omitempty"` // why one that failed cannot be redriven

	Fraction float64 `json:"fraction"` // 0 to 1
	Done     int     `json:"done"`
	Units    int     `json:"units,omitempty"`
	Noun     string  `json:"noun,omitempty"` // of Done and Units where they are no units: frames or tiles
	FPS      float64 `json:"fps,omitempty"`
	Speed    float64 `json:"speed,omitempty"` // relative to real time
	Left     int64   `json:"left,omitempty"`  // seconds; 0: not known
	Warnings int     `json:"warnings,omitempty"`
	CPU      int64   `json:"cpu,omitempty"` // seconds of processors so far, over all attempts; 0: not known yet
}

// The phases of a job that has not ended.
const (
	waiting   = "waiting"
	reading   = "reading"
	firstPass = "firstPass" // over the source, for a bit rate or a size
	working   = "working"
	merging   = "merging"
	elsewhere = "elsewhere" // in another process
)

// rowOf returns the row of an execution, without its progress.
func rowOf(x history.Execution) Row {
	var request struct {
		Source      string `json:"source"`
		Destination string `json:"destination"`
		Outputs     []struct {
			Name      string `json:"name"`
			Container string `json:"container"`
		} `json:"outputs"`
	}
	_ = json.Unmarshal(x.Input, &request) // the API takes any JSON; what is not a request fails, and its row says so
	row := Row{
		Name: x.Name, Sequence: x.Sequence, Status: string(x.Status), Source: request.Source, Destination: request.Destination, Outputs: []string{},
		Started: x.Started.UnixMilli(), Redrives: x.Redrives, Error: x.Error, Cause: firstLine(x.Cause),
	}
	for _, o := range request.Outputs {
		name := o.Name
		if o.Container != "" {
			name += "." + o.Container
		}
		row.Outputs = append(row.Outputs, name)
	}
	if !x.Stopped.IsZero() {
		row.Stopped = x.Stopped.UnixMilli()
	}
	if x.Status == history.Succeeded {
		row.Fraction = 1
		made := outcomeOf(x)
		row.Warnings = len(made.Warnings)
		for i, o := range made.Outputs {
			if i == 0 {
				row.Outputs = []string{} // the files that there are, not what was asked for
			}
			row.Outputs = append(row.Outputs, path.Base(o.URL))
		}
	}
	return row
}

// withProgress adds how far a run in this process is. Numbers are rounded to what a person sees, so that a row changes only
// when its looks do.
func (r Row) withProgress(s progress.Snapshot, warnings int) Row {
	switch {
	case !s.Planned:
		r.Phase = reading
	case s.Merging():
		r.Phase = merging
	default:
		r.Phase = working
	}
	r.Done, r.Units = s.Done+s.AudioDone, s.Segments+s.AudioParts
	if s.Planned && s.FirstPass() {
		r.Phase, r.Done, r.Units = firstPass, s.PassesDone, s.Passes
	}
	if s.Rendering() {
		r.Done, r.Units, r.Noun = s.FramesDone, s.Frames, s.FrameNoun()
	}
	r.Fraction = math.Round(s.Fraction()*1000) / 1000
	r.FPS, r.Speed = math.Round(s.FPS*10)/10, math.Round(s.Speed*100)/100
	r.Warnings = warnings
	if s.Remaining > 0 && r.Phase == working {
		r.Left = int64(s.Remaining.Round(time.Second) / time.Second)
	}
	return r
}

// withCounts adds how far a run in another process is, from its map runs, the newest first: one for each phase. What an earlier one has
// done is not in those that followed, after a redrive as well.
func (r Row) withCounts(list []history.MapRun) Row {
	r.Phase = elsewhere
	for i, m := range list {
		r.Done += m.Items.Succeeded
		r.Units += m.Items.Succeeded
		if i == 0 {
			r.Units += m.Items.Total - m.Items.Succeeded
		}
	}
	if r.Units == 0 {
		return r
	}
	r.Fraction = math.Floor(1000*float64(r.Done)/float64(r.Units)) / 1000
	return r
}

// outcome is what the page needs of an execution's output: see engine.Outcome and film.OutputFacts.
type outcome struct {
	Outputs  []outputFacts `json:"outputs"`
	Warnings []string      `json:"warnings"`
}

type outputFacts struct {
	URL    string `json:"url"`
	Size   int64  `json:"size"`
	Media  int64  `json:"media"`
	Frames int    `json:"frames"`
	// Of a package: its DASH manifest, if it has one besides URL, and the folder of its media.
	Manifest string `json:"manifest,omitempty"`
	Folder   string `json:"folder,omitempty"`

	Seams []player.Seconds `json:"seams"`
	Video []struct {
		Codec   string    `json:"codec"`
		Width   int       `json:"width"`
		Height  int       `json:"height"`
		CRF     int       `json:"crf"`
		Quality *struct { // with a target, instead of CRF
			Metric string  `json:"metric"`
			Mean   float64 `json:"mean"`
			MinCRF float64 `json:"minCRF"`
			MaxCRF float64 `json:"maxCRF"`
		} `json:"quality"`
		Preset    string         `json:"preset"`
		FrameRate media.Rational `json:"frameRate"`
	} `json:"video"`
}

// outcomeOf returns what an execution made; nothing where it has not succeeded.
func outcomeOf(x history.Execution) (o outcome) {
	if x.Status == history.Succeeded {
		_ = json.Unmarshal(x.Output, &o) // the API runs this machine only, whose output this is
	}
	return o
}

// extension returns the extension of a file without its dot.
func extension(path string) string {
	if ext := filepath.Ext(path); ext != "" {
		return ext[1:]
	}
	return ""
}
