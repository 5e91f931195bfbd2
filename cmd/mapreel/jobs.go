package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/printable"
)

// run lists the jobs, or shows one.
func (j jobsCmd) run(ctx context.Context, env environment) error {
	if j.Job != "" && j.Failed {
		return fault.New(fault.Invalid, "JOB and --failed exclude each other")
	}
	scratch, err := resolveScratch(j.Scratch)
	if err != nil {
		return err
	}
	if j.Watch {
		return j.watch(ctx, env, scratch)
	}
	list, err := j.list(ctx, env, scratch)
	if err != nil {
		return err
	}
	switch {
	case j.JSON:
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(j.value(list))
	case len(list) == 0 && j.Failed:
		printable.Fprintf(env.Stdout, "no job in %s failed\n", scratch)
	case len(list) == 0:
		printable.Fprintf(env.Stdout, "no jobs in %s\n", scratch)
	default:
		_, err = io.WriteString(env.Stdout, j.text(list, terminal.Width(env.Stdout)))
	}
	return fault.Wrap(fault.Internal, err, "print the jobs")
}

// list returns the jobs that are asked for. With JOB that is one.
func (j jobsCmd) list(ctx context.Context, env environment, scratch string) ([]local.Status, error) {
	list, err := env.Jobs(ctx, scratch)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && fault.KindOf(err) != fault.NotFound {
		return nil, interruptedOr(ctx, err, snapshot{})
	}
	if j.Failed {
		list = slices.DeleteFunc(list, func(s local.Status) bool { return s.State != "failed" && s.State != "interrupted" })
	}
	if j.Job == "" {
		return append([]local.Status{}, list...), nil
	}
	list = slices.DeleteFunc(list, func(s local.Status) bool { return !strings.HasPrefix(s.Job, j.Job) })
	switch len(list) {
	case 0:
		return nil, fault.WithHint(fault.New(fault.NotFound, "no job in %s has an ID that begins with %s", scratch, j.Job), "mapreel jobs lists them")
	case 1:
		return list, nil
	}
	return nil, fault.New(fault.Invalid, "the IDs of %d jobs begin with %s: give more of it", len(list), j.Job)
}

// value returns what is printed as JSON.
func (j jobsCmd) value(list []local.Status) any {
	if j.Job != "" {
		return list[0]
	}
	return list
}

// text returns what is printed for people.
func (j jobsCmd) text(list []local.Status, width int) string {
	if j.Job != "" {
		return formatStatus(list[0], time.Now())
	}
	return formatJobs(list, time.Now(), width)
}

// lookInterval is how often the jobs are read again.
const lookInterval = time.Second

// watch shows the jobs until ctx ends, or one until it ends.
func (j jobsCmd) watch(ctx context.Context, env environment, scratch string) error {
	var mu sync.Mutex
	var shown []local.Status
	movable := !j.JSON && terminal.Movable(env.Stdout, os.Getenv("TERM"))
	var lines *terminal.Lines
	stop := func() {
		if lines != nil {
			lines.Stop()
		}
	}
	defer func() { stop() }()
	for printed := ""; ; {
		list, err := j.list(ctx, env, scratch)
		if ctx.Err() != nil {
			return nil // the command shows jobs, and stops none
		}
		if err != nil {
			return err
		}
		mu.Lock()
		shown = list
		mu.Unlock()
		if movable && lines == nil {
			lines = terminal.NewLines(env.Stdout, func(width int) []string {
				mu.Lock()
				defer mu.Unlock()
				return append([]string{""}, strings.Split(strings.TrimSuffix(j.text(shown, width), "\n"), "\n")...)
			})
		}
		if key, text := j.change(list, time.Now()); !movable && key != printed {
			printed = key
			if _, err := io.WriteString(env.Stdout, text); err != nil {
				return fault.Wrap(fault.Internal, err, "print the jobs")
			}
		}
		if j.Job != "" && list[0].State != "running" {
			stop()
			lines = nil
			return j.ended(env, list[0], movable)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookInterval):
		}
	}
}

// change returns what is printed where lines cannot be drawn again, and a key that does not differ when only time has passed.
func (j jobsCmd) change(list []local.Status, now time.Time) (key, text string) {
	if j.JSON {
		text, err := json.Marshal(j.value(list))
		if err != nil {
			return "", ""
		}
		return string(text), string(text) + "\n"
	}
	timeless := slices.Clone(list)
	for i := range timeless {
		timeless[i].Updated = time.Time{}
	}
	if j.Job != "" {
		return formatStatus(timeless[0], now), formatStatus(list[0], now)
	}
	return formatJobs(timeless, time.Time{}, 0), formatJobs(list, now, 0)
}

// ended shows how a job ended.
func (j jobsCmd) ended(env environment, s local.Status, show bool) error {
	if show {
		_, err := io.WriteString(env.Stdout, formatStatus(s, time.Now()))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "print the job")
		}
	}
	if s.State != "done" {
		return fmt.Errorf("the job %s is %s", s.Job[:min(len(s.Job), shortID)], s.State)
	}
	return nil
}

// formatStatus returns what is known of one job.
func formatStatus(s local.Status, now time.Time) string {
	var b strings.Builder
	line := func(name, text string) { printable.Fprintf(&b, "%-9s %s\n", name, text) }
	line("job", s.Job)
	if s.Updated.IsZero() {
		line("state", s.State)
	} else {
		line("state", s.State+", updated "+formatAge(now.Sub(s.Updated)))
	}
	line("source", s.Source)
	for _, o := range s.Outputs {
		line("output", o)
	}
	for _, g := range s.Groups {
		if g.Units > 0 {
			line(g.Name, fmt.Sprintf("%d/%d %s", g.Done, g.Units, g.Noun))
		}
	}
	if s.Error != "" {
		b.WriteString("error\n")
		for text := range strings.Lines(printable.Text(s.Error)) {
			b.WriteString("  " + strings.TrimRight(text, "\n") + "\n")
		}
	}
	return b.String()
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
