package gif

import (
	"cmp"
	"slices"
)

// Colours of a palette, and the index that stands for a pixel that stays as it is.
const (
	colours     = 255
	transparent = 255
)

// Colours are counted by their upper bits. Each bin also has the sums of its samples, so that averages are exact.
const (
	binBits = 6
	bins    = 1 << (3 * binBits)
	levels  = 1 << binBits
)

// binOf returns the bin of a colour.
func binOf(r, g, b byte) int {
	const drop = 8 - binBits
	return int(r>>drop)<<(2*binBits) | int(g>>drop)<<binBits | int(b>>drop)
}

// bin counts pixels of about the same colour.
type bin struct {
	n   int64
	sum [3]int64
	at  [3]byte // the upper bits of its samples
}

// mean returns the average colour of a bin.
func (b bin) mean() (m [3]int32) {
	for i := range m {
		m[i] = int32((b.sum[i] + b.n/2) / b.n)
	}
	return m
}

// histogram counts the colours of an animation. Loading a page of memory for the first time takes longer than all that is done with it, so
// the counts of a bin are packed into one number, and added to full ones before they overflow.
type histogram struct {
	packed []uint64    // of each bin
	full   map[int]bin // of those that were emptied
}

// A packed bin has four fields: the weight of its pixels, and the sums of the lower bits of their samples. The upper bits are those of the
// bin.
const (
	packedBits = 14
	lowBits    = 8 - binBits
	lowMask    = 1<<lowBits - 1
	// maxPacked is the weight from which a bin is emptied: the sums are at most lowMask times as large, and have lowBits more.
	maxPacked = 1<<packedBits - 1 - moving
	redAt     = packedBits
	greenAt   = redAt + packedBits + lowBits
	blueAt    = greenAt + packedBits + lowBits
	lowField  = 1<<(packedBits+lowBits) - 1
)

// moving is how much more a pixel counts that differs from the frame before. What moves is what one looks at; what stays is stored once,
// but needs its colours too, or a sky has bands.
const moving = 2

// add counts the pixels of a frame. Both frames are samples of three bytes a pixel; before is nil for the first one.
func (h *histogram) add(frame, before []byte) {
	for i := 0; i+2 < len(frame); i += 3 {
		r, g, b := frame[i], frame[i+1], frame[i+2]
		weight := uint64(moving)
		if i+2 < len(before) && before[i] == r && before[i+1] == g && before[i+2] == b {
			weight = 1
		}
		n := binOf(r, g, b)
		c := h.packed[n] + weight*(1|uint64(r&lowMask)<<redAt|uint64(g&lowMask)<<greenAt|uint64(b&lowMask)<<blueAt)
		if c&(1<<packedBits-1) > maxPacked {
			h.empty(n, c)
			c = 0
		}
		h.packed[n] = c
	}
}

// empty adds a packed count of bin n to its full one.
func (h *histogram) empty(n int, packed uint64) {
	if h.full == nil {
		h.full = map[int]bin{}
	}
	h.full[n] = h.full[n].plus(n, packed)
}

// plus returns the sum of a bin and of a packed count of bin n.
func (b bin) plus(n int, packed uint64) bin {
	weight := int64(packed & (1<<packedBits - 1))
	b.n += weight
	for i, at := range []int{redAt, greenAt, blueAt} {
		upper := int64(n >> (binBits * (2 - i)) & (levels - 1) << lowBits)
		b.sum[i] += weight*upper + int64(packed>>at&lowField)
	}
	return b
}

// used returns the bins that have pixels, in their order.
func (h *histogram) used() []bin {
	count := 0
	for n := range h.packed {
		if h.has(n) {
			count++
		}
	}
	list := make([]bin, 0, count)
	for n, packed := range h.packed {
		if h.has(n) {
			b := h.full[n].plus(n, packed)
			b.at = [3]byte{byte(n >> (2 * binBits)), byte(n >> binBits & (levels - 1)), byte(n & (levels - 1))}
			list = append(list, b)
		}
	}
	return list
}

// has reports whether bin n has pixels.
func (h *histogram) has(n int) bool { return h.packed[n] != 0 || len(h.full) > 0 && h.full[n].n > 0 }

// palette is a list of colours.
type palette [][3]int32

// rounds is how often the colours are moved to the middle of what they stand for. More change little.
const rounds = 3

// palette returns the colours that stand for those of the histogram with little error.
func (h *histogram) palette() palette {
	used := h.used()
	spare := make([]bin, len(used))
	boxes := []box{newBox(used)}
	for len(boxes) < colours {
		worst := -1
		for i, b := range boxes {
			if len(b.bins) > 1 && (worst < 0 || b.error > boxes[worst].error) {
				worst = i
			}
		}
		if worst < 0 || len(used) == 0 {
			break
		}
		left, right := boxes[worst].split(spare)
		boxes[worst] = left
		boxes = append(boxes, right)
	}
	var p palette
	for _, b := range boxes {
		if b.total.n > 0 {
			p = append(p, b.total.mean())
		}
	}
	for range rounds {
		p.improve(used)
	}
	slices.SortFunc(p, func(a, b [3]int32) int { return slices.Compare(a[:], b[:]) })
	return p
}

