package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// maxCellWidth is how much of a verdict the table on a terminal shows; the Markdown has all of it.
const maxCellWidth = 60

var columns = []string{"source", "frames", "time µs", "PSNR dB", "audio ms", "samples", "mapreel"}

// table returns a row of column names and one row per source.
func table(rows []result, contenders []candidate, withVerify bool) [][]string {
	header := slices.Clone(columns)
	for _, c := range contenders {
		if c.name != "mapreel" {
			header = append(header, c.name)
		}
	}
	if withVerify {
		header = append(header, "mapreel verify")
	}
	list := [][]string{header}
	for _, r := range rows {
		cells := r.row(contenders)
		if withVerify {
			cells = append(cells, r.findings["mapreel"].verify)
		}
		list = append(list, cells)
	}
	return list
}

// row returns the figures of mapreel and the verdicts of all candidates.
func (r result) row(contenders []candidate) []string {
	f := r.findings["mapreel"]
	row := []string{r.source.Name, "", "", "", "", "", r.verdict("mapreel")}
	if f.err == nil {
		if f.wantFrames > 0 {
			row[1] = fmt.Sprintf("%d/%d", f.frames, f.wantFrames)
			row[2] = fmt.Sprint(f.timeError.Microseconds())
			row[3] = formatDecibels(f.psnr)
			if onePass := r.findings["one pass"]; onePass != nil && onePass.err == nil {
				row[3] += " (" + formatDecibels(onePass.psnr) + ")"
			}
		}
		if f.beeps[1] > 0 {
			row[4] = fmt.Sprintf("%+.1f … %+.1f", f.start.Seconds()*1000, f.end.Seconds()*1000)
		}
		if onePass := r.findings["one pass"]; f.tracks > 0 && onePass != nil && onePass.err == nil {
			row[5] = fmt.Sprintf("%+d", f.extraSamples(onePass))
		}
	}
	for _, c := range contenders {
		if c.name != "mapreel" {
			row = append(row, r.verdict(c.name))
		}
	}
	return row
}

// extraSamples returns how many samples the output has more than one pass, in the track where they
// differ most.
func (f *finding) extraSamples(onePass *finding) (worst int) {
	if len(onePass.samples) != len(f.samples) {
		return 0
	}
	for i, n := range f.samples {
		if d := n - onePass.samples[i]; max(d, -d) > max(worst, -worst) {
			worst = d
		}
	}
	return worst
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
