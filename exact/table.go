package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// widest is how much of a verdict the table on a terminal shows; the Markdown has all.
const widest = 60

var head = []string{"source", "frames", "time µs", "PSNR dB", "sound ms", "samples", "mapreel"}

// table is a row of heads, and one a source.
func table(rows []result, contenders []contender, second bool) [][]string {
	top := slices.Clone(head)
	for _, c := range contenders {
		if c.name != "mapreel" {
			top = append(top, c.name)
		}
	}
	if second {
		top = append(top, "mapreel verify")
	}
	list := [][]string{top}
	for _, r := range rows {
		cells := r.cells(contenders)
		if second {
			cells = append(cells, r.findings["mapreel"].verify)
		}
		list = append(list, cells)
	}
	return list
}

// cells is a row of the table: mapreel's figures, and the verdicts.
func (r result) cells(contenders []contender) []string {
	f := r.findings["mapreel"]
	row := []string{r.source.Name, "", "", "", "", "", r.cell("mapreel")}
	if f.err == nil {
		if f.want > 0 {
			row[1] = fmt.Sprintf("%d/%d", f.frames, f.want)
			row[2] = fmt.Sprint(f.time.Microseconds())
			row[3] = decibel(f.psnr)
			if one := r.findings["one pass"]; one != nil && one.err == nil {
				row[3] += " (" + decibel(one.psnr) + ")"
			}
		}
		if f.beeps[1] > 0 {
			row[4] = fmt.Sprintf("%+.1f … %+.1f", f.start.Seconds()*1000, f.end.Seconds()*1000)
		}
		if one := r.findings["one pass"]; f.tracks > 0 && one != nil && one.err == nil {
			row[5] = fmt.Sprintf("%+d", f.difference(one))
		}
	}
	for _, c := range contenders {
		if c.name != "mapreel" {
			row = append(row, r.cell(c.name))
		}
	}
	return row
}

// difference is how many samples more than one pass has, in the track where they differ most.
func (f *finding) difference(one *finding) (worst int) {
	if len(one.samples) != len(f.samples) {
		return 0
	}
	for i, n := range f.samples {
		if d := n - one.samples[i]; max(d, -d) > max(worst, -worst) {
			worst = d
		}
	}
	return worst
}

func text(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = cut(strings.ReplaceAll(row[i], "\n", " "))
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func cut(s string) string {
	if utf8.RuneCountInString(s) <= widest {
		return s
	}
	return string([]rune(s)[:widest-1]) + "…"
}

func asMarkdown(out io.Writer, rows [][]string) error {
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
