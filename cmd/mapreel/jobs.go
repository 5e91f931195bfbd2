package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
)

// run lists the jobs.
func (j jobs) run(ctx context.Context, env environment) error {
	scratch, err := scratchFolder(j.Scratch)
	if err != nil {
		return err
	}
	list, err := env.Jobs(ctx, scratch)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && fault.KindOf(err) != fault.NotFound {
		return interruptedOr(ctx, err, reading{})
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
		fmt.Fprintf(env.Stdout, "no jobs in %s\n", scratch)
	default:
		fmt.Fprint(env.Stdout, table(list, time.Now(), terminalWidth(env.Stdout)))
	}
	return nil
}

// shortID is how much of a job's name the table shows: enough that no two jobs of one machine share it.
const shortID = 10

// table shows jobs in columns, and under each the error that it ended with. Where width is not 0, long paths lose their
// beginnings, because their ends tell them apart.
func table(list []local.Status, now time.Time, width int) string {
	rows := [][]string{{"JOB", "STATE", "SEGMENTS", "DONE", "UPDATED", "SOURCE", "OUTPUT"}}
	for _, s := range list {
		percent := ""
		if s.Segments > 0 {
			percent = fmt.Sprintf("%d%%", 100*s.Done/s.Segments)
		}
		outputs := make([]string, len(s.Outputs))
		for i, o := range s.Outputs {
			outputs[i] = short(o)
		}
		rows = append(rows, []string{
			s.Job[:min(len(s.Job), shortID)], s.State, fmt.Sprintf("%d/%d", s.Done, s.Segments),
			percent, ago(now.Sub(s.Updated)), short(s.Source), strings.Join(outputs, ", "),
		})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	fit(widths, width)
	var b strings.Builder
	for i, row := range rows {
		for k, cell := range row {
			cell = keepEnd(cell, widths[k])
			b.WriteString(cell)
			if k < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[k]-runewidth.StringWidth(cell)+2))
			}
		}
		b.WriteByte('\n')
		if i > 0 && list[i-1].Error != "" {
			b.WriteString("  error: " + tidy(list[i-1].Error) + "\n")
		}
	}
	return b.String()
}

// fit narrows the last two columns, source and output, until a row has at most width columns, but not below 12 each.
func fit(widths []int, width int) {
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

// keepEnd cuts s at its beginning, so that it has at most width columns.
func keepEnd(s string, width int) string {
	if runewidth.StringWidth(s) <= width {
		return s
	}
	return runewidth.TruncateLeft(s, runewidth.StringWidth(s)-width+len("..."), "...")
}

// short is a path's last two parts.
func short(path string) string {
	path = strings.TrimPrefix(path, "file://")
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// ago says how long something is past, in its largest unit.
func ago(d time.Duration) string {
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
