package movieindex

import (
	"encoding/binary"
	"io"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// eachExtent calls visit with the bytes [start, end) of the file where each of a track's samples
// lies, in decode order, until the tables end.
func eachExtent(file io.ReaderAt, t tables, count int, visit func(n int, start, end uint64)) error {
	size, err := sampleSizes(file, t.stsz, count)
	if err != nil {
		return err
	}
	chunks, wide, err := chunkOffsets(file, t)
	if err != nil {
		return err
	}
	runs, err := box.OpenTable(file, t.stsc, 8, 12)
	if err != nil {
		return err
	}
	// A row of stsc tells how many samples each chunk has, from the row's first chunk to the one
	// before the next row's.
	var perChunk, nextPerChunk, nextFirst uint32
	readRun := func() error {
		row, ok, err := runs.Next()
		if err != nil {
			return err
		}
		if nextFirst = 0; ok {
			nextFirst, nextPerChunk = binary.BigEndian.Uint32(row), binary.BigEndian.Uint32(row[4:])
		}
		return nil
	}
	if err := readRun(); err != nil {
		return err
	}
	for n, chunk := 0, uint32(1); n < count; chunk++ {
		row, ok, err := chunks.Next()
		if err != nil || !ok {
			return err
		}
		for nextFirst != 0 && nextFirst <= chunk {
			perChunk = nextPerChunk
			if err := readRun(); err != nil {
				return err
			}
		}
		at := uint64(binary.BigEndian.Uint32(row))
		if wide {
			at = binary.BigEndian.Uint64(row)
		}
		for i := uint32(0); i < perChunk && n < count; i++ {
			bytes, err := size()
			if err != nil {
				return err
			}
			visit(n, at, at+bytes)
			at += bytes
			n++
		}
	}
	return nil
}

// chunkOffsets opens the table of where the chunks of samples begin. wide reports that its rows
// have 64 bits.
func chunkOffsets(file io.ReaderAt, t tables) (chunks *box.Table, wide bool, err error) {
	if t.co64.Type != "" {
		chunks, err = box.OpenTable(file, t.co64, 8, 8)
		return chunks, true, err
	}
	chunks, err = box.OpenTable(file, t.stco, 8, 4)
	return chunks, false, err
}

// sampleSizes returns a function that returns the size of one sample after the other: those of a
// table of 32-bit numbers (stsz), one size for all, or those of a compact table (stz2) of 4, 8 or
// 16 bits.
func sampleSizes(file io.ReaderAt, b box.Box, count int) (next func() (uint64, error), err error) {
	head := make([]byte, 12)
	if err := box.ReadFull(file, head, b.Body); err != nil {
		return nil, err
	}
	if uniform := binary.BigEndian.Uint32(head[4:]); b.Type == "stsz" && uniform != 0 {
		return func() (uint64, error) { return uint64(uniform), nil }, nil
	}
	bits := 32
	if b.Type == "stz2" {
		bits = int(head[7])
	}
	if bits != 32 && bits != 16 && bits != 8 && bits != 4 {
		return nil, fault.New(fault.Corrupt, "box %v has sizes of %d bits", b, bits)
	}
	if int64(count)*int64(bits)/8 > b.End-b.Body-12 {
		return nil, fault.New(fault.Corrupt, "box %v declares %d samples in %d bytes", b, count, b.End-b.Body)
	}
	rows := box.NewRows(file, b.Body+12, b.End)
	var half byte
	odd := false
	return func() (uint64, error) {
		if odd = bits == 4 && !odd; bits == 4 && !odd {
			return uint64(half & 0xf), nil
		}
		row, err := rows.Next(max(bits/8, 1))
		if err != nil {
			return 0, err
		}
		switch bits {
		case 32:
			return uint64(binary.BigEndian.Uint32(row)), nil
		case 16:
			return uint64(binary.BigEndian.Uint16(row)), nil
		case 8:
			return uint64(row[0]), nil
		}
		half = row[0]
		return uint64(half >> 4), nil
	}, nil
}
