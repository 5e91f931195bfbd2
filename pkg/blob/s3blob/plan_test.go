package s3blob

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Two stores that get no request: S3 can copy from near and cannot copy from far.
var (
	near = &Store{bucket: "near"}
	far  = &Store{bucket: "far"}
)

func isNear(p blob.Part) bool { return p.From == near }

// sourceRange is a contiguous range of one source.
type sourceRange struct {
	From   blob.Opener
	Key    string
	Offset int64
	Length int64
}

// flatten describes the object that parts make, independently of how it is cut into parts: lists of
// parts that make the same object have equal results.
func flatten(parts []blob.Part) (bytes []byte, order []string) {
	var open sourceRange
	afterBytes := false
	flush := func() {
		if open.Length > 0 {
			order = append(order, fmt.Sprintf("%s/%s %d+%d", open.From.(*Store).bucket, open.Key, open.Offset, open.Length))
		}
		open = sourceRange{}
	}
	for _, p := range parts {
		switch {
		case p.Size() == 0:
		case p.From == nil:
			flush()
			if !afterBytes {
				order = append(order, "bytes")
			}
			afterBytes = true
			bytes = append(bytes, p.Bytes...)
		case !afterBytes && open.From == p.From && open.Key == p.Key && open.Offset+open.Length == p.Offset:
			open.Length += p.Length
		default:
			flush()
			afterBytes = false
			open = sourceRange{p.From, p.Key, p.Offset, p.Length}
		}
	}
	flush()
	return bytes, order
}

func TestAnyPlanMakesTheObjectWithinS3Limits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.OneOf(
			rapid.Int64Range(0, 100), rapid.Int64Range(0, 3<<20), rapid.Int64Range(minPart-2, minPart+2),
			rapid.Int64Range(4<<20, 30<<20), rapid.Int64Range(1<<30, 20<<30), rapid.Int64Range(1<<40, 4<<40),
		)
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) blob.Part {
			from := rapid.SampledFrom([]blob.Store{near, near, near, far, nil}).Draw(t, "from")
			if from == nil {
				return blob.Part{Bytes: rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "bytes")}
			}
			return blob.Part{
				From: from, Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"),
				Offset: rapid.SampledFrom([]int64{0, 100, minPart}).Draw(t, "offset"), Length: length.Draw(t, "length"),
			}
		}), 0, 40).Draw(t, "parts")
		size, err := blob.CheckParts(parts)
		if err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(parts)
		plan, err := planUpload(parts, size, isNear)
		if size > maxObject {
			if fault.KindOf(err) != fault.Unsupported {
				t.Fatalf("an object of %d bytes: got %v, want Unsupported", size, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var flat []blob.Part
		for i, p := range plan {
			sum, err := blob.CheckParts(p.parts)
			if err != nil || sum != p.size {
				t.Fatalf("upload part %d has size %d and holds %d bytes, %v", i, p.size, sum, err)
			}
			if p.size > maxPart || p.size < minPart && i < len(plan)-1 || p.size == 0 {
				t.Fatalf("upload part %d of %d has %d bytes", i, len(plan), p.size)
			}
			if p.copied && (len(p.parts) != 1 || !isNear(p.parts[0])) {
				t.Fatalf("upload part %d cannot be copied: %v", i, p.parts)
			}
			flat = append(flat, p.parts...)
		}
		if len(plan) > maxParts {
			t.Fatalf("%d upload parts", len(plan))
		}
		wantBytes, wantOrder := flatten(before)
		gotBytes, gotOrder := flatten(flat)
		if !bytes.Equal(wantBytes, gotBytes) {
			t.Fatalf("bytes are %x, want %x", gotBytes, wantBytes)
		}
		if diff := cmp.Diff(wantOrder, gotOrder); diff != "" {
			t.Fatalf("the plan makes a different object (-want +got):\n%s", diff)
		}
	})
}

