package isobmff

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// InterleavedRange is a stretch of another piece's samples that a stored piece of picture holds a copy of, where the finished movie
// has it: between its own samples. So what is one stretch of the movie is one stretch of the piece, and a store can copy
// it whole instead of a second of picture and a second of sound in turn. Interleaved ranges are a convenience: a movie made
// without them has the same bytes.
type InterleavedRange struct {
	Before         int    // the piece's sample that it lies before; the number of samples where it lies after the last
	Name           string // what the piece that it is of is called by who stores it
	Offset, Length int64  // of its bytes in that piece, as stored
}

// Payload is the number of bytes after the header: the samples' and the guests'.
func (p Chunk) Payload() int64 {
	n := p.Bytes
	for _, g := range p.Interleaved {
		n += g.Length
	}
	return n
}

// InterleavedOffsets returns where in the stored piece each guest begins.
func (p Chunk) InterleavedOffsets() []int64 {
	seats := make([]int64, len(p.Interleaved))
	at, sample := p.Header, 0
	for i, g := range p.Interleaved {
		for ; sample < g.Before; sample++ {
			at += int64(p.Samples[sample].Size)
		}
		seats[i] = at
		at += g.Length
	}
	return seats
}

// groups calls f for each run of samples without a guest in between: where it begins after the header, and which ones.
func (p Chunk) groups(f func(offset int64, from, to int)) {
	var at int64
	from := 0
	emit := func(to int) {
		if to == from {
			return
		}
		f(at, from, to)
		for ; from < to; from++ {
			at += int64(p.Samples[from].Size)
		}
	}
	for _, g := range p.Interleaved {
		emit(g.Before)
		at += g.Length
	}
	emit(len(p.Samples))
}

// InterleaveSource is a stored piece of another track of the movie that may be a guest.
type InterleaveSource struct {
	Name  string
	Chunk Chunk
	Zero  int64 // movie time, in ticks of the piece, at which its decode time is 0
}

// Interleave returns the piece with the stretches of other pieces as guests that a Stitcher puts between its samples. The
// piece's decode times are the movie's. tracks are the other tracks in the movie's order, the pieces of each in the order
// of time. The cells of the grid (Movie.Interleave) that begin within from and until have their guests here, so that
// neighbouring pieces have none in common; from nil is the movie's start, until nil its end, but no more than a
// minute beyond the last sample.
func (p Chunk) Interleave(grid time.Duration, from, until *int64, tracks [][]InterleaveSource) Chunk {
	own := newGrid(grid, p.Track.Timescale)
	cells := make([]int64, len(p.Samples)) // of the samples
	now := p.Start
	last := int64(0)
	for i, s := range p.Samples {
		cells[i] = own.cell(now)
		last = cells[i]
		now += int64(s.Duration)
	}
	first, end := int64(0), last+int64(time.Minute/own.length)+1
	if from != nil {
		first = own.cell(*from)
	}
	if until != nil {
		end = own.cell(*until)
	}
	p.Interleaved = nil
	walks := make([]*companyWalk, len(tracks))
	for i, track := range tracks {
		walks[i] = &companyWalk{rest: track, grid: grid}
		walks[i].settle()
		walks[i].take(first, func(string, int64, int64) {})
	}
	for {
		cell := end
		for _, w := range walks {
			cell = min(cell, w.cell)
		}
		if cell >= end {
			if p.Payload() > math.MaxInt32/2 { // a run's place in a fragment has 31 bits
				p.Interleaved = nil
			}
			return p
		}
		// Samples are in order of decoding, and so are their cells.
		before, _ := slices.BinarySearch(cells, cell+1)
		for _, w := range walks {
			w.take(cell+1, func(name string, offset, length int64) {
				if n := len(p.Interleaved); n > 0 {
					if g := &p.Interleaved[n-1]; g.Before == before && g.Name == name && g.Offset+g.Length == offset {
						g.Length += length
						return
					}
				}
				p.Interleaved = append(p.Interleaved, InterleavedRange{before, name, offset, length})
			})
		}
	}
}

// companyWalk goes through the samples of a track.
type companyWalk struct {
	rest   []InterleaveSource
	grid   time.Duration
	sample int
	now    int64 // decode time of the sample
	offset int64 // of the sample in its piece
	cell   int64 // of the sample; math.MaxInt64 at the end
	begun  bool  // the piece
}

