package interleave

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/isobmff"
)

// Whatever lies in chunks, the parts of a range cover its bytes in order, each from the one place
// that holds it: a chunk where the byte is interleaved, else the audio part.
func TestPartsCoverTheRangeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 200
		type place struct {
			key    string
			offset int64
		}
		want := make([]place, size) // of each byte of the audio part
		for i := range want {
			want[i] = place{"audio", int64(i)}
		}
		ranges := Ranges{}
		at := int64(0)
		for n := 0; at < size; n++ {
			key := fmt.Sprint("chunk", n)
			chunk := isobmff.Chunk{Header: 10, Samples: []isobmff.Sample{{Size: 7}, {Size: 5}}}
			// Where each interleaved range must be found: after the header, and the samples before
			// it.
			offset := chunk.Header
			for before := range 3 {
				gap, length := rapid.Int64Range(0, 20).Draw(t, "gap"), rapid.Int64Range(1, 30).Draw(t, "length")
				if at+gap+length > size {
					break
				}
				at += gap
				chunk.Interleaved = append(chunk.Interleaved, isobmff.InterleavedRange{Before: before, Name: "audio", Offset: at, Length: length})
				for i := range length {
					want[at+i] = place{key, offset + i}
				}
				at, offset = at+length, offset+length
				if before < len(chunk.Samples) {
					offset += int64(chunk.Samples[before].Size)
				}
			}
			ranges.Add(key, chunk)
			if len(chunk.Interleaved) < 3 {
				break
			}
		}
		ranges.Sort()
		from := rapid.Int64Range(0, size-1).Draw(t, "from")
		length := rapid.Int64Range(1, size-from).Draw(t, "size")
		next := from
		for _, p := range ranges.Parts(nil, "audio", from, length) {
			if p.Length <= 0 {
				t.Fatalf("a part of %d bytes", p.Length)
			}
			for i := range p.Length {
				if next >= from+length {
					t.Fatalf("parts of more than %d bytes", length)
				}
				if got := (place{p.Key, p.Offset + i}); got != want[next] {
					t.Fatalf("byte %d is taken from %v, want %v", next, got, want[next])
				}
				next++
			}
		}
		if next != from+length {
			t.Fatalf("parts of %d bytes, want %d", next-from, length)
		}
	})
}
