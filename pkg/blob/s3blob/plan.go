package s3blob

import (
	"cmp"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// S3's limits on a multipart upload, from "Amazon S3 multipart upload limits" in its user guide.
const (
	minPart   = 5 << 20 // but for the last
	maxPart   = 5 << 30
	maxParts  = 10_000
	maxObject = 5 << 40
)

const (
	// copyPart is the size above which a copy is split so that S3 copies it in parallel.
	copyPart = 256 << 20

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
// more, none is above maxPart, and there are maxParts at most. canCopy says which parts S3 can copy. What is gathered
// is of 2×unit at most, where unit is minPart for objects up to 48 GiB and grows with larger ones.
//
// A range that is large enough is copied as it is. What is too small is gathered; where that is still too small when a
// large range follows, it takes the head of that range, or all of it when too little would be left to copy. So for the
// usual film, segments of some megabytes with sound between, S3 copies every other segment or all but five megabytes of
// each, depending on their size.
func planPieces(parts []blob.Part, size int64, canCopy func(blob.Part) bool) ([]piece, error) {
	if size > maxObject {
		return nil, &fault.Error{
			Kind: fault.Unsupported, What: "the object would be larger than the 5 TiB that S3 allows",
			Hint: "use a lower bitrate, or HLS or DASH, whose files are small",
		}
	}
	p := planner{unit: unitFor(size)}
	for run := range slices.Values(joinRuns(parts)) {
		if canCopy(run) && run.Length >= p.unit {
			p.copy(run)
		} else {
			p.gather(run)
		}
	}
	p.flush()
	return p.pieces, nil
}

// unitFor is the least size of a piece: S3's, or more for an object that would have too many of those.
func unitFor(size int64) int64 {
	return max(minPart, (size+maxParts-2)/(maxParts-1)) // one piece, the last, may be smaller
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

type planner struct {
	unit    int64
	pieces  []piece
	waiting piece // gathered, not yet a piece
}

// copy arranges a run of at least unit bytes that S3 can copy.
func (p *planner) copy(run blob.Part) {
	if missing := p.unit - p.waiting.size; p.waiting.size > 0 && missing > 0 {
		if run.Length-missing < p.unit { // too little would be left
			p.add(run)
			return
		}
		head, tail := split(run, missing)
		p.add(head)
		run = tail
	}
	p.flush()
	largest := max(copyPart, 2*p.unit) // so that halves are units at least
	for n := (run.Length + largest - 1) / largest; n > 0; n-- {
		head, tail := split(run, run.Length/n)
		p.pieces = append(p.pieces, piece{copied: true, parts: []blob.Part{head}, size: head.Length})
		run = tail
	}
}

// gather arranges a run that has to pass through this process.
func (p *planner) gather(run blob.Part) {
	for limit := 2 * p.unit; p.waiting.size+run.Size() > limit; {
		if p.waiting.size >= p.unit {
			p.flush()
			continue
		}
		head, tail := split(run, limit-p.waiting.size)
		p.add(head)
		p.flush()
		run = tail
	}
	p.add(run)
}

func (p *planner) add(run blob.Part) {
	if run.Size() > 0 {
		p.waiting.parts = append(p.waiting.parts, run)
		p.waiting.size += run.Size()
	}
}

func (p *planner) flush() {
	if p.waiting.size > 0 {
		p.pieces = append(p.pieces, p.waiting)
		p.waiting = piece{}
	}
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

// fetch is one request that serves several ranges of an object, in ascending order and without overlap.
type fetch struct {
	from   blob.Store
	key    string
	ranges []placed
}

func (f fetch) offset() int64 { return f.ranges[0].offset }

func (f fetch) end() int64 {
	last := f.ranges[len(f.ranges)-1]
	return last.offset + last.length
}

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
			if n := len(fetches); n > first && fetches[n-1].end() <= r.offset && r.offset-fetches[n-1].end() <= maxGap {
				fetches[n-1].ranges = append(fetches[n-1].ranges, r)
				continue
			}
			fetches = append(fetches, fetch{o.from, o.key, []placed{r}})
		}
	}
	return fetches
}