func (w *companyWalk) settle() {
	for ; len(w.rest) > 0; w.rest, w.begun = w.rest[1:], false {
		c := w.rest[0]
		if !w.begun {
			w.begun, w.sample, w.now, w.offset = true, 0, c.Chunk.Start, c.Chunk.Header
		}
		if w.sample < len(c.Chunk.Samples) {
			w.cell = newGrid(w.grid, c.Chunk.Track.Timescale).cell(w.now + c.Zero)
			return
		}
	}
	w.cell = math.MaxInt64
}

// take reports the samples in cells before end.
func (w *companyWalk) take(end int64, report func(name string, offset, length int64)) {
	for w.cell < end {
		c := w.rest[0]
		s := c.Chunk.Samples[w.sample]
		if s.Size > 0 {
			report(c.Name, w.offset, int64(s.Size))
		}
		w.sample++
		w.now += int64(s.Duration)
		w.offset += int64(s.Size)
		w.settle()
	}
}

// grid divides a movie's time into cells. The samples of a track in one cell lie side by side.
type grid struct {
	length time.Duration
	each   uint64 // of a cell, in thousandths of a tick
}

// newGrid is the grid of Movie.Interleave for a track.
func newGrid(length time.Duration, timescale uint32) grid {
	if length == 0 {
		length = time.Second
	}
	length = min(max(length, time.Millisecond), time.Hour)
	return grid{length, uint64(length.Milliseconds()) * uint64(timescale)}
}

// cell is the one that holds a movie time in ticks of the track; what comes before 0 is in the first.
func (g grid) cell(at int64) int64 {
	if at <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(at), 1000)
	if hi >= g.each {
		return math.MaxInt64
	}
	cell, _ := bits.Div64(hi, lo, g.each)
	return int64(min(cell, math.MaxInt64))
}

// after is the first tick in a later cell.
func (g grid) after(cell int64) int64 { return int64(rescaleUp(uint64(cell)+1, g.each, 1000)) }

// guestsID is the type of the box that lists a stored piece's guests, between moov and moof.
var guestsID = []byte{0x6d, 0x61, 0x70, 0x72, 0x65, 0x65, 0x6c, 0x2d, 0x67, 0x75, 0x65, 0x73, 0x74, 0x73, 0x00, 0x01}

// guestsBox lists the guests: names, then of each guest how many samples lie between it and the one before, the number
// of its name, offset and length. Nil where there are none.
func (p Chunk) guestsBox() ([]byte, error) {
	if len(p.Interleaved) == 0 {
		return nil, nil
	}
	var names []string
	number := map[string]int{}
	var rows []byte
	before := 0
	for i, g := range p.Interleaved {
		if g.Before < before || g.Before > len(p.Samples) || g.Offset < 0 || g.Length <= 0 {
			return nil, fault.New(fault.Internal, "guest %d: %d bytes from %d before sample %d of %d", i, g.Length, g.Offset, g.Before, len(p.Samples))
		}
		n, ok := number[g.Name]
		if !ok {
			n = len(names)
			number[g.Name] = n
			names = append(names, g.Name)
		}
		for _, v := range []uint64{uint64(g.Before - before), uint64(n), uint64(g.Offset), uint64(g.Length)} {
			rows = binary.AppendUvarint(rows, v)
		}
		before = g.Before
	}
	content := binary.AppendUvarint(slices.Clone(guestsID), uint64(len(names)))
	for _, name := range names {
		content = append(binary.AppendUvarint(content, uint64(len(name))), name...)
	}
	content = binary.AppendUvarint(content, uint64(len(p.Interleaved)))
	return appendBox(nil, "uuid", append(content, rows...)), nil
}

// readGuests reads the content of the box.
func readGuests(content []byte, samples int) ([]InterleavedRange, error) {
	bad := fault.New(fault.Corrupt, "an unreadable list of guests")
	rest, ok := bytes.CutPrefix(content, guestsID)
	if !ok {
		return nil, nil
	}
	next := func(most int) int {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > uint64(most) {
			ok = false
			return 0
		}
		rest = rest[n:]
		return int(v)
	}
	const largest = math.MaxInt64 / 4
	names := make([]string, next(len(rest)))
	for i := range names {
		n := next(len(rest))
		if !ok || n > len(rest) {
			return nil, bad
		}
		names[i], rest = string(rest[:n]), rest[n:]
	}
	guests := make([]InterleavedRange, next(len(rest)))
	before := 0
	for i := range guests {
		before += next(samples - before)
		name := next(len(names) - 1)
		if !ok || name >= len(names) {
			return nil, bad
		}
		guests[i] = InterleavedRange{before, names[name], int64(next(largest)), int64(next(largest))}
	}
	if !ok || len(rest) > 0 {
		return nil, bad
	}
	return guests, nil
}