// improve moves each colour to the average of the bins that are nearest to it (Lloyd's algorithm).
func (p palette) improve(used []bin) {
	sums := make([]bin, len(p))
	nearest := newSearch(p)
	for _, b := range used {
		s := &sums[nearest.find(b.mean())]
		s.n += b.n
		for i := range s.sum {
			s.sum[i] += b.sum[i]
		}
	}
	for i, s := range sums {
		if s.n > 0 {
			p[i] = s.mean()
		}
	}
}

// search finds the nearest colours of a palette. It has them in the order of their green, which tells most of two colours apart: those
// on both sides of a colour are looked at until green alone is farther away than the best so far.
type search struct {
	colours []searched
	from    [256]int // of the first colour that has as much green
}

type searched struct {
	colour [3]int32
	index  int // in the palette
}

func newSearch(p palette) *search {
	s := &search{colours: make([]searched, len(p))}
	for i, c := range p {
		s.colours[i] = searched{c, i}
	}
	slices.SortFunc(s.colours, func(a, b searched) int {
		return cmp.Or(cmp.Compare(a.colour[1], b.colour[1]), cmp.Compare(a.index, b.index))
	})
	at := 0
	for green := range s.from {
		for at < len(s.colours) && int(s.colours[at].colour[1]) < green {
			at++
		}
		s.from[green] = at
	}
	return s
}

// find returns the index in the palette of the colour that is nearest to c: the first of those that are equally near.
func (s *search) find(c [3]int32) int {
	best, least := 0, int32(1<<30)
	look := func(q searched) (more bool) {
		if g := c[1] - q.colour[1]; greenWeight*g*g > least {
			return false
		}
		if d := distance(c, q.colour); d < least || d == least && q.index < best {
			best, least = q.index, d
		}
		return true
	}
	above := s.from[c[1]]
	below := above - 1
	for up, down := true, true; up || down; {
		if up = up && above < len(s.colours) && look(s.colours[above]); up {
			above++
		}
		if down = down && below >= 0 && look(s.colours[below]); down {
			below--
		}
	}
	return best
}

// greenWeight is how much a difference of green counts for distance.
const greenWeight = 4

// distance returns how far apart two colours are: the eye sees green best, and blue least.
func distance(a, b [3]int32) int32 {
	r, g, bl := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return 3*r*r + greenWeight*g*g + 3*bl*bl
}

// box is a set of bins that one colour stands for.
type box struct {
	bins  []bin
	total bin
	error float64 // sum of the squares of the distances from the average
}

func newBox(list []bin) box {
	x := box{bins: list}
	var squares float64
	for _, b := range list {
		x.total.n += b.n
		for i := range b.sum {
			x.total.sum[i] += b.sum[i]
			squares += float64(float64(b.sum[i]) * float64(b.sum[i]) / float64(b.n))
		}
	}
	if x.total.n > 0 {
		x.error = squares - about(x.total)
	}
	return x
}

// about returns the part of the sum of squares that an average explains. Its conversions keep the processors that can from fusing
// operations, which would make other palettes there.
func about(b bin) (sum float64) {
	if b.n == 0 {
		return 0
	}
	for _, s := range b.sum {
		sum += float64(float64(s) * float64(s) / float64(b.n))
	}
	return sum
}

// split divides a box of two bins or more by the plane that leaves the least error. The two have its list between them. spare has room for
// as many bins.
func (x box) split(spare []bin) (left, right box) {
	axis, cut, best := 0, 0, -1.0
	for i := range 3 {
		var level [levels]bin
		for _, b := range x.bins {
			l := &level[b.at[i]]
			l.n += b.n
			for s := range l.sum {
				l.sum[s] += b.sum[s]
			}
		}
		var below bin
		for at := range levels - 1 {
			below.n += level[at].n
			above := x.total
			for s := range below.sum {
				below.sum[s] += level[at].sum[s]
				above.sum[s] -= below.sum[s]
			}
			above.n -= below.n
			if below.n == 0 || above.n == 0 {
				continue
			}
			if e := about(below) + about(above); e > best {
				axis, cut, best = i, at, e
			}
		}
	}
	low, high := x.bins[:0], spare[:0] // in their order, on which the sums of newBox depend
	for _, b := range x.bins {
		if int(b.at[axis]) <= cut {
			low = append(low, b)
		} else {
			high = append(high, b)
		}
	}
	copy(x.bins[len(low):], high)
	return newBox(low), newBox(x.bins[len(low):])
}
