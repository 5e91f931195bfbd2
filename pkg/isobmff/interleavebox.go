package isobmff

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// interleavedID is the extended type of the uuid box, between moov and moof, that lists a stored
// chunk's interleaved ranges. The bytes spell "mapreel-guests" and a version.
var interleavedID = []byte{0x6d, 0x61, 0x70, 0x72, 0x65, 0x65, 0x6c, 0x2d, 0x67, 0x75, 0x65, 0x73, 0x74, 0x73, 0x00, 0x01}

// interleavedBox returns the box that lists the interleaved ranges, or nil if there are none. It
// holds the names, then for each range the number of samples since the previous range, the index of
// its name, its offset and its length, all as variable-length integers.
func (c Chunk) interleavedBox() ([]byte, error) {
	if len(c.Interleaved) == 0 {
		return nil, nil
	}
	var names []string
	number := map[string]int{}
	var rows []byte
	before := 0
	for i, r := range c.Interleaved {
		if r.Before < before || r.Before > len(c.Samples) || r.Offset < 0 || r.Length <= 0 {
			return nil, fault.New(fault.Internal, "interleaved range %d has %d bytes at offset %d before sample %d of %d",
				i, r.Length, r.Offset, r.Before, len(c.Samples))
		}
		n, ok := number[r.Name]
		if !ok {
			n = len(names)
			number[r.Name] = n
			names = append(names, r.Name)
		}
		for _, v := range []uint64{uint64(r.Before - before), uint64(n), uint64(r.Offset), uint64(r.Length)} {
			rows = binary.AppendUvarint(rows, v)
		}
		before = r.Before
	}
	content := binary.AppendUvarint(slices.Clone(interleavedID), uint64(len(names)))
	for _, name := range names {
		content = append(binary.AppendUvarint(content, uint64(len(name))), name...)
	}
	content = binary.AppendUvarint(content, uint64(len(c.Interleaved)))
	return box.Append(nil, "uuid", append(content, rows...)), nil
}

// parseInterleaved reads the content of the box for a chunk with so many samples. A uuid box of
// another extended type gives nil.
func parseInterleaved(content []byte, samples int) ([]InterleavedRange, error) {
	bad := fault.New(fault.Corrupt, "the list of interleaved ranges cannot be read")
	rest, ok := bytes.CutPrefix(content, interleavedID)
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
	ranges := make([]InterleavedRange, next(len(rest)))
	before := 0
	for i := range ranges {
		before += next(samples - before)
		name := next(len(names) - 1)
		if !ok || name >= len(names) {
			return nil, bad
		}
		ranges[i] = InterleavedRange{before, names[name], int64(next(largest)), int64(next(largest))}
	}
	if !ok || len(rest) > 0 {
		return nil, bad
	}
	return ranges, nil
}
