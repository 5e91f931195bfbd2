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
		if r.Segments > 0 {
			rows = append(rows, barRow("picture", r.Fraction, facts(r, true), width))
		}
		if r.Pieces > 0 {
			text := []string{fmt.Sprintf("%d/%d pieces", r.Heard, r.Pieces)}
			if r.Segments == 0 {
				text = facts(r, false)
			}
			rows = append(rows, barRow("sound  ", r.Sound, text, width))
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

// barRow is a name, a bar, how full it is, and as many of the facts as there is room for beside a bar of minBar.
func barRow(name string, fraction float64, facts []string, width int) string {
	const minBar, maxBar = 10, 40
	percent := fmt.Sprintf("%3.0f%%", 100*fraction)
	fixed := len(name) + 1 + len("[]") + 1 + len(percent)
	text := ""
	for _, f := range facts {
		if fixed+minBar+len(text)+2+len(f) <= width {
			text += "  " + f
		}
	}
	room := min(max(width-fixed-len(text), minBar), maxBar)
	full := min(int(fraction*float64(room)), room)
	bar := strings.Repeat("=", full)
	if full < room {
		bar += ">" + strings.Repeat(" ", room-full-1)
	}
	return name + " [" + bar + "] " + percent + text
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
