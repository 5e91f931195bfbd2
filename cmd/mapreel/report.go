package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
)

// summary is what a person reads at the end; end is the last reading of the run's meter.
func summary(r local.Report, end reading) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	speed := ""
	if end.Worked > 0 && r.Elapsed > 0 {
		speed = fmt.Sprintf(" (%sx real time)", rate(media.Microseconds.Duration(end.Worked).Seconds()/r.Elapsed.Seconds()))
	}
	row("done", "in %s%s, %s CPU seconds", words(r.Elapsed), speed, rate(r.CPU.Seconds()))
	if r.Segments > 0 {
		row("segments", "%d: %d encoded now, %d done before", r.Segments, r.Encoded, r.Segments-r.Encoded)
	}
	row("source", "%s", size(r.Source))
	for _, o := range r.Outputs {
		ratio := ""
		if r.Source > 0 {
			ratio = fmt.Sprintf(" (%.0f %% of the source)", 100*float64(o.Bytes())/float64(r.Source))
		}
		frames := ""
		if o.Frames > 0 {
			frames = fmt.Sprintf(", %d frames", o.Frames)
		}
		row("output", "%s%s%s", size(o.Bytes()), ratio, frames)
		for _, url := range []string{o.URL, o.Manifest, o.Folder} {
			if url != "" {
				row("", "%s", filepath.FromSlash(strings.TrimPrefix(url, "file://")))
			}
		}
	}
	return b.String()
}

// reportLine is the last line of --progress json.
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
	Kind     string             `json:"kind,omitempty"` // of the error, or "Interrupted"
	Error    string             `json:"error,omitempty"`
	Hint     string             `json:"hint,omitempty"`
	Exit     int                `json:"exit"`
}

func lastLine(r local.Report, err error, now time.Time) reportLine {
	if err != nil {
		kind := string(fault.KindOf(err))
		if exitCode(err) == exitInterrupted {
			kind = "Interrupted"
		}
		return reportLine{
			Type: "error", Time: now, Kind: kind, Error: strings.Join(sentences(err), "\n"),
			Hint: fault.HintOf(err), Exit: exitCode(err),
		}
	}
	return reportLine{
		Type: "report", Time: now, Job: r.Job, Elapsed: film.Seconds(r.Elapsed.Round(time.Millisecond)), CPU: film.Seconds(r.CPU.Round(time.Millisecond)),
		Segments: r.Segments, Encoded: r.Encoded, Source: r.Source, Outputs: r.Outputs, Warnings: r.Warnings,
	}
}
