package isobmff

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/ticks"
)

// InterleavedRange is a copy of another chunk's samples that a stored video chunk holds between its
// own samples, where the finished movie has them. A contiguous part of the movie is then contiguous
// in the chunk, and a store can copy it in one operation instead of alternating between a second of
// video and a second of audio. It is only an optimisation: a movie made of chunks without
// interleaved ranges has the same bytes.
type InterleavedRange struct {
	Before         int    // the chunk's sample that follows the range; len(Samples) if the range follows the last one
	Name           string // the caller's name of the chunk that the range was copied from
	Offset, Length int64  // of the bytes in that chunk as stored
}

// Payload returns the number of bytes after the header: those of the samples and of the interleaved
// ranges.
func (c Chunk) Payload() int64 {
	n := c.Bytes
	for _, r := range c.Interleaved {
		n += r.Length
	}
	return n
}

// InterleavedOffsets returns the offset of each interleaved range in the stored chunk.
func (c Chunk) InterleavedOffsets() []int64 {
	offsets := make([]int64, len(c.Interleaved))
	at, sample := c.Header, 0
	for i, r := range c.Interleaved {
		for ; sample < r.Before; sample++ {
			at += int64(c.Samples[sample].Size)
		}
		offsets[i] = at
		at += r.Length
	}
	return offsets
}

// runs calls f for each run of samples without an interleaved range between them. The run consists
// of the samples from, …, to-1 and begins offset bytes after the header.
func (c Chunk) runs(f func(offset int64, from, to int)) {
	var at int64
	from := 0
	emit := func(to int) {
		if to == from {
			return
		}
		f(at, from, to)
		for ; from < to; from++ {
			at += int64(c.Samples[from].Size)
		}
	}
	for _, r := range c.Interleaved {
		emit(r.Before)
		at += r.Length
	}
	emit(len(c.Samples))
}

// InterleaveSource is a stored chunk of another track of the movie, whose samples Interleave may
// copy.
type InterleaveSource struct {
	Name  string // as InterleavedRange.Name
	Chunk Chunk
	Zero  int64 // the movie time of decode time 0, in ticks of the chunk
}

// Interleave returns the chunk with those samples of other chunks as interleaved ranges that a
// movie has between the chunk's own samples. The chunk's decode times are movie times. tracks are
// the other tracks in the movie's order, the chunks of each in order of time. grid is the movie's
// interleaving (progressive.Movie.Interleave). The chunk gets the ranges of the grid's cells that
// begin in [from, until), so that neighbouring chunks share none. A nil from is the movie's start;
// a nil until is its end, but at most a minute after the last sample.
func (c Chunk) Interleave(grid time.Duration, from, until *int64, tracks [][]InterleaveSource) Chunk {
	own := ticks.NewGrid(grid, c.Track.Timescale)
	cells := make([]int64, len(c.Samples)) // the cell of each sample
	now := c.Start
	last := int64(0)
	for i, s := range c.Samples {
		cells[i] = own.Cell(now)
		last = cells[i]
		now += int64(s.Duration)
	}
	first, end := int64(0), last+int64(time.Minute/own.Length)+1
	if from != nil {
		first = own.Cell(*from)
	}
	if until != nil {
		end = own.Cell(*until)
	}
	c.Interleaved = nil
	walks := make([]*sourceWalk, len(tracks))
	for i, track := range tracks {
		walks[i] = &sourceWalk{rest: track, grid: grid}
		walks[i].findSample()
		walks[i].report(first, func(string, int64, int64) {})
	}
	for {
		cell := end
		for _, w := range walks {
			cell = min(cell, w.cell)
		}
		if cell >= end {
			if c.Payload() > math.MaxInt32/2 { // the data offset of a run (trun) has 31 bits
				c.Interleaved = nil
			}
			return c
		}
		// Samples are in decode order, and so are their cells.
		before, _ := slices.BinarySearch(cells, cell+1)
		for _, w := range walks {
			w.report(cell+1, func(name string, offset, length int64) {
				if n := len(c.Interleaved); n > 0 {
					if r := &c.Interleaved[n-1]; r.Before == before && r.Name == name && r.Offset+r.Length == offset {
						r.Length += length
						return
					}
				}
				c.Interleaved = append(c.Interleaved, InterleavedRange{before, name, offset, length})
			})
		}
	}
}

// sourceWalk walks the samples of a track.
type sourceWalk struct {
	rest    []InterleaveSource // the chunks not passed yet; the first is the current one
	grid    time.Duration
	started bool  // the current chunk's first sample was found
	sample  int   // index of the current sample
	now     int64 // its decode time
	offset  int64 // its offset in the stored chunk
	cell    int64 // its cell; math.MaxInt64 at the end of the track
}

// findSample moves to the next chunk if the current one has no samples left, and sets the cell.
func (w *sourceWalk) findSample() {
	for ; len(w.rest) > 0; w.rest, w.started = w.rest[1:], false {
		source := w.rest[0]
		if !w.started {
			w.started, w.sample, w.now, w.offset = true, 0, source.Chunk.Start, source.Chunk.Header
		}
		if w.sample < len(source.Chunk.Samples) {
			w.cell = ticks.NewGrid(w.grid, source.Chunk.Track.Timescale).Cell(w.now + source.Zero)
			return
		}
	}
	w.cell = math.MaxInt64
}

// report calls f for each sample in the cells before end, and moves past them.
func (w *sourceWalk) report(end int64, f func(name string, offset, length int64)) {
	for w.cell < end {
		source := w.rest[0]
		s := source.Chunk.Samples[w.sample]
		if s.Size > 0 {
			f(source.Name, w.offset, int64(s.Size))
		}
		w.sample++
		w.now += int64(s.Duration)
		w.offset += int64(s.Size)
		w.findSample()
	}
}
