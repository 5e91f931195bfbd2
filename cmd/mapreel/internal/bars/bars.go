// Package bars draws progress in lines of a terminal.
package bars

import (
	"fmt"
	"path"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/progress"
)

// Lines returns the lines that show s on a terminal of width columns: at least one, none longer than width. They
// are ASCII, which terminals of every locale can show.
func Lines(s progress.Snapshot, width int) []string {
	switch {
	case !s.Planned || s.Segments+s.AudioParts+len(s.Groups) == 0:
		return Clip([]string{"reading the source  " + format.Clock(s.Elapsed)}, width)
	case s.Merging() && len(s.Groups) > 0:
		return Clip([]string{"publishing  " + format.Clock(s.Elapsed)}, width)
	case len(s.Groups) > 0:
		return Clip(groupLines(s.Groups, width), width)
	case s.Merging():
		return Clip([]string{fmt.Sprintf("merging  %s  %s", format.Bytes(s.Bytes), format.Clock(s.Elapsed))}, width)
	}
	var lines []string
	status := FitFields(statusFields(s), StatusWidth(width))
	length := BarLength(status, width)
	if s.Segments > 0 {
		lines = append(lines, Bar("video", s.Fraction(), length)+status)
		status = FitFields([]string{audioParts(s)}, StatusWidth(width))
	}
	if s.AudioParts > 0 {
		lines = append(lines, Bar("audio", s.AudioFraction, length)+status)
	}
	return Clip(lines, width)
}

// longestLabel is how many columns the name of a group has at most.
const longestLabel = 16

// Label returns the last part of a group's name: of tool/captions, captions.
func Label(name string) string {
	label := path.Base(name)
	return label[:min(len(label), longestLabel)]
}

// groupLines returns a bar for each group but those of outputs.
func groupLines(groups []progress.Group, width int) (lines []string) {
	longest := 0
	for _, g := range groups {
		if !g.Outputs() {
			longest = max(longest, len(Label(g.Name)))
		}
	}
	room := StatusWidth(width) + len("video") - longest
	for _, g := range groups {
		if g.Outputs() {
			continue
		}
		noun, _, _ := strings.Cut(g.Noun, " of ") // the label says of which
		status := FitFields(groupFields(g, noun), room)
		length := min(max(room-len(status), 0)+minBar, maxBar)
		lines = append(lines, Bar(fmt.Sprintf("%-*s", longest, Label(g.Name)), g.Fraction(), length)+status)
	}
	return lines
}

// groupFields returns the figures of a group in order of importance.
func groupFields(g progress.Group, noun string) []string {
	list := []string{fmt.Sprintf("%d/%d %s", g.Done, g.Units, noun)}
	if g.Remaining >= 0 && g.Done < g.Units {
		list = append(list, format.Clock(g.Remaining)+" left")
	}
	return list
}

// statusFields returns the figures of s in order of importance: those of the video, or of the audio if there is no video.
func statusFields(s progress.Snapshot) []string {
	if s.Rendering() {
		return []string{fmt.Sprintf("%d/%d %s", s.FramesDone, s.Frames, s.FrameNoun()), "rendering"}
	}
	if s.FirstPass() {
		return []string{fmt.Sprintf("%d/%d segments", s.PassesDone, s.Passes), "first pass"}
	}
	fields := []string{fmt.Sprintf("%d/%d segments", s.Done, s.Segments)}
	if s.Segments == 0 {
		fields = []string{audioParts(s)}
	}
	if s.Remaining >= 0 {
		fields = append(fields, format.Clock(s.Remaining)+" left")
	}
	if s.Speed > 0 {
		if s.Segments > 0 {
			fields = append(fields, format.Rate(s.FPS)+" fps")
		}
		fields = append(fields, format.Rate(s.Speed)+"x")
	}
	return append(fields, format.Bytes(s.Bytes))
}

func audioParts(s progress.Snapshot) string {
	return fmt.Sprintf("%d/%d parts", s.AudioDone, s.AudioParts)
}

// The columns that a bar has between its brackets.
const minBar, maxBar = 10, 40

// StatusWidth returns how many of width columns remain beside a label, the shortest bar and the percentage.
func StatusWidth(width int) int { return width - len("video [] 100%") - minBar }

// BarLength returns the length of a bar that shares width columns with status.
func BarLength(status string, width int) int {
	return min(max(StatusWidth(width)-len(status), 0)+minBar, maxBar)
}

// FitFields joins the fields that fit into width columns, two spaces before each.
func FitFields(fields []string, width int) string {
	text := ""
	for _, f := range fields {
		if len(text)+2+len(f) <= width {
			text += "  " + f
		}
	}
	return text
}

// Bar returns a label, a bar of length columns, and the percentage.
func Bar(label string, fraction float64, length int) string {
	full := min(int(fraction*float64(length)), length)
	bar := strings.Repeat("=", full)
	if full < length {
		bar += ">" + strings.Repeat(" ", length-full-1)
	}
	return fmt.Sprintf("%s [%s] %3.0f%%", label, bar, 100*fraction)
}

// Clip cuts each line at width columns.
func Clip(lines []string, width int) []string {
	for i, line := range lines {
		lines[i] = line[:min(len(line), max(width, 0))]
	}
	return lines
}

// LogLine returns s as one line of a log.
func LogLine(s progress.Snapshot) string {
	switch {
	case !s.Planned || s.Segments+s.AudioParts+len(s.Groups) == 0:
		return "reading the source, " + format.Duration(s.Elapsed)
	case s.Merging() && len(s.Groups) > 0:
		return "publishing, " + format.Duration(s.Elapsed)
	case len(s.Groups) > 0:
		var parts []string
		for _, g := range s.Groups {
			if !g.Outputs() {
				parts = append(parts, strings.Join(groupFields(g, g.Noun), ", "))
			}
		}
		return strings.Join(parts, "; ")
	case s.Merging():
		return "merging, " + format.Bytes(s.Bytes) + ", " + format.Duration(s.Elapsed)
	}
	return fmt.Sprintf("%.0f %%, %s", 100*s.Fraction(), strings.Join(statusFields(s), ", "))
}
