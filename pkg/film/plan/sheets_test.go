package plan

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSheetsHaveTheLayoutThatTheirThumbnailsNeed(t *testing.T) {
	for _, c := range []struct {
		count         int64
		columns, rows int
		want          [2]int
	}{
		{1, 10, 10, [2]int{1, 1}},
		{6, 10, 10, [2]int{6, 1}},  // a film of 30 s
		{12, 10, 10, [2]int{6, 2}}, // not 10 × 2, of which 8 tiles would be black
		{13, 5, 5, [2]int{5, 3}},
		{100, 10, 10, [2]int{10, 10}},
		{101, 10, 10, [2]int{10, 6}}, // not a second sheet with one thumbnail
		{26, 5, 5, [2]int{5, 3}},
		{241, 10, 10, [2]int{10, 9}}, // not five sheets of 10 × 5
		{2160, 5, 5, [2]int{5, 5}},   // three hours
		{2160, 10, 10, [2]int{10, 10}},
		{3, 1, 2, [2]int{1, 2}},
	} {
		columns, rows := fitSheet(c.count, c.columns, c.rows)
		if got := [2]int{columns, rows}; got != c.want {
			t.Errorf("%d thumbnails in sheets of at most %d × %d: %v, want %v", c.count, c.columns, c.rows, got, c.want)
		}
	}
}

func TestSheetsAreNeverMostlyBlack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count, columns, rows := rapid.Int64Range(1, 20_000).Draw(t, "count"), rapid.IntRange(1, 50).Draw(t, "columns"), rapid.IntRange(1, 50).Draw(t, "rows")
		c, r := fitSheet(count, columns, rows)
		if c < 1 || r < 1 || c > columns || r > rows {
			t.Fatalf("%d × %d of at most %d × %d", c, r, columns, rows)
		}
		sheet := int64(c) * int64(r)
		if black := (count+sheet-1)/sheet*sheet - count; black >= count || count <= int64(columns)*int64(rows) && (sheet < count || black >= int64(r)) {
			t.Fatalf("%d thumbnails leave %d black tiles in sheets of %d × %d", count, black, c, r)
		}
	})
}