// leastGathered returns the fewest bytes that can be gathered. It tries every choice of runs to copy.
func leastGathered(runs []blob.Part) int64 {
	var total int64
	for _, r := range runs {
		total += r.Size()
	}
	least := total
choices:
	for chosen := range 1 << len(runs) {
		var cost, group, spare int64 // group: gathered since the last copy; spare: what that copy can give up
		for i, r := range runs {
			if chosen>>i&1 == 0 {
				group += r.Size()
				continue
			}
			own := r.Length - minPart
			if i == len(runs)-1 {
				own = r.Length - 1
			}
			missing := int64(0)
			if group > 0 {
				missing = max(minPart-group, 0)
			}
			if !isNear(r) || own < 0 || missing > spare+own {
				continue choices
			}
			cost += group + missing
			group, spare = 0, own-max(missing-spare, 0)
		}
		least = min(least, cost+group)
	}
	return least
}

func gatheredBy(plan []uploadPart) (n int64) {
	for _, p := range plan {
		if !p.copied {
			n += p.size
		}
	}
	return n
}

func TestNoLegalUploadGathersLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := 0
		runs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) blob.Part {
			from := rapid.SampledFrom([]blob.Store{near, near, near, far}).Draw(t, "from")
			keys++
			return blob.Part{From: from, Key: fmt.Sprint(keys), Length: rapid.OneOf(
				rapid.Int64Range(1, 20<<10), rapid.Int64Range(minPart-1000, minPart+1000), rapid.Int64Range(2*minPart-1000, 2*minPart+1000),
				rapid.Int64Range(1, 12<<20),
			).Draw(t, "length")}
		}), 1, 9).Draw(t, "runs")
		size, err := blob.CheckParts(runs)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := planUpload(runs, size, isNear)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := gatheredBy(plan), leastGathered(runs); got != want {
			t.Fatalf("%d bytes are gathered, %d are enough", got, want)
		}
	})
}

func TestPlanHasS3CopyWhateverItsLimitsAllow(t *testing.T) {
	film := func(segments int, video, audio int64) []blob.Part {
		parts := []blob.Part{{Bytes: make([]byte, 1<<20)}}
		for i := range int64(segments) {
			length := video
			if video > 10<<20 {
				length += (i%7 - 3) << 20 // neighbours differ
			}
			parts = append(parts,
				blob.Part{From: near, Key: fmt.Sprint("v", i), Length: length},
				blob.Part{From: near, Key: "a", Offset: i * audio, Length: audio})
		}
		return parts
	}
	similar := func(segments int) []blob.Part {
		parts := []blob.Part{{Bytes: make([]byte, 1<<20)}}
		for i := range segments {
			parts = append(parts, blob.Part{From: near, Key: fmt.Sprint("v", i), Length: 20<<20 + int64(i%100)})
		}
		return parts
	}
	for name, test := range map[string]struct {
		parts    []blob.Part
		gathered float64 // at most this share of the bytes
		count    int     // at most
	}{
		"one large file":               {[]blob.Part{{Bytes: make([]byte, 4<<20)}, {From: near, Key: "v", Length: 3 << 30}}, 0.002, 13},
		"segments of 60 MB, audio":     {film(100, 60<<20, 1<<20), 0.09, 201},
		"segments of 12 MB, audio":     {film(700, 12<<20, 200<<10), 0.42, 1401},
		"segments of 6 MB, audio":      {film(700, 6<<20, 200<<10), 0.52, 701},
		"segments of 6 MB, no audio":   {film(700, 6<<20, 0), 0.002, 701},
		"10,000 segments of 20 MB":     {film(10_000, 20<<20, 0), 0.0003, 10_000},
		"10,000 similar segments":      {similar(10_000), 0.0003, 10_000},
		"10,100 similar segments":      {similar(10_100), 0.03, 10_000},
		"segments of 4 MB, no audio":   {film(100, 4<<20, 0), 1, 30},
		"20,000 segments of 10 to 16M": {film(20_000, 13<<20, 0), 1, 10_000},
	} {
		size, err := blob.CheckParts(test.parts)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := planUpload(test.parts, size, isNear)
		if err != nil {
			t.Fatal(err)
		}
		share := float64(gatheredBy(plan)) / float64(size)
		t.Logf("%s: %.4f of %d MB in %d upload parts", name, share, size>>20, len(plan))
		if share > test.gathered || len(plan) > test.count {
			t.Errorf("%s: %.4f of the bytes pass through this process in %d upload parts, want at most %.4f and %d",
				name, share, len(plan), test.gathered, test.count)
		}
	}
}

