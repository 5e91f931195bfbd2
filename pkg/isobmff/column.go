package isobmff

import "encoding/binary"

// column is a list of numbers, one for each sample, kept as runs of equal values in a compact form: a film's sizes take
// two bytes or three a sample, its durations next to nothing. It can only grow, and be read from the front.
type column struct {
	blocks [][]byte
	rows   int64 // numbers in the column
	runs   int64 // runs of equal numbers
	value  int64 // of the open run
	count  int64
}

// columnBlock is how many bytes a column grows by. Blocks are never copied.
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

// flush stores the open run: its value, zigzag, with a last bit that says whether a count follows.
func (c *column) flush() {
	if c.count == 0 {
		return
	}
	last := len(c.blocks) - 1
	if last < 0 || len(c.blocks[last])+2*binary.MaxVarintLen64 > cap(c.blocks[last]) {
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
	open  bool // the open run was read
	value int64
	left  int64
}

func (c *column) cursor() *cursor { return &cursor{c: c} }

// run returns the next run of equal numbers, whole or what next has left of it; ok is false at the end.
func (r *cursor) run() (value, count int64, ok bool) {
	if r.left == 0 && !r.load() {
		return 0, 0, false
	}
	count, r.left = r.left, 0
	return r.value, count, true
}

// next returns the next number. Reading past the end is the caller's mistake and gives 0.
func (r *cursor) next() int64 {
	if r.left == 0 && !r.load() {
		return 0
	}
	r.left--
	return r.value
}

func (r *cursor) load() bool {
	for len(r.rest) == 0 {
		if r.block == len(r.c.blocks) {
			if r.open || r.c.count == 0 {
				return false
			}
			r.open, r.value, r.left = true, r.c.value, r.c.count
			return true
		}
		r.rest = r.c.blocks[r.block]
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
