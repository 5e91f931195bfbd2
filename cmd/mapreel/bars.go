package main

import (
	"fmt"
	"strings"
)

// formatBars returns the lines that show s on a terminal of width columns: at least one, none longer than width. They
// are ASCII, which terminals of every locale can show.
func formatBars(s snapshot, width int) []string {
	switch {
	case !s.Planned || s.Segments+s.AudioParts == 0:
		return clipLines([]string{"reading the source  " + formatClock(s.Elapsed)}, width)
	case s.Merging():
		return clipLines([]string{fmt.Sprintf("merging  %s  %s", formatBytes(s.Bytes), formatClock(s.Elapsed))}, width)
	}
	var lines []string
	status := fitFields(statusFields(s), statusWidth(width))
	length := barLength(status, width)
	if s.Segments > 0 {
		lines = append(lines, formatBar("video", s.VideoFraction, length)+status)
		status = fitFields([]string{audioParts(s)}, statusWidth(width))
	}
	if s.AudioParts > 0 {
		lines = append(lines, formatBar("audio", s.AudioFraction, length)+status)
	}
	return clipLines(lines, width)
}

// statusFields returns the figures of s in order of importance: those of the video, or of the audio if there is no video.
func statusFields(s snapshot) []string {
	fields := []string{fmt.Sprintf("%d/%d segments", s.Done, s.Segments)}
	if s.Segments == 0 {
		fields = []string{audioParts(s)}
	}
	if s.Remaining >= 0 {
		fields = append(fields, formatClock(s.Remaining)+" left")
	}
	if s.Speed > 0 {
		if s.Segments > 0 {
			fields = append(fields, formatRate(s.FPS)+" fps")
		}
		fields = append(fields, formatRate(s.Speed)+"x")
	}
	return append(fields, formatBytes(s.Bytes))
}

func audioParts(s snapshot) string { return fmt.Sprintf("%d/%d parts", s.AudioDone, s.AudioParts) }

// The columns that a bar has between its brackets.
const minBar, maxBar = 10, 40

// statusWidth returns how many of width columns remain beside a label, the shortest bar and the percentage.
func statusWidth(width int) int { return width - len("video [] 100%") - minBar }

// barLength returns the length of a bar that shares width columns with status.
func barLength(status string, width int) int {
	return min(max(statusWidth(width)-len(status), 0)+minBar, maxBar)
}

// fitFields joins the fields that fit into width columns, two spaces before each.
func fitFields(fields []string, width int) string {
	text := ""
	for _, f := range fields {
		if len(text)+2+len(f) <= width {
			text += "  " + f
		}
	}
	return text
}

// formatBar returns a label, a bar of length columns, and the percentage.
func formatBar(label string, fraction float64, length int) string {
	full := min(int(fraction*float64(length)), length)
	bar := strings.Repeat("=", full)
	if full < length {
		bar += ">" + strings.Repeat(" ", length-full-1)
	}
	return fmt.Sprintf("%s [%s] %3.0f%%", label, bar, 100*fraction)
}

// clipLines cuts each line at width columns.
func clipLines(lines []string, width int) []string {
	for i, line := range lines {
		lines[i] = line[:min(len(line), max(width, 0))]
	}
	return lines
}

// formatLogLine returns s as one line of a log.
func formatLogLine(s snapshot) string {
	switch {
	case !s.Planned || s.Segments+s.AudioParts == 0:
		return "reading the source, " + formatDuration(s.Elapsed)
	case s.Merging():
		return "merging, " + formatBytes(s.Bytes) + ", " + formatDuration(s.Elapsed)
	}
	fraction := s.VideoFraction
	if s.Segments == 0 {
		fraction = s.AudioFraction
	}
	return fmt.Sprintf("%.0f %%, %s", 100*fraction, strings.Join(statusFields(s), ", "))
}

// formatRate formats v with about three digits.
func formatRate(v float64) string {
	switch {
	case v < 9.95:
		return fmt.Sprintf("%.2f", v)
	case v < 99.5:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
