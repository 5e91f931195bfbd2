package plan

import "github.com/mapreel/mapreel/pkg/film"

// FitSheets sizes the sheets of a job's thumbnails to their number, once the source's length is known. The columns and rows of a request
// are the most that a sheet has.
func FitSheets(j *film.Job) {
	for o := range j.Outputs {
		for n := range j.Outputs[o].Previews {
			p := &j.Outputs[o].Previews[n]
			if p.Form == film.Sprites {
				p.Columns, p.Rows = fitSheet(j.Pictures[p.Pictures].Count(*j.Source.Video), p.Columns, p.Rows)
				p.Unit = int64(p.Columns) * int64(p.Rows)
			}
		}
	}
}

// fitSheet returns the layout of sheets for so many thumbnails, of at most so many columns and rows. All sheets of a film have one
// layout, because DASH and some pages find thumbnails by arithmetic, so tiles of the last one may stay black. Where all thumbnails
// fit into one sheet, that has as many rows and columns as they need. Otherwise, if more than a tenth of all tiles would be black, sheets
// have fewer rows: the most with which the last one is half full. They have no less than half, because each sheet is an object.
func fitSheet(count int64, columns, rows int) (fittedColumns, fittedRows int) {
	if most := int64(columns) * int64(rows); count <= most {
		rows = int((count + int64(columns) - 1) / int64(columns))
		return int((count + int64(rows) - 1) / int64(rows)), rows
	}
	black := func(rows int) int64 {
		sheet := int64(columns) * int64(rows)
		return (count+sheet-1)/sheet*sheet - count
	}
	best := rows
	for r := rows; 2*r >= rows && 10*black(best) > count && 2*black(best) > int64(columns*best); r-- {
		if black(r) < black(best) {
			best = r
		}
	}
	return columns, best
}
