package manifest

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
)

// Chapter is a part of the film that has a title.
type Chapter struct {
	Start, End int64 // nanoseconds of presentation time
	Title      string
}

// ChaptersVTT returns chapters as WebVTT, for track elements of the kind chapters.
func ChaptersVTT(chapters []Chapter) string {
	var b strings.Builder
	b.WriteString("WEBVTT\n")
	for i, c := range chapters {
		fmt.Fprintf(&b, "\n%d\n%s --> %s\n%s\n", i+1, cueTime(c.Start), cueTime(c.End), html.EscapeString(c.title(i)))
	}
	return b.String()
}

// cueTime formats nanoseconds as WebVTT does.
func cueTime(ns int64) string {
	ms := (max(ns, 0) + 500_000) / 1_000_000
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// title returns the title in one line, or else a name by the number.
func (c Chapter) title(i int) string {
	if text := strings.Join(strings.Fields(c.Title), " "); text != "" {
		return text
	}
	return fmt.Sprintf("Chapter %d", i+1)
}

// ChaptersJSON returns chapters as players of Apple read them, which EXT-X-SESSION-DATA refers to as com.apple.hls.chapters.
func ChaptersJSON(chapters []Chapter) ([]byte, error) {
	type title struct {
		Language string `json:"language"`
		Title    string `json:"title"`
	}
	type entry struct {
		Chapter  int         `json:"chapter"`
		Start    json.Number `json:"start-time"`
		Duration json.Number `json:"duration"`
		Titles   []title     `json:"titles"`
	}
	list := []entry{}
	for i, c := range chapters {
		list = append(list, entry{
			Chapter: i + 1, Start: json.Number(seconds(max(c.Start, 0))), Duration: json.Number(seconds(max(c.End-c.Start, 0))),
			Titles: []title{{"und", c.title(i)}},
		})
	}
	return json.MarshalIndent(list, "", "  ")
}
