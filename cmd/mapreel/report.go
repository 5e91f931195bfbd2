package main

import (
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/summary"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// reportLine is the last line of the output of --progress json.
type reportLine struct {
	Type     string             `json:"type"` // "report", or "error"
	Time     time.Time          `json:"time"`
	Job      string             `json:"job,omitempty"`
	Elapsed  film.Seconds       `json:"elapsed,omitempty"`
	CPU      film.Seconds       `json:"cpu,omitempty"` // seconds
	Segments int                `json:"segments,omitempty"`
	Encoded  int                `json:"encoded,omitempty"` // by this run
	Source   int64              `json:"source,omitempty"`  // bytes
	Outputs  []film.OutputFacts `json:"outputs,omitempty"`
	Warnings []string           `json:"warnings,omitempty"`
	Twins    *summary.Twins     `json:"twins,omitempty"` // second tries of units that took far longer than their peers
	Kind     string             `json:"kind,omitempty"`  // of the error, or "Interrupted"
	Error    string             `json:"error,omitempty"`
	Hint     string             `json:"hint,omitempty"`
	Exit     int                `json:"exit"`
}

// newReportLine describes the result of a run, or the error that it ended with.
func newReportLine(r local.Report, err error, now time.Time) reportLine {
	if err != nil {
		kind := string(fault.KindOf(err))
		if exitCode(err) == exitInterrupted {
			kind = "Interrupted"
		}
		return reportLine{
			Type: "error", Time: now, Kind: kind, Error: strings.Join(errorMessages(err), "\n"),
			Hint: fault.HintOf(err), Exit: exitCode(err),
		}
	}
	return reportLine{
		Type: "report", Time: now, Job: r.Job, Elapsed: film.Seconds(r.Elapsed.Round(time.Millisecond)), CPU: film.Seconds(r.CPU.Round(time.Millisecond)),
		Segments: r.Units[film.VideoKind], Encoded: r.Ran[film.VideoKind], Source: r.Source, Outputs: summary.Outputs(r), Warnings: r.Warnings,
		Twins: summary.TwinsOf(r),
	}
}
