package s3blob

import (
	"cmp"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// S3's limits on a multipart upload, from "Amazon S3 multipart upload limits" in its user guide
// (docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
const (
	minPart  = 5 << 20 // but for the last
	maxPart  = 5 << 30
	maxParts = 10_000

	// maxObject is 48.8 TiB since December 2025, which is what as many of the largest parts hold. It was 5 TiB before.
	maxObject = maxParts * maxPart
)

const (
	// copyPart is the size above which a copy is split so that S3 copies it in parallel.
	copyPart = 256 << 20

	// gatherPart is the size above which what is gathered is split so that it is sent in parallel. It is streamed, so
	// this is no question of memory: a part is what must be sent again when a connection breaks.
	gatherPart = 16 << 20

	// maxGap is how many bytes are read and thrown away rather than asking S3 a second time for what follows them: about
	// what a connection within AWS carries while S3 finds the object.
	maxGap = 128 << 10
)

// piece is one part of a multipart upload: either a copy of one range by S3, or ranges and bytes that are gathered in
// this process and sent.
type piece struct {
	copied bool
	parts  []blob.Part // exactly one where copied
	size   int64
}

// planPieces arranges parts, of size bytes altogether, as the pieces of an upload: all but the last are of minPart or
// more, none is above maxPart, and there are maxParts at most. canCopy says which parts S3 can copy. As few bytes as
// these limits allow are gathered.
//
// Where that gives too many pieces, as many pairs of neighbours as there are pieces too many are gathered too, the
// smallest: of a film of 10,000 segments that is one pair, or a few.
func planPieces(parts []blob.Part, size int64, canCopy func(blob.Part) bool) ([]piece, error) {
	if size > maxObject {
		return nil, &fault.Error{
			Kind: fault.Unsupported, What: "the object would be larger than the 48.8 TiB that S3 allows",
			Hint: "use a lower bitrate, or HLS or DASH, whose files are small",
		}
	}
	runs := joinRuns(parts)
	l := limits{gather: max(gatherPart, size/fewParts), copied: max(copyPart, size/fewParts)}
	copyable := make([]bool, len(runs))
	for i, r := range runs {
		copyable[i] = canCopy(r)
	}
	for {
		pieces := arrange(runs, copyable, l)
		tooMany := len(pieces) - maxParts
		if tooMany <= 0 {
			return pieces, nil
		}
		if !gatherPairs(runs, copyable, tooMany) {
			return slicePieces(runs, size, canCopy), nil
		}
	}
}

// fewParts is how many pieces an object has at most but for those that S3's copies of its runs add.
const fewParts = maxParts / 3

// limits are the sizes above which what is gathered or copied is divided.
type limits struct{ gather, copied int64 }

// gatherPairs makes the n smallest pairs of neighbours, of those that could be copied, ones that are not. It returns false
// where there is no pair.
func gatherPairs(runs []blob.Part, copyable []bool, n int) bool {
	type pair struct {
		a, b int
		size int64
	}
	var pairs []pair
	last := -1
	for i, r := range runs {
		if !copyable[i] || r.Length < minPart {
			continue
		}
		if last >= 0 {
			pairs = append(pairs, pair{last, i, runs[last].Length + r.Length})
		}
		last = i
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.size, b.size) })
	some := false
	for _, p := range pairs {
		if n > 0 && copyable[p.a] && copyable[p.b] {
			copyable[p.a], copyable[p.b] = false, false
			some = true
			n--
		}
	}
	return some
}

// joinRuns makes one part of neighbours that continue each other, and drops empty ones.
func joinRuns(parts []blob.Part) []blob.Part {
	var runs []blob.Part
	for _, p := range parts {
		if p.Size() == 0 {
			continue
		}
		if n := len(runs); n > 0 && p.From != nil && runs[n-1].From == p.From && runs[n-1].Key == p.Key &&
			runs[n-1].Offset+runs[n-1].Length == p.Offset {
			runs[n-1].Length += p.Length
			continue
		}
		runs = append(runs, p)
	}
	return runs
}

