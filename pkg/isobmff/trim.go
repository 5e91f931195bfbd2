package isobmff

import (
	"github.com/mapreel/mapreel/pkg/fault"
)

// Trim returns the samples that are shown from one tick up to another, nil = open, and where their bytes lie: what an
// encoder was given before and after its segment is left out. That must be possible without loss: the samples left out
// come before or after the others in decoding too, and the first one kept is a sync sample, as is the first one after
// them. Else the piece is Corrupt.
func (p Chunk) Trim(extents []Extent, from, to *int64) (Chunk, []Extent, error) {
	first, end := 0, len(p.Samples)
	var start, before, kept int64
	now := p.Start
	const (
		early = iota
		within
		late
	)
	part := early
	start = now
	for i, s := range p.Samples {
		shown := now + int64(s.Offset)
		is := within
		switch {
		case from != nil && shown < *from:
			is = early
		case to != nil && shown >= *to:
			is = late
		}
		if is < part {
			return p, nil, fault.New(fault.Corrupt, "sample %d, shown at tick %d, comes after the part that it belongs to", i+1, shown)
		}
		if is != part {
			if i > 0 && !s.Sync {
				return p, nil, fault.New(fault.Corrupt, "no keyframe at tick %d, where one was asked for", shown)
			}
			if part == early {
				first, start = i, now
			}
			if is == late {
				end = i
			}
			part = is
		}
		switch is {
		case early:
			before += int64(s.Size)
			first, start = i+1, now+int64(s.Duration)
		case within:
			kept += int64(s.Size)
		}
		now += int64(s.Duration)
	}
	out := p
	out.Start, out.Bytes, out.Header = start, kept, 0
	out.Samples = p.Samples[min(first, end):end]
	return out, section(extents, before, kept), nil
}

// section is where length bytes lie that follow the first skip bytes of extents.
func section(extents []Extent, skip, length int64) []Extent {
	var out []Extent
	for _, x := range extents {
		gone := min(skip, x.Length)
		skip -= gone
		x.Offset, x.Length = x.Offset+gone, min(x.Length-gone, length)
		if length -= x.Length; x.Length > 0 {
			out = append(out, x)
		}
	}
	return out
}
