package main

import (
	"fmt"
	"strings"
)

// barRows are the rows that a terminal of some columns shows at a moment; at least one, none longer than width. They are
// of ASCII, so that a terminal of any locale shows them.
func barRows(r reading, width int) []string {
	var rows []string
	switch {
	case !r.Planned || r.Segments+r.Pieces == 0:
		rows = []string{"reading the source  " + clock(r.Elapsed)}
	case r.Joining():
		rows = []string{fmt.Sprintf("joining the pieces  %s  %s", size(r.Bytes), clock(r.Elapsed))}
	default:
		main, beside := facts(r, r.Segments > 0), beside(width)
		text := fill(main, beside)
		room := min(max(beside-len(text), 0)+minBar, maxBar)
		if r.Segments > 0 {
			rows = append(rows, barRow("picture", r.Fraction, room)+text)
			text = fill([]string{fmt.Sprintf("%d/%d pieces", r.Heard, r.Pieces)}, beside)
		}
		if r.Pieces > 0 {
			rows = append(rows, barRow("sound  ", r.Sound, room)+text)
		}
	}
	for i, row := range rows {
		rows[i] = row[:min(len(row), max(width, 0))]
	}
	return rows
}

// facts are the numbers beside a bar, the most important first.
func facts(r reading, picture bool) []string {
	text := []string{fmt.Sprintf("%d/%d segments", r.Done, r.Segments)}
	if !picture {
		text = []string{fmt.Sprintf("%d/%d pieces", r.Heard, r.Pieces)}
	}
	if r.Left >= 0 {
		text = append(text, clock(r.Left)+" left")
	}
	if r.Speed > 0 {
		if picture {
			text = append(text, rate(r.FPS)+" fps")
		}
		text = append(text, rate(r.Speed)+"x")
	}
	return append(text, size(r.Bytes))
}

// How many columns a bar has between its brackets.
const minBar, maxBar = 10, 40

// beside is how many columns of a row of some width are left beside its name, the shortest bar and the percentage.
func beside(width int) int { return width - len("picture [] 100%") - minBar }

// fill is as many of the facts as there is room for, each behind two spaces.
func fill(facts []string, room int) string {
	text := ""
	for _, f := range facts {
		if len(text)+2+len(f) <= room {
			text += "  " + f
		}
	}
	return text
}

// barRow is a name, a bar of room columns, and how full it is.
func barRow(name string, fraction float64, room int) string {
	full := min(int(fraction*float64(room)), room)
	bar := strings.Repeat("=", full)
	if full < room {
		bar += ">" + strings.Repeat(" ", room-full-1)
	}
	return fmt.Sprintf("%s [%s] %3.0f%%", name, bar, 100*fraction)
}

// logLine says in a line of a log how things stand.
func logLine(r reading) string {
	switch {
	case !r.Planned || r.Segments+r.Pieces == 0:
		return "reading the source, " + words(r.Elapsed)
	case r.Joining():
		return "joining the pieces, " + size(r.Bytes) + ", " + words(r.Elapsed)
	}
	part := r.Fraction
	if r.Segments == 0 {
		part = r.Sound
	}
	return fmt.Sprintf("%.0f %%, %s", 100*part, strings.Join(facts(r, r.Segments > 0), ", "))
}

// rate gives a number with about three digits.
func rate(v float64) string {
	switch {
	case v < 9.95:
		return fmt.Sprintf("%.2f", v)
	case v < 99.5:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
