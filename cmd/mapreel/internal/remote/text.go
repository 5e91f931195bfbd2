package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/printable"
)

// formatted is text that this package has composed of printable lines, so that its line breaks are kept.
type formatted []string

// Format writes the lines.
func (f formatted) Format(s fmt.State, _ rune) {
	for _, line := range f {
		_, _ = io.WriteString(s, line+"\n") // fmt collects it in memory, which cannot fail
	}
}

// formatJob returns the lines that describe a job.
func formatJob(j client.Job, now time.Time) (lines formatted) {
	line := func(name, format string, args ...any) {
		lines = append(lines, printable.Line(strings.TrimRight(fmt.Sprintf("%-11s ", name)+fmt.Sprintf(format, args...), " ")))
	}
	line("job", "%s", j.Name)
	line("status", "%s", strings.Join(statusWords(j, now), ", "))
	if j.Source != "" {
		line("source", "%s", j.Source)
		line("destination", "%s", j.Destination)
	}
	if text := progressWords(j.Progress); text != "" {
		line("progress", "%s", text)
	}
	for _, o := range outputs(j) {
		line("output", "%s  %s", o.URL, format.Bytes(o.Bytes()))
		for _, url := range []string{o.Manifest, o.Folder} {
			if url != "" {
				line("", "%s", url)
			}
		}
	}
	for _, w := range j.Warnings {
		line("warning", "%s", w)
	}
	if text := usedWords(j.Progress); text != "" {
		line("cost", "%s, nothing at AWS", text)
	}
	if j.Progress != nil && j.Progress.Cost != nil {
		lines := costLines(*j.Progress.Cost, j.Ended())
		if e := j.Progress.Elsewhere; e != nil {
			lines = append(lines, elsewhereLine(*e))
		}
		for i, text := range lines {
			line([]string{"cost", ""}[min(i, 1)], "%s", text)
		}
	}
	if j.Error != nil {
		name := "error"
		for text := range strings.SplitSeq(errorWords(j), "\n") {
			line(name, "%s", text)
			name = ""
		}
	}
	return lines
}

// usedWords returns what a job of a server has used, such as "1:20 of processors"; "" where that is not known, or has a price.
func usedWords(p *client.Progress) string {
	if p == nil || p.CPU < 500 || p.Cost != nil { // less is shown as nothing
		return ""
	}
	return format.Clock(time.Duration(p.CPU)*time.Millisecond) + " of processors"
}

// costLines returns what a job costs: the total, and the part of each service.
func costLines(c price.Cost, ended bool) []string {
	words := "so far"
	if ended {
		words = "altogether"
	}
	lines := []string{fmt.Sprintf("%s %s, by list prices of %s in %s", c.Total, words, c.Prices, c.Region)}
	for _, s := range c.Services() {
		lines = append(lines, fmt.Sprintf("%s for %s", s.Cost, s.Name))
	}
	if c.Twins > 0 && ended {
		lines = append(lines, fmt.Sprintf("of it %s for second attempts at slow units and waiting for those, which saved %s of others' time", c.Twins, format.Duration(time.Duration(c.Saved)*time.Millisecond)))
	}
	if c.Unrecorded > 0 && ended {
		lines = append(lines, fmt.Sprintf("without %d attempts that left no record, such as those that were killed", c.Unrecorded))
	}
	return lines
}

// elsewhereLine returns what MediaConvert would have charged.
func elsewhereLine(e price.Elsewhere) string {
	least := ""
	if e.AtLeast {
		least = "at least "
	}
	return fmt.Sprintf("(MediaConvert, On-Demand, %s tier, list prices of %s: %s%s for the same %s normalised minutes)", e.Tier, e.Prices, least, e.Cost, e.Minutes)
}

// statusWords returns the status of a job, and since when, in words.
func statusWords(j client.Job, now time.Time) []string {
	end := now
	if j.Ended() {
		end = j.Stopped
	}
	words := []string{j.Status, "after " + format.Duration(end.Sub(j.Started))}
	if !j.Ended() {
		words[1] = "for " + format.Duration(end.Sub(j.Started))
	}
	switch j.Redrives {
	case 0:
	case 1:
		words = append(words, "redriven once")
	default:
		words = append(words, fmt.Sprintf("redriven %d times", j.Redrives))
	}
	return words
}

