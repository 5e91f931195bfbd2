package preview

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Sheets describes the sheets of thumbnails of a film: what a list of their tiles follows from.
type Sheets struct {
	Tile    media.Size
	Columns int
	Rows    int
	Count   int64                     // tiles
	Length  media.Ticks               // microseconds of the film
	Time    func(k int64) media.Ticks // when tile k begins, in microseconds
	Name    func(n int64) string      // of sheet n
}

// SheetsOf returns the sheets of a preview of an output.
func SheetsOf(j film.Job, out film.OutputPlan, p film.PreviewPlan) Sheets {
	pictures, v := j.Pictures[p.Pictures], *j.Source.Video
	return Sheets{
		Tile: pictures.Size, Columns: p.Columns, Rows: p.Rows, Count: pictures.Count(v), Length: v.Length(), Time: pictures.Time,
		Name: func(n int64) string { return SheetName(out.Name, n, p.Format) },
	}
}

// tile is a thumbnail: a part of a sheet that stands for a part of the film.
type tile struct {
	Sheet      string       `json:"sheet"`
	X          int          `json:"x"`
	Y          int          `json:"y"`
	Start, End media.Ticks  `json:"-"`
	StartTime  film.Seconds `json:"start"`
	EndTime    film.Seconds `json:"end"`
}

// at returns tile k. The tiles cover the film without gap or overlap.
func (s Sheets) at(k int64) tile {
	per := int64(s.Columns) * int64(s.Rows)
	n := int(k % per)
	t := tile{Sheet: s.Name(k / per), X: n % s.Columns * s.Tile.Width, Y: n / s.Columns * s.Tile.Height, Start: s.Time(k), End: s.Length}
	if k+1 < s.Count {
		t.End = s.Time(k + 1)
	}
	t.StartTime, t.EndTime = seconds(t.Start), seconds(t.End)
	return t
}

// WriteVTT writes the tiles as WebVTT, as players take thumbnails: the text of a cue is the URL of a sheet, relative to the file,
// with a spatial media fragment (W3C Media Fragments, 4.2.2).
func (s Sheets) WriteVTT(w io.Writer) error {
	if _, err := io.WriteString(w, "WEBVTT\n"); err != nil {
		return err
	}
	for k := range s.Count {
		t := s.at(k)
		start, end := milliseconds(t.Start), milliseconds(t.End)
		if k+1 == s.Count {
			end = max(int64(t.End+999)/1000, start+1) // the last one covers the film's end
		}
		if _, err := fmt.Fprintf(w, "\n%s --> %s\n%s#xywh=%d,%d,%d,%d\n", timestamp(start), timestamp(end), t.Sheet, t.X, t.Y, s.Tile.Width, s.Tile.Height); err != nil {
			return err
		}
	}
	return nil
}

func milliseconds(t media.Ticks) int64 { return int64(t+500) / 1000 }

// timestamp formats milliseconds as WebVTT does.
func timestamp(ms int64) string {
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// WriteStoryboard writes the tiles as JSON, with the positions that the cues of WriteVTT have.
func (s Sheets) WriteStoryboard(w io.Writer) error {
	duration, err := json.Marshal(seconds(s.Length))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "{\n\"version\": %d,\n\"duration\": %s,\n\"tile_width\": %d,\n\"tile_height\": %d,\n\"columns\": %d,\n\"rows\": %d,\n\"tiles\": [",
		version, duration, s.Tile.Width, s.Tile.Height, s.Columns, s.Rows); err != nil {
		return err
	}
	separator := "\n"
	for k := range s.Count {
		line, err := json.Marshal(s.at(k))
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, separator+string(line)); err != nil {
			return err
		}
		separator = ",\n"
	}
	_, err = io.WriteString(w, "\n]\n}\n")
	return err
}
