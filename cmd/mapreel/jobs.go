package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/printable"
)

// run lists the jobs.
func (j jobsCmd) run(ctx context.Context, env environment) error {
	scratch, err := resolveScratch(j.Scratch)
	if err != nil {
		return err
	}
	list, err := env.Jobs(ctx, scratch)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && fault.KindOf(err) != fault.NotFound {
		return interruptedOr(ctx, err, snapshot{})
	}
	switch {
	case j.JSON:
		if list == nil {
			list = []local.Status{}
		}
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		return fault.Wrap(fault.Internal, enc.Encode(list), "print the jobs")
	case len(list) == 0:
		printable.Fprintf(env.Stdout, "no jobs in %s\n", scratch)
	default:
		_, err := io.WriteString(env.Stdout, formatJobs(list, time.Now(), terminal.Width(env.Stdout)))
		return fault.Wrap(fault.Internal, err, "print the jobs")
	}
	return nil
}

// shortID is the number of characters of a job's ID that the table shows: enough to tell the jobs of one machine apart.
const shortID = 10

// formatJobs returns a table of jobs, with the error of a failed job in a line below it. If width is not 0, long paths are
// cut at their beginnings, because their ends tell them apart.
func formatJobs(list []local.Status, now time.Time, width int) string {
	table := [][]string{{"JOB", "STATE", "PROGRESS", "DONE", "UPDATED", "SOURCE", "OUTPUT"}}
	for _, s := range list {
		progress, percent := "", ""
		if len(s.Groups) > 0 && s.Groups[0].Units > 0 { // the first group has most of the work
			g := s.Groups[0]
			progress, percent = fmt.Sprintf("%d/%d", g.Done, g.Units), fmt.Sprintf("%d%%", 100*g.Done/g.Units)
		}
		outputs := make([]string, len(s.Outputs))
		for i, o := range s.Outputs {
			outputs[i] = shortPath(o)
		}
		table = append(table, []string{
			s.Job[:min(len(s.Job), shortID)], s.State, progress,
			percent, formatAge(now.Sub(s.Updated)), shortPath(s.Source), strings.Join(outputs, ", "),
		})
	}
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			cell = printable.Line(cell) // a line break in a name would begin a row
			row[i] = cell
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	fitColumns(widths, width)
	var b strings.Builder
	for i, row := range table {
		for k, cell := range row {
			cell = truncateStart(cell, widths[k])
			b.WriteString(cell)
			if k < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[k]-runewidth.StringWidth(cell)+2))
			}
		}
		b.WriteByte('\n')
		if i > 0 && list[i-1].Error != "" {
			b.WriteString("  error: " + tidyMessage(list[i-1].Error) + "\n")
		}
	}
	return b.String()
}

// fitColumns narrows the last two columns, source and output, until a line has at most width characters, but to no fewer
// than 12 each.
func fitColumns(widths []int, width int) {
	const least = 12
	if width == 0 {
		return
	}
	source, output := len(widths)-2, len(widths)-1
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for total > width && max(widths[source], widths[output]) > least {
		wider := source
		if widths[output] > widths[source] {
			wider = output
		}
		widths[wider]--
		total--
	}
}

// truncateStart cuts s at its beginning to at most width columns.
func truncateStart(s string, width int) string {
	if runewidth.StringWidth(s) <= width {
		return s
	}
	return runewidth.TruncateLeft(s, runewidth.StringWidth(s)-width+len("..."), "...")
}

// shortPath returns the last two elements of path.
func shortPath(path string) string {
	path = strings.TrimPrefix(path, "file://")
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// formatAge formats how long ago something happened, in its largest unit.
func formatAge(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", d/time.Hour)
	}
	return fmt.Sprintf("%dd ago", d/(24*time.Hour))
}
