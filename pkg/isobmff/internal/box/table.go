package box

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Table streams the rows of a sample table, such as stts or stsz.
type Table struct {
	Name string // the box type
	Left uint32 // rows not read yet

	r    *bufio.Reader
	row  [12]byte
	each int
}

// tableStep is the number of bytes that a Table reads at once. It is large enough for ranged reads
// over a network.
const tableStep = 128 << 10

// OpenTable opens the table in b. Its rows, of each bytes, follow head bytes, of which the last
// four count the rows. The zero Box gives an empty table.
func OpenTable(file io.ReaderAt, b Box, head int64, each int) (*Table, error) {
	t := &Table{Name: b.Type, each: each}
	if b.Type == "" {
		return t, nil
	}
	if b.End-b.Body < head {
		return nil, fault.New(fault.Corrupt, "the header of box %v is truncated", b)
	}
	space := b.End - b.Body
	t.r = bufio.NewReaderSize(io.NewSectionReader(file, b.Body, space), int(min(space, tableStep)))
	raw := make([]byte, head)
	if _, err := io.ReadFull(t.r, raw); err != nil {
		return nil, tableError(b.Type, err)
	}
	t.Left = binary.BigEndian.Uint32(raw[head-4:])
	if int64(t.Left)*int64(each) > space-head {
		return nil, fault.New(fault.Corrupt, "box %v declares %d rows in %d bytes", b, t.Left, space)
	}
	return t, nil
}

// Next returns the next row, which is valid until the next call. ok is false at the end of the
// table.
func (t *Table) Next() (row []byte, ok bool, err error) {
	if t.Left == 0 {
		return nil, false, nil
	}
	t.Left--
	row = t.row[:t.each]
	if _, err := io.ReadFull(t.r, row); err != nil {
		return nil, false, tableError(t.Name, err)
	}
	return row, true, nil
}

// Rows streams rows of any size, of at most 12 bytes, from a part of a file.
type Rows struct {
	r   *bufio.Reader
	row [12]byte
}

// NewRows returns the rows between two offsets of a file.
func NewRows(file io.ReaderAt, from, to int64) *Rows {
	return &Rows{r: bufio.NewReaderSize(io.NewSectionReader(file, from, to-from), int(min(max(to-from, 16), tableStep)))}
}

// Next returns the next n bytes, which are valid until the next call.
func (r *Rows) Next(n int) ([]byte, error) {
	_, err := io.ReadFull(r.r, r.row[:n])
	if err != nil {
		return nil, tableError("a sample table", err)
	}
	return r.row[:n], nil
}

func tableError(name string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Wrap(fault.Corrupt, err, "the file ends within "+name)
	}
	return fmt.Errorf("read %s: %w", name, err)
}
