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
	minPart  = 5 << 20 // except for the last part
	maxPart  = 5 << 30
	maxParts = 10_000

	// maxObject is 48.8 TiB since December 2025: maxParts parts of maxPart bytes. It was 5 TiB before.
	maxObject = maxParts * maxPart
)

const (
	// copyPartSize is the size above which a copy is split, so that S3 copies it in parallel.
	copyPartSize = 256 << 20

	// gatherPartSize is the size above which gathered bytes are split, so that they are sent in
	// parallel. It does not affect memory, because they are streamed, but it is the amount that is
	// sent again after a connection breaks.
	gatherPartSize = 16 << 20

	// maxGap is the largest gap between two ranges that is read and discarded instead of making a
	// second request. A connection within AWS carries about that many bytes in the time that S3 takes
	// to answer a request.
	maxGap = 128 << 10
)

// uploadPart is one part of a multipart upload. Either S3 copies it from one range of an object, or
// it is gathered: this process reads its ranges and bytes and sends them.
type uploadPart struct {
	copied bool
	parts  []blob.Part // exactly one where copied
	size   int64
}

// planUpload arranges parts, which have size bytes in total, as a multipart upload within S3's
// limits: every upload part except the last has at least minPart bytes, none has more than maxPart,
// and there are at most maxParts. canCopy reports whether S3 can copy a part. The plan gathers as
// few bytes as these limits allow.
//
// If that gives n upload parts too many, the n smallest pairs of neighbouring copies are gathered
// instead. For a film of 10,000 segments that is one pair, or a few.
func planUpload(parts []blob.Part, size int64, canCopy func(blob.Part) bool) ([]uploadPart, error) {
	if size > maxObject {
		return nil, &fault.Error{
			Kind: fault.Unsupported, What: "the object would be larger than the 48.8 TiB that S3 allows",
			Hint: "use a lower bitrate, or HLS or DASH, whose files are small",
		}
	}
	runs := joinRuns(parts)
	l := limits{gather: max(gatherPartSize, size/basePartCount), copied: max(copyPartSize, size/basePartCount)}
	copyable := make([]bool, len(runs))
	for i, r := range runs {
		copyable[i] = canCopy(r)
	}
	for {
		plan := arrange(runs, copyable, l)
		tooMany := len(plan) - maxParts
		if tooMany <= 0 {
			return plan, nil
		}
		if !gatherPairs(runs, copyable, tooMany) {
			return sliceEvenly(runs, size, canCopy), nil
		}
	}
}

// basePartCount bounds the number of upload parts that come from splitting large ones. It leaves the
// rest of maxParts for the copies of separate runs.
const basePartCount = maxParts / 3

// limits are the sizes in bytes above which gathered and copied upload parts are divided.
type limits struct{ gather, copied int64 }

// gatherPairs marks the n smallest pairs of neighbouring copyable runs as not copyable. It returns
// false if there is no pair.
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

// joinRuns joins neighbouring parts that are contiguous in the same object, and drops empty parts.
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

// choice is one way to arrange the runs up to and including a run that S3 copies.
type choice struct {
	before *choice // the choice up to the previous copied run; nil if there is none
	run    int     // the index of the copied run
	head   int64   // bytes at its start that are gathered with what precedes it
	tail   int64   // bytes at the end of the previous copied run that are gathered as well
	spare  int64   // bytes at its end that can still be gathered with what follows it
	cost   int64   // bytes gathered so far
}

// maxChoices is the number of choices kept for each run. In practice there are two, rarely three.
const maxChoices = 8

// arrange makes upload parts of at least minPart bytes, except the last, and gathers as few bytes as
// that allows.
//
// The bytes between two copied runs are gathered. If they are fewer than minPart, the missing bytes
// are taken from the adjacent ends of the two runs: first from the earlier run, because only this
// gap can use the end of that run. Dynamic programming then finds the runs to copy. Not copying a
// copyable run makes the gathered part large enough by itself, so the best choice for a run follows
// either from the candidate just before it or from the best choice up to any earlier one.
func arrange(runs []blob.Part, copyable []bool, l limits) []uploadPart {
	var total int64
	for _, r := range runs {
		total += r.Size()
	}
	var previous []*choice // the choices for the previous candidate, the cheapest first
	after := int64(0)      // the offset of that candidate's end
	var skipped *choice    // the cheapest choice for an earlier candidate, nil to gather everything
	skippedAt := int64(0)  // its cost less the offset of its end
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
	return best.uploadParts(runs, l)
}

// uploadParts returns the upload that a choice makes of the runs. A nil choice gathers everything.
func (c *choice) uploadParts(runs []blob.Part, l limits) []uploadPart {
	var copies []*choice
	for ; c != nil; c = c.before {
		copies = append(copies, c)
	}
	slices.Reverse(copies)
	var plan []uploadPart
	var waiting uploadPart // gathered, not yet in the plan
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
		plan = append(plan, waiting.divide(l.gather)...)
		plan = append(plan, uploadPart{copied: true, parts: []blob.Part{middle}, size: middle.Length}.divide(l.copied)...)
		waiting = uploadPart{}
		add(tail)
	}
	return append(plan, waiting.divide(l.gather)...)
}

// divide returns p as equal upload parts of at most size bytes, where size is several times minPart.
func (p uploadPart) divide(size int64) []uploadPart {
	if p.size == 0 {
		return nil
	}
	size = min(size, maxPart)
	n := (p.size + size - 1) / size
	var plan []uploadPart
	rest := p
	for ; n > 1; n-- {
		var head uploadPart
		head, rest = rest.split(rest.size / n)
		plan = append(plan, head)
	}
	return append(plan, rest)
}

// split splits p after n bytes. The tail reuses the memory of p.parts.
func (p uploadPart) split(n int64) (head, tail uploadPart) {
	head, tail = uploadPart{copied: p.copied, size: n}, uploadPart{copied: p.copied, size: p.size - n}
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

// sliceEvenly makes maxParts equal upload parts, regardless of where the runs end. It is the only way
// to make an object whose size is close to S3's maximum.
func sliceEvenly(runs []blob.Part, size int64, canCopy func(blob.Part) bool) []uploadPart {
	rest := uploadPart{parts: runs, size: size}
	each := (size + maxParts - 1) / maxParts
	var plan []uploadPart
	for rest.size > 0 {
		var p uploadPart
		p, rest = rest.split(min(each, rest.size))
		p.copied = len(p.parts) == 1 && canCopy(p.parts[0])
		plan = append(plan, p)
	}
	return plan
}

// split splits a part after n bytes.
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

// placed is a range of an object and its offset in the upload part.
type placed struct {
	offset, length int64
	at             int64
}

// fetch is one request that serves several ranges of an object. They do not overlap, and are in
// ascending order both in the object and in the upload part.
type fetch struct {
	from   blob.Opener
	key    string
	ranges []placed
}

func (f fetch) offset() int64 { return f.ranges[0].offset }

func (f fetch) last() placed { return f.ranges[len(f.ranges)-1] }

func (f fetch) end() int64 { return f.last().offset + f.last().length }

// planFetches reads the ranges of a gathered upload part with few requests. Two tracks whose chunks
// alternate need two.
func planFetches(parts []blob.Part) []fetch {
	type object struct {
		from blob.Opener
		key  string
	}
	ranges := map[object][]placed{}
	var objects []object // in order of first use, so that the result is deterministic
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
