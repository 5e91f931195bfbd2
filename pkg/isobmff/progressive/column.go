package progressive

import (
	"encoding/binary"
	"fmt"
	"io"
)

// column is a list of numbers, one for each sample. It stores runs of equal values compactly: a
// film's sizes take two or three bytes a sample, its durations almost nothing. Numbers can only be
// appended, and read from the front.
type column struct {
	spill   *spill   // takes full blocks; nil if they stay in memory
	spilled []extent // the full blocks in spill, which precede those in blocks
	blocks  [][]byte
	rows    int64 // numbers in the column
	runs    int64 // runs of equal numbers
	value   int64 // value of the open run, which is not in a block yet
	count   int64 // length of the open run
}

// columnBlock is the number of bytes by which a column grows. Blocks are never copied.
const columnBlock = 32 << 10

// add appends v, n times.
func (c *column) add(v, n int64) {
	if n == 0 {
		return
	}
	c.rows += n
	if c.count > 0 && c.value == v {
		c.count += n
		return
	}
	c.flush()
	c.value, c.count = v, n
	c.runs++
}

// flush stores the open run: its value in zigzag encoding, with a last bit that is set if a count
// follows.
func (c *column) flush() {
	if c.count == 0 {
		return
	}
	last := len(c.blocks) - 1
	switch {
	case last >= 0 && len(c.blocks[last])+2*binary.MaxVarintLen64 <= columnBlock:
	case last >= 0 && c.spill != nil:
		c.spilled = append(c.spilled, c.spill.put(c.blocks[last]))
		c.blocks[last] = c.blocks[last][:0]
	default:
		c.blocks = append(c.blocks, make([]byte, 0, columnBlock))
		last++
	}
	head := (uint64(c.value)<<1 ^ uint64(c.value>>63)) << 1
	if c.count == 1 {
		c.blocks[last] = binary.AppendUvarint(c.blocks[last], head)
	} else {
		c.blocks[last] = binary.AppendUvarint(c.blocks[last], head|1)
		c.blocks[last] = binary.AppendUvarint(c.blocks[last], uint64(c.count-2))
	}
	c.count = 0
}

// cursor reads a column from the front.
type cursor struct {
	c     *column
	block int
	rest  []byte
	read  []byte // buffer for a block of the spill
	open  bool   // the open run was read
	value int64
	left  int64
}

func (c *column) cursor() *cursor { return &cursor{c: c} }

// run returns the next run of equal numbers, or the part of it that next has not returned. ok is
// false at the end.
func (r *cursor) run() (value, count int64, ok bool) {
	if r.left == 0 && !r.load() {
		return 0, 0, false
	}
	count, r.left = r.left, 0
	return r.value, count, true
}

// next returns the next number, or 0 after the end, where callers must not read.
func (r *cursor) next() int64 {
	if r.left == 0 && !r.load() {
		return 0
	}
	r.left--
	return r.value
}

func (r *cursor) load() bool {
	for len(r.rest) == 0 {
		switch n := r.block - len(r.c.spilled); {
		case n < 0:
			r.read = r.c.spill.get(r.read, r.c.spilled[r.block])
			r.rest = r.read
		case n < len(r.c.blocks):
			r.rest = r.c.blocks[n]
		case r.open || r.c.count == 0:
			return false
		default:
			r.open, r.value, r.left = true, r.c.value, r.c.count
			return true
		}
		r.block++
	}
	head, n := binary.Uvarint(r.rest)
	r.rest = r.rest[n:]
	v := head >> 1
	r.value, r.left = int64(v>>1)^-int64(v&1), 1
	if head&1 == 1 {
		count, n := binary.Uvarint(r.rest)
		r.rest = r.rest[n:]
		r.left = int64(count) + 2
	}
	return true
}

// spill stores the blocks of columns in a file. It keeps its first error; data read after an error
// are meaningless.
type spill struct {
	file Tables
	end  int64
	err  error
}

// extent is the place of a block in a spill.
type extent struct {
	at int64
	n  int
}

func (s *spill) put(block []byte) extent {
	e := extent{s.end, len(block)}
	s.end += int64(len(block))
	if s.err == nil {
		if _, err := s.file.WriteAt(block, e.at); err != nil {
			s.err = fmt.Errorf("write sample tables: %w", err)
		}
	}
	return e
}

func (s *spill) get(into []byte, e extent) []byte {
	if s.err != nil {
		return nil
	}
	if into == nil {
		into = make([]byte, columnBlock)
	}
	into = into[:e.n]
	if n, err := s.file.ReadAt(into, e.at); n < e.n {
		s.err = fmt.Errorf("read sample tables: %w", err)
		return nil
	}
	return into
}

// Tables is a temporary file, empty at first, in which a Stitcher stores sample tables: about five
// bytes a sample.
type Tables interface {
	io.ReaderAt
	io.WriterAt
}