// progressWords returns the counts of units, such as "12/40 segments, 4 at work; 1/2 parts".
func progressWords(p *client.Progress) string {
	if p == nil {
		return ""
	}
	var groups []string
	for _, g := range p.Groups {
		if g.Units == 0 {
			continue
		}
		text := fmt.Sprintf("%d/%d %s", g.Done, g.Units, g.Noun)
		if g.Running > 0 {
			text += fmt.Sprintf(", %d at work", g.Running)
		}
		groups = append(groups, text)
	}
	return strings.Join(append(groups, troubles(p)...), "; ")
}

// troubles returns what did not go well, in words.
func troubles(p *client.Progress) (list []string) {
	if p.Retries > 0 {
		list = append(list, fmt.Sprintf("%d retried", p.Retries))
	}
	if p.Failures > 0 {
		list = append(list, fmt.Sprintf("%d failed", p.Failures))
	}
	if p.Throttled > 0 {
		list = append(list, "throttled by Lambda")
	}
	for _, reason := range slices.Sorted(maps.Keys(p.Moved)) {
		words := reason
		if strings.Contains(reason, "TooManyRequests") {
			words = "throttled"
		}
		list = append(list, fmt.Sprintf("%d on Batch: %s", p.Moved[reason], words))
	}
	return list
}

// errorWords returns why a job did not succeed.
func errorWords(j client.Job) string {
	text := strings.Trim(j.Error.Kind+": "+j.Error.Message, ": ")
	if text == "" {
		return "no reason is given"
	}
	return text
}

// outcome returns an error that says why a job has not succeeded; nil for one that runs or has.
func outcome(j client.Job) error {
	if !j.Ended() || j.Status == client.Succeeded {
		return nil
	}
	verb := map[string]string{"ABORTED": "was stopped", "TIMED_OUT": "took too long"}[j.Status]
	if verb == "" {
		verb = "failed"
	}
	if j.Error.Kind == string(fault.OverBudget) {
		return fault.WithHint(fault.New(fault.OverBudget, "job %s: %s", j.Name, j.Error.Message),
			"finished units are kept; with a higher budget mapreel redrive "+j.Name+" --budget USD does the rest")
	}
	err := errors.New("job " + j.Name + " " + verb + ": " + errorWords(j))
	wrong := j.Error.Kind == string(fault.Invalid) || j.Error.Kind == string(fault.Unsupported) // it would end the same way
	if j.Redrivable && !wrong {
		return fault.WithHint(err, "what is done is kept; mapreel redrive "+j.Name+" does the rest")
	}
	return err
}

// outputs returns what a job published.
func outputs(j client.Job) []film.OutputFacts {
	list := make([]film.OutputFacts, len(j.Outputs))
	for i, data := range j.Outputs {
		_ = json.Unmarshal(data, &list[i]) // of another version: what it has is shown
	}
	return list
}

// formatList returns a table of jobs.
func formatList(list []client.Job, now time.Time) (lines formatted) {
	table := [][]string{{"JOB", "STATUS", "STARTED", "TIME", "PROGRESS", "SOURCE"}}
	for _, j := range list {
		end := now
		if j.Ended() {
			end = j.Stopped
		}
		source := ""
		if j.Source != "" {
			source = path.Base(j.Source)
		}
		table = append(table, []string{
			j.Name, j.Status, j.Started.Local().Format("2006-01-02 15:04:05"), format.Duration(end.Sub(j.Started)), progressWords(j.Progress), source,
		})
	}
	widths := make([]int, len(table[0]))
	for r, row := range table {
		for i, cell := range row {
			table[r][i] = printable.Line(cell)
			if r > 0 || i < 4 { // the last columns are left out where they are empty
				widths[i] = max(widths[i], runewidth.StringWidth(table[r][i]))
			}
		}
	}
	for _, row := range table {
		line := ""
		for i, cell := range row {
			if widths[i] > 0 {
				line += runewidth.FillRight(cell, widths[i]) + "  "
			}
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// printLine prints a value as a line of JSON.
func printLine(w io.Writer, v any) error {
	return fault.Wrap(fault.Internal, json.NewEncoder(w).Encode(v), "print")
}
