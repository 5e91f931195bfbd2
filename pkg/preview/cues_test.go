package preview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func sheets(count int64, length media.Ticks) Sheets {
	return Sheets{
		Tile: media.Size{Width: 160, Height: 90}, Columns: 3, Rows: 2, Count: count, Length: length,
		Time: film.Pictures{Rate: media.Rational{Num: 1, Den: 5}}.Time,
		Name: func(n int64) string { return SheetName("film", n, film.JPEG) },
	}
}

func TestCuesCoverTheFilmWithoutGapOrOverlap(t *testing.T) {
	var b bytes.Buffer
	if err := sheets(8, 37_000_100).WriteVTT(&b); err != nil {
		t.Fatal(err)
	}
	next := "00:00:00.000"
	for cue := range strings.SplitSeq(strings.TrimPrefix(b.String(), "WEBVTT\n\n"), "\n\n") {
		from, rest, _ := strings.Cut(cue, " --> ")
		to, _, _ := strings.Cut(rest, "\n")
		if from != next {
			t.Errorf("a cue begins at %s, after one that ends at %s", from, next)
		}
		next = to
	}
	if next != "00:00:37.001" {
		t.Errorf("the last cue ends at %s", next)
	}
	if want := "film-sprites-0001.jpg#xywh=160,0,160,90\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("the last cue is not of %s:\n%s", want, b.String())
	}
}

func TestStoryboardAndCuesNameTheSameTiles(t *testing.T) {
	var vtt, board bytes.Buffer
	s := sheets(13, 64_000_000)
	if err := s.WriteVTT(&vtt); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteStoryboard(&board); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tiles []tile `json:"tiles"`
	}
	if err := json.Unmarshal(board.Bytes(), &doc); err != nil {
		t.Fatalf("%v\n%s", err, board.String())
	}
	if len(doc.Tiles) != 13 {
		t.Fatalf("%d tiles", len(doc.Tiles))
	}
	for _, tile := range doc.Tiles {
		cue := fmt.Sprintf("\n%s --> %s\n%s#xywh=%d,%d,160,90\n", timestamp(int64(tile.StartTime)/1e6), timestamp(int64(tile.EndTime)/1e6), tile.Sheet, tile.X, tile.Y)
		if !strings.Contains(vtt.String(), cue) {
			t.Errorf("no cue %q", cue)
		}
	}
}

// What choose has to give, by its definition: the last picture whose number is at most k.
func TestChooseGivesTheLastPictureAtOrBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var chunks []film.PictureChunk
		type stored struct {
			first int64
			p     picture
		}
		var all []stored
		next := rapid.Int64Range(0, 5).Draw(t, "first")
		for c := range rapid.IntRange(1, 4).Draw(t, "chunks") {
			chunk := film.PictureChunk{First: next}
			chunk.Key = fmt.Sprint(c)
			var offset int64
			for n := range rapid.IntRange(1, 5).Draw(t, "pictures") {
				size := rapid.Int64Range(1, 9).Draw(t, "size")
				chunk.Sizes = append(chunk.Sizes, size)
				all = append(all, stored{next + int64(n), picture{0, chunk.Key, offset, size}})
				offset += size
			}
			// The next segment may begin with a frame that replaces this one's last picture, or some time after it.
			next += max(int64(len(chunk.Sizes))+rapid.Int64Range(-1, 3).Draw(t, "gap"), 1)
			chunks = append(chunks, chunk)
		}
		from := rapid.Int64Range(0, next).Draw(t, "from")
		to := from + rapid.Int64Range(1, 10).Draw(t, "number")
		got := choose(chunks, from, to)
		for i, k := 0, from; k < to; i, k = i+1, k+1 {
			want := all[0].p
			for _, s := range all {
				if s.first <= k {
					want = s.p
				}
			}
			want.number = k
			if got[i] != want {
				t.Fatalf("picture %d: got %+v, want %+v of %+v", k, got[i], want, chunks)
			}
		}
		if len(got) != int(to-from) || !slices.IsSortedFunc(got, func(a, b picture) int { return int(a.number - b.number) }) {
			t.Fatalf("got %d pictures for %d to %d", len(got), from, to)
		}
	})
}
