package box

import (
	"encoding/binary"

	"github.com/mapreel/mapreel/pkg/fault"
)

// MaxEdits limits the rows of an edit list. ffmpeg walks the whole track for each edit, and so does
// package movieindex.
const MaxEdits = 256

// Edit is a row of an edit list (ISO/IEC 14496-12, 8.6.6): it shows the media from Time on for
// Duration ticks.
type Edit struct {
	Duration int64 // ticks of the movie's timescale
	Time     int64 // ticks of the track's timescale; -1 shows nothing
}

// ParseEdits reads the content of an elst box.
func ParseEdits(content []byte) ([]Edit, error) {
	if len(content) < 8 {
		return nil, fault.New(fault.Corrupt, "the edit list has %d bytes", len(content))
	}
	version, count := content[0], int64(binary.BigEndian.Uint32(content[4:]))
	each := int64(12)
	if version == 1 {
		each = 20
	}
	content = content[8:]
	if count*each > int64(len(content)) {
		return nil, fault.New(fault.Corrupt, "the edit list declares %d edits in %d bytes", count, len(content))
	}
	if count > MaxEdits {
		return nil, fault.New(fault.Unsupported, "the edit list has %d edits, more than the limit of %d", count, MaxEdits)
	}
	edits := make([]Edit, count)
	for i := range edits {
		row := content[int64(i)*each:]
		if version == 1 {
			edits[i] = Edit{int64(binary.BigEndian.Uint64(row)), int64(binary.BigEndian.Uint64(row[8:]))}
		} else {
			edits[i] = Edit{int64(binary.BigEndian.Uint32(row)), int64(int32(binary.BigEndian.Uint32(row[4:])))}
		}
		// No film has more than 2^56 ticks; larger values would only overflow.
		if e := edits[i]; e.Duration < 0 || e.Duration > 1<<56 || e.Time < -1 || e.Time > 1<<56 {
			return nil, fault.New(fault.Corrupt, "edit %d has duration %d and media time %d", i+1, e.Duration, e.Time)
		}
	}
	return edits, nil
}
