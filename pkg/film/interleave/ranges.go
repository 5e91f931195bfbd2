package interleave

import (
	"cmp"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// Ranges holds which ranges of audio parts also lie in chunks, by the key of the audio part. After
// the last Add, Sort puts them in the order that Parts needs.
type Ranges map[string][]interleaved

// interleaved is a range of an audio part that a chunk holds.
type interleaved struct {
	offset, length int64  // in the audio part
	key            string // of the chunk
	at             int64  // offset in the chunk
}

// Add notes the audio that is interleaved in the chunk at key.
func (r Ranges) Add(key string, chunk isobmff.Chunk) {
	at := chunk.InterleavedOffsets()
	for i, in := range chunk.Interleaved {
		r[in.Name] = append(r[in.Name], interleaved{in.Offset, in.Length, key, at[i]})
	}
}

// Sort sorts the ranges of each audio part by their offset.
func (r Ranges) Sort() {
	for _, list := range r {
		slices.SortStableFunc(list, func(a, b interleaved) int { return cmp.Compare(a.offset, b.offset) })
	}
}

// Parts returns where length bytes from offset of the audio part at key are copied from: from
// chunks where they are interleaved there, else from the audio part itself.
func (r Ranges) Parts(store blob.Store, key string, offset, length int64) (parts []blob.Part) {
	list := r[key]
	i, found := slices.BinarySearchFunc(list, offset, func(a interleaved, offset int64) int { return cmp.Compare(a.offset, offset) })
	if !found && i > 0 {
		i--
	}
	for length > 0 {
		for i < len(list) && list[i].offset+list[i].length <= offset {
			i++
		}
		n := length
		part := blob.Part{From: store, Key: key, Offset: offset}
		switch {
		case i < len(list) && list[i].offset <= offset:
			n = min(n, list[i].offset+list[i].length-offset)
			part.Key, part.Offset = list[i].key, list[i].at+offset-list[i].offset
		case i < len(list):
			n = min(n, list[i].offset-offset)
		}
		part.Length = n
		parts = append(parts, part)
		offset, length = offset+n, length-n
	}
	return parts
}
