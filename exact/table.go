package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// widest is how much of a verdict the table on a terminal shows; the Markdown has all.
const widest = 60

var head = []string{"source", "frames", "time µs", "PSNR dB", "sound ms", "samples", "mapreel"}

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
		if f.tracks > 0 {
			row[5] = fmt.Sprintf("%+d", f.difference(r.findings["one pass"]))
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
	if one == nil || one.err != nil || len(one.samples) != len(f.samples) {
		return 0
	}
	for i, n := range f.samples {
		if d := n - one.samples[i]; max(d, -d) > max(worst, -worst) {
			worst = d
		}
	}
	return worst
}

func heads(contenders []contender) []string {
	list := append([]string(nil), head...)
	for _, c := range contenders {
		if c.name != "mapreel" {
			list = append(list, c.name)
		}
	}
	return list
}

func text(out io.Writer, rows []result, contenders []contender) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(heads(contenders), "\t"))
	for _, r := range rows {
		row := r.cells(contenders)
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

func asMarkdown(out io.Writer, rows []result, contenders []contender) error {
	line := func(cells []string) error {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(c, "\n", " "), "|", `\|`)
		}
		_, err := fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
		return err
	}
	top := heads(contenders)
	if err := line(top); err != nil {
		return err
	}
	if err := line(strings.Split(strings.Repeat("---,", len(top)-1)+"---", ",")); err != nil {
		return err
	}
	for _, r := range rows {
		if err := line(r.cells(contenders)); err != nil {
			return err
		}
	}
	return nil
}