// choice is one way to arrange the runs up to one that S3 copies.
type choice struct {
	before *choice // up to the copied run before it; nil where there is none
	run    int     // the copied one
	head   int64   // bytes at its start that are gathered with what comes before it
	tail   int64   // bytes at the end of the copied run before it that are gathered, too
	spare  int64   // bytes at its end that may be, with what comes after it
	cost   int64   // bytes gathered so far
}

// maxChoices is how many choices are kept for each run. Two, rarely three, are all that there are.
const maxChoices = 8

// arrange makes pieces of minPart or more, the last one excepted, and gathers as few bytes as that allows.
//
// What lies between two copied runs is gathered. Where that is less than minPart, the runs give of their ends what is missing:
// of the earlier one first, for nobody else can use its bytes. Which runs are worth copying then follows by dynamic
// programming: to leave out a run that could be copied makes what is gathered large enough by itself, so the best way up to
// a run comes either from the one just before it, or from the best way up to any earlier one.
func arrange(runs []blob.Part, copyable []bool, l limits) []piece {
	var total int64
	for _, r := range runs {
		total += r.Size()
	}
	var previous []*choice // of the candidate before, the cheapest first
	after := int64(0)      // bytes up to the end of that candidate
	var skipped *choice    // the cheapest way up to a candidate before that one, nil to gather all
	skippedAt := int64(0)  // what it costs, less the bytes up to its end
	first := true
	var best *choice
	bestCost := total
	at := int64(0)
	for i, r := range runs {
		start := at
		at += r.Size()
		keep := int64(minPart)
		if i == len(runs)-1 {
			keep = 1
		}
		if !copyable[i] || r.Length < keep {
			continue
		}
		spare := r.Length - keep
		var now []*choice
		extend := func(before *choice, gap, left, cost int64) {
			missing := int64(0)
			if gap > 0 {
				missing = max(minPart-gap, 0)
			}
			tail := min(missing, left)
			if head := missing - tail; head <= spare {
				now = append(now, &choice{before, i, head, tail, spare - head, cost + gap + missing})
			}
		}
		if first {
			extend(nil, start, 0, 0)
		} else {
			for _, c := range previous {
				extend(c, start-after, c.spare, c.cost)
			}
			now = append(now, &choice{before: skipped, run: i, spare: spare, cost: skippedAt + start})
		}
		slices.SortStableFunc(now, func(a, b *choice) int { return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(b.spare, a.spare)) })
		kept := now[:0]
		for _, c := range now {
			if n := len(kept); n == 0 || c.spare > kept[n-1].spare && n < maxChoices {
				kept = append(kept, c)
			}
		}
		if len(previous) > 0 && previous[0].cost-after < skippedAt {
			skipped, skippedAt = previous[0], previous[0].cost-after
		}
		if len(kept) > 0 && kept[0].cost+total-at < bestCost {
			best, bestCost = kept[0], kept[0].cost+total-at
		}
		previous, after, first = kept, at, false
	}
	return best.pieces(runs, l)
}

// pieces are the upload that a choice, nil for none, makes of the runs.
func (c *choice) pieces(runs []blob.Part, l limits) []piece {
	var copies []*choice
	for ; c != nil; c = c.before {
		copies = append(copies, c)
	}
	slices.Reverse(copies)
	var pieces []piece
	var waiting piece // gathered, not yet pieces
	add := func(p blob.Part) {
		if p.Size() > 0 {
			waiting.parts, waiting.size = append(waiting.parts, p), waiting.size+p.Size()
		}
	}
	for i, r := range runs {
		if len(copies) == 0 || copies[0].run != i {
			add(r)
			continue
		}
		head, middle := split(r, copies[0].head)
		copies = copies[1:]
		var tail blob.Part
		if len(copies) > 0 && copies[0].tail > 0 {
			middle, tail = split(middle, middle.Length-copies[0].tail)
		}
		add(head)
		pieces = append(pieces, waiting.divide(l.gather)...)
		pieces = append(pieces, piece{copied: true, parts: []blob.Part{middle}, size: middle.Length}.divide(l.copied)...)
		waiting = piece{}
		add(tail)
	}
	return append(pieces, waiting.divide(l.gather)...)
}