// The largest object needs every upload part to have the largest size.
func TestTheLargestObjectCanBeComposed(t *testing.T) {
	for name, lengths := range map[string][]int64{"one run": {maxObject}, "runs of unequal length": {maxObject/2 + 1, 1 << 40, maxObject/2 - 1<<40 - 1}} {
		var parts []blob.Part
		for i, n := range lengths {
			parts = append(parts, blob.Part{From: near, Key: fmt.Sprint(i), Length: n})
		}
		plan, err := planUpload(parts, maxObject, isNear)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan) != maxParts || slices.ContainsFunc(plan, func(p uploadPart) bool { return p.size != maxPart }) {
			t.Errorf("%s: %d upload parts, want %d of %d bytes", name, len(plan), maxParts, int64(maxPart))
		}
	}
}

func TestLargeCopiesAreSplitIntoParallelOnes(t *testing.T) {
	plan, err := planUpload([]blob.Part{{From: near, Key: "v", Length: 10 << 30}}, 10<<30, isNear)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan) != 40 {
		t.Errorf("10 GiB are copied as %d upload parts, want 40", len(plan))
	}
}

// Two tracks whose chunks alternate are read with one request per track, not one per chunk.
func TestNeighbouringRangesShareARequest(t *testing.T) {
	var parts []blob.Part
	for i := range int64(10) {
		parts = append(parts,
			blob.Part{From: far, Key: "v", Offset: i * 500_000, Length: 500_000},
			blob.Part{Bytes: []byte{1, 2, 3}},
			blob.Part{From: far, Key: "a", Offset: i * 17_000, Length: 16_000})
	}
	fetches := planFetches(parts)
	if len(fetches) != 2 {
		t.Errorf("got %d requests, want 2", len(fetches))
	}
	apart := []blob.Part{
		{From: far, Key: "v", Length: 10}, {From: far, Key: "v", Offset: 1 << 30, Length: 10}, // too far to read the gap
		{From: far, Key: "v", Offset: 5, Length: 10}, // overlaps the first
	}
	if got := len(planFetches(apart)); got != 3 {
		t.Errorf("got %d requests, want 3", got)
	}
}

func TestFetchesCoverEveryRangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.Custom(func(t *rapid.T) blob.Part {
			if rapid.Bool().Draw(t, "bytes") {
				return blob.Part{Bytes: make([]byte, rapid.IntRange(1, 9).Draw(t, "n"))}
			}
			return blob.Part{
				From: rapid.SampledFrom([]blob.Store{near, far}).Draw(t, "from"), Key: "k",
				Offset: rapid.Int64Range(0, 4*maxGap).Draw(t, "offset"), Length: rapid.Int64Range(1, maxGap).Draw(t, "length"),
			}
		})).Draw(t, "parts")
		want := map[placed]blob.Opener{}
		var at int64
		for _, p := range parts {
			if p.From != nil {
				want[placed{p.Offset, p.Length, at}] = p.From
			}
			at += p.Size()
		}
		for _, f := range planFetches(parts) {
			next, last := f.offset(), int64(-1)
			for _, r := range f.ranges {
				if r.offset < next || r.offset-next > maxGap {
					t.Fatalf("a range begins at %d after one that ends at %d in the same request", r.offset, next)
				}
				if want[r] != f.from {
					t.Fatalf("%+v is not among the parts, or is of another store", r)
				}
				if r.at <= last {
					t.Fatal("a range is read after one that follows it in the object")
				}
				delete(want, r)
				last, next = r.at, r.offset+r.length
			}
		}
		if len(want) > 0 {
			t.Fatalf("not fetched: %v", want)
		}
	})
}

// FuzzEscape checks that S3 decodes an escaped name to the name, whichever of its two decodings it
// uses.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a/b c", "a+b", "100%", "é#?&=", "a%2Fb", "\x00\xff", "~-_.!*'()"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		escaped := escape(name)
		for how, decode := range map[string]func(string) (string, error){"path": url.PathUnescape, "query": url.QueryUnescape} {
			if got, err := decode(escaped); err != nil || got != name {
				t.Errorf("%q is escaped as %q, which as a %s is %q, %v", name, escaped, how, got, err)
			}
		}
	})
}
