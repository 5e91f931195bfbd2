package progressive

import (
	"math"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/ticks"
)

// layout describes the chunks of the sample tables: the samples and the place of each.
type layout struct {
	ranges []Range
	tracks []trackLayout
	wide   bool // offsets need 64 bits
}

// trackLayout describes the chunks of one track.
type trackLayout struct {
	chunks column  // samples in each chunk
	entry  column  // index of each chunk's sample entry
	offset []int64 // where each chunk starts
}

// widen makes offsets 64 bits wide and returns the number of bytes by which the header grows.
func (l *layout) widen() int64 {
	l.wide = true
	var n int64
	for _, t := range l.tracks {
		n += 4 * int64(len(t.offset))
	}
	return n
}

// moveTo turns chunk offsets that count from the end of the header, of head bytes, into offsets in
// the file.
func (l *layout) moveTo(head int64) {
	for _, t := range l.tracks {
		for i := range t.offset {
			t.offset[i] += head
		}
	}
}

// layOut divides each track into chunks along a grid of the movie's time, so that the layout does
// not depend on the inputs' boundaries, and places the chunks of each grid cell side by side. All
// subtitles come first: they are small, and between video and audio they would break up the ranges
// that a store copies in one operation.
func (s *Stitcher) layOut() (*layout, error) {
	l := &layout{tracks: make([]trackLayout, len(s.tracks))}
	walks := make([]*trackWalk, len(s.tracks))
	for i, t := range s.tracks {
		walks[i] = newTrackWalk(t, s.movie.Tracks[i], ticks.NewGrid(s.movie.Interleave, t.timescale))
	}
	at := int64(len(s.titles))
	if s.chapters != nil {
		titles := trackLayout{offset: []int64{0}}
		titles.chunks.add(s.chapters.count, 1)
		titles.entry.add(0, 1)
		l.tracks = append(l.tracks, titles)
	}
	for {
		next := -1
		for i, w := range walks {
			if w.left > 0 && (next < 0 || w.cell < walks[next].cell) {
				next = i
			}
		}
		if next < 0 {
			return l, nil
		}
		t := &l.tracks[next]
		n, size, entry := walks[next].nextChunk(func(input int, offset, length int64) {
			l.ranges = appendRange(l.ranges, Range{next, input, offset, length})
		})
		t.chunks.add(n, 1)
		t.entry.add(int64(entry), 1)
		t.offset = append(t.offset, at)
		at += size
	}
}

// appendRange appends a range, or extends the last one if the range follows it directly.
func appendRange(to []Range, r Range) []Range {
	if r.Length == 0 {
		return to
	}
	if n := len(to); n > 0 && to[n-1].Track == r.Track && to[n-1].Chunk == r.Chunk && to[n-1].Offset+to[n-1].Length == r.Offset {
		to[n-1].Length += r.Length
		return to
	}
	return append(to, r)
}

// trackWalk walks a track from chunk to chunk.
type trackWalk struct {
	inputs           []input
	durations, sizes *cursor
	grid             ticks.Grid
	beforeGrid       bool // the whole track lies before the first cell

	left   int64 // samples left
	now    int64 // movie time of the next sample, ticks; negative while priming
	cell   int64 // its cell of the grid
	until  int64 // first tick of the next cell
	input  int   // index of the input that has the next sample
	passed int64 // samples of the input that were passed
	gap    int   // gaps of the input that were passed
	offset int64 // of the next sample in the input
}

func newTrackWalk(t *stitched, m Track, grid ticks.Grid) *trackWalk {
	isText := m.Handler == "sbtl" || m.Handler == "text" || m.Handler == "subt"
	w := &trackWalk{
		inputs: t.inputs, durations: t.durations.cursor(), sizes: t.sizes.cursor(),
		grid: grid, beforeGrid: isText, left: t.count, now: m.Delay - m.Skip, offset: t.inputs[0].header,
	}
	w.findCell()
	w.findSample()
	return w
}

// findCell sets the cell of the next sample.
func (w *trackWalk) findCell() {
	if w.beforeGrid {
		w.cell, w.until = -1, math.MaxInt64
		return
	}
	w.cell = w.grid.Cell(w.now)
	w.until = w.grid.After(w.cell)
}

// findSample sets the input that has the next sample, and the sample's offset, which lies after any
// gaps before it.
func (w *trackWalk) findSample() {
	for w.left > 0 && w.passed == w.inputs[w.input].samples {
		w.input++
		w.passed, w.gap, w.offset = 0, 0, w.inputs[w.input].header
	}
	if w.left == 0 {
		return
	}
	for gaps := w.inputs[w.input].interleaved; w.gap < len(gaps) && gaps[w.gap].before == w.passed; w.gap++ {
		w.offset += gaps[w.gap].bytes
	}
}

// nextChunk passes the samples of the next chunk and reports where their bytes lie. A chunk has one
// sample entry and ends at the end of the cell.
func (w *trackWalk) nextChunk(report func(input int, offset, length int64)) (samples, size int64, entry int) {
	entry = w.inputs[w.input].entry
	for w.left > 0 && w.inputs[w.input].entry == entry {
		n := w.sizes.next()
		report(w.input, w.offset, n)
		w.offset += n
		size += n
		samples++
		w.passed++
		w.left--
		w.now += w.durations.next()
		w.findSample()
		if w.now >= w.until {
			break
		}
	}
	if w.left > 0 && w.now >= w.until {
		w.findCell()
	}
	return samples, size, entry
}
