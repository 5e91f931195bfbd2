package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/mapreel/mapreel/internal/exact/judge"
)

// maxCellWidth is how much of a verdict the table on a terminal shows; the Markdown has all of it.
const maxCellWidth = 60

var columns = []string{"source", "frames", "time µs", "PSNR dB", "audio ms", "samples", "mapreel"}

// table returns a row of column names and one row per source.
func table(rows []result, contenders []judge.Candidate, withVerify bool) [][]string {
	header := slices.Clone(columns)
	for _, c := range contenders {
		if c.Name != "mapreel" {
			header = append(header, c.Name)
		}
	}
	if withVerify {
		header = append(header, "mapreel verify")
	}
	list := [][]string{header}
	for _, r := range rows {
		cells := r.row(contenders)
		if withVerify {
			cells = append(cells, r.findings["mapreel"].Verify)
		}
		list = append(list, cells)
	}
	return list
}

// row returns the figures of mapreel and the verdicts of all candidates.
func (r result) row(contenders []judge.Candidate) []string {
	f := r.findings["mapreel"]
	row := []string{r.source.Name, "", "", "", "", "", r.verdict("mapreel")}
	if f.Err == nil {
		if f.WantFrames > 0 {
			row[1] = fmt.Sprintf("%d/%d", f.Frames, f.WantFrames)
			row[2] = fmt.Sprint(f.TimeError.Microseconds())
			row[3] = formatDecibels(f.PSNR)
			if onePass := r.findings["one pass"]; onePass != nil && onePass.Err == nil {
				row[3] += " (" + formatDecibels(onePass.PSNR) + ")"
			}
		}
		if f.Beeps[1] > 0 {
			row[4] = fmt.Sprintf("%+.1f … %+.1f", f.Start.Seconds()*1000, f.End.Seconds()*1000)
		}
		if onePass := r.findings["one pass"]; f.Tracks > 0 && onePass != nil && onePass.Err == nil {
			row[5] = fmt.Sprintf("%+d", f.ExtraSamples(onePass))
		}
	}
	for _, c := range contenders {
		if c.Name != "mapreel" {
			row = append(row, r.verdict(c.Name))
		}
	}
	return row
}

// writeText prints the table in aligned columns.
func writeText(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = truncate(strings.ReplaceAll(row[i], "\n", " "))
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func truncate(s string) string {
	if utf8.RuneCountInString(s) <= maxCellWidth {
		return s
	}
	return string([]rune(s)[:maxCellWidth-1]) + "…"
}

// writeMarkdown prints the table as Markdown.
func writeMarkdown(out io.Writer, rows [][]string) error {
	for i, cells := range rows {
		for k, c := range cells {
			cells[k] = strings.ReplaceAll(strings.ReplaceAll(c, "\n", " "), "|", `\|`)
		}
		if i == 1 {
			fmt.Fprintln(out, strings.Repeat("| --- ", len(cells))+"|")
		}
		if _, err := fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")); err != nil {
			return err
		}
	}
	return nil
}