// divide makes equal pieces of size bytes at most, which are several times minPart.
func (p piece) divide(size int64) []piece {
	if p.size == 0 {
		return nil
	}
	size = min(size, maxPart)
	n := (p.size + size - 1) / size
	var pieces []piece
	rest := p
	for ; n > 1; n-- {
		var head piece
		head, rest = rest.split(rest.size / n)
		pieces = append(pieces, head)
	}
	return append(pieces, rest)
}

// split cuts a piece after n bytes. The tail takes over p's parts.
func (p piece) split(n int64) (head, tail piece) {
	head, tail = piece{copied: p.copied, size: n}, piece{copied: p.copied, size: p.size - n}
	for i, part := range p.parts {
		if part.Size() < n {
			n -= part.Size()
			continue
		}
		a, b := split(part, n)
		head.parts, tail.parts = append(slices.Clone(p.parts[:i]), a), p.parts[i+1:]
		if b.Size() > 0 {
			tail.parts = p.parts[i:]
			tail.parts[0] = b
		}
		break
	}
	return head, tail
}

// slicePieces makes equal pieces, as many as there may be, wherever the runs end. An object that nearly reaches S3's
// largest can be made in no other way.
func slicePieces(runs []blob.Part, size int64, canCopy func(blob.Part) bool) []piece {
	rest := piece{parts: runs, size: size}
	each := (size + maxParts - 1) / maxParts
	var pieces []piece
	for rest.size > 0 {
		var p piece
		p, rest = rest.split(min(each, rest.size))
		p.copied = len(p.parts) == 1 && canCopy(p.parts[0])
		pieces = append(pieces, p)
	}
	return pieces
}

// split cuts a part after n bytes.
func split(p blob.Part, n int64) (head, tail blob.Part) {
	if p.From == nil {
		return blob.Part{Bytes: p.Bytes[:n]}, blob.Part{Bytes: p.Bytes[n:]}
	}
	head, tail = p, p
	head.Length = n
	tail.Offset += n
	tail.Length -= n
	return head, tail
}

// placed is a range and where in the piece it belongs.
type placed struct {
	offset, length int64
	at             int64
}

// fetch is one request that serves several ranges of an object, in ascending order both there and in the piece, and
// without overlap.
type fetch struct {
	from   blob.Store
	key    string
	ranges []placed
}

func (f fetch) offset() int64 { return f.ranges[0].offset }

func (f fetch) last() placed { return f.ranges[len(f.ranges)-1] }

func (f fetch) end() int64 { return f.last().offset + f.last().length }

// planFetches arranges the ranges of a gathered piece as few requests: pieces of two tracks that alternate are two.
func planFetches(parts []blob.Part) []fetch {
	type object struct {
		from blob.Store
		key  string
	}
	ranges := map[object][]placed{}
	var objects []object // in the order of their first use, so that a plan is stable
	var at int64
	for _, p := range parts {
		if p.From != nil {
			o := object{p.From, p.Key}
			if ranges[o] == nil {
				objects = append(objects, o)
			}
			ranges[o] = append(ranges[o], placed{p.Offset, p.Length, at})
		}
		at += p.Size()
	}
	var fetches []fetch
	for _, o := range objects {
		slices.SortStableFunc(ranges[o], func(a, b placed) int { return cmp.Compare(a.offset, b.offset) })
		first := len(fetches)
		for _, r := range ranges[o] {
			if n := len(fetches); n > first && fetches[n-1].last().at < r.at &&
				fetches[n-1].end() <= r.offset && r.offset-fetches[n-1].end() <= maxGap {
				fetches[n-1].ranges = append(fetches[n-1].ranges, r)
				continue
			}
			fetches = append(fetches, fetch{o.from, o.key, []placed{r}})
		}
	}
	return fetches
}
