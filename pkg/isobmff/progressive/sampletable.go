package progressive

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// rowsBox is one of the large boxes of a sample table. It writes its rows directly from columns,
// because mp4ff's own types need all rows expanded in memory first.
type rowsBox struct {
	kind  string
	rows  int64 // 32-bit words after version and flags
	write func(put func(uint32))
}

func (b rowsBox) Type() string { return b.kind }

func (b rowsBox) Size() uint64 { return uint64(12 + 4*b.rows) }

func (b rowsBox) Encode(w io.Writer) error {
	buf := make([]byte, 0, 32<<10)
	var err error
	flush := func() {
		if err == nil {
			_, err = w.Write(buf)
		}
		buf = buf[:0]
	}
	buf = box.AppendHeader(buf, b.kind, int(b.Size()))
	buf = append(buf, 0, 0, 0, 0) // version and flags
	b.write(func(v uint32) {
		if len(buf)+4 > cap(buf) {
			flush()
		}
		buf = binary.BigEndian.AppendUint32(buf, v)
	})
	flush()
	return err
}

func (rowsBox) EncodeSW(bits.SliceWriter) error {
	return errors.New("sample tables can only be written to a stream")
}

func (rowsBox) Info(io.Writer, string, string, string) error { return nil }

// runTable returns an stts or ctts box: runs of count and value, to which shift is added.
func runTable(kind string, c *column, shift int64) mp4.Box {
	return rowsBox{kind, 1 + 2*c.runs, func(put func(uint32)) {
		put(uint32(c.runs))
		for runs := c.cursor(); ; {
			value, count, ok := runs.run()
			if !ok {
				return
			}
			put(uint32(count))
			put(uint32(value + shift))
		}
	}}
}

// syncTable returns an stss box; c holds the differences between the numbers of sync samples.
func syncTable(c *column) mp4.Box {
	return rowsBox{"stss", 1 + c.rows, func(put func(uint32)) {
		put(uint32(c.rows))
		var at int64
		for i, distances := int64(0), c.cursor(); i < c.rows; i++ {
			at += distances.next()
			put(uint32(at))
		}
	}}
}

// sizeTable returns an stsz box.
func sizeTable(c *column) mp4.Box {
	if size, _, ok := c.cursor().run(); ok && c.runs == 1 && size > 0 {
		return rowsBox{"stsz", 2, func(put func(uint32)) {
			put(uint32(size))
			put(uint32(c.rows))
		}}
	}
	return rowsBox{"stsz", 2 + c.rows, func(put func(uint32)) {
		put(0)
		put(uint32(c.rows))
		for i, sizes := int64(0), c.cursor(); i < c.rows; i++ {
			put(uint32(sizes.next()))
		}
	}}
}

// chunkTable returns an stsc box.
func chunkTable(l *trackLayout) mp4.Box {
	var rows []uint32
	last := [2]int64{-1, -1}
	samples, entries := l.chunks.cursor(), l.entry.cursor()
	for chunk := int64(1); chunk <= l.chunks.rows; chunk++ {
		if row := [2]int64{samples.next(), entries.next()}; row != last {
			rows = append(rows, uint32(chunk), uint32(row[0]), uint32(row[1]+1))
			last = row
		}
	}
	return rowsBox{"stsc", 1 + int64(len(rows)), func(put func(uint32)) {
		put(uint32(len(rows) / 3))
		for _, v := range rows {
			put(v)
		}
	}}
}

// offsetTable returns an stco box, or a co64 if wide.
func offsetTable(offsets []int64, wide bool) mp4.Box {
	if !wide {
		return rowsBox{"stco", 1 + int64(len(offsets)), func(put func(uint32)) {
			put(uint32(len(offsets)))
			for _, at := range offsets {
				put(uint32(at))
			}
		}}
	}
	return rowsBox{"co64", 1 + 2*int64(len(offsets)), func(put func(uint32)) {
		put(uint32(len(offsets)))
		for _, at := range offsets {
			put(uint32(at >> 32))
			put(uint32(at))
		}
	}}
}
