package isobmff

import "github.com/mapreel/mapreel/pkg/fault"

// Trim returns the samples that are shown in [from, to), and where their bytes lie; nil leaves a
// side open. It removes the frames that an encoder was given before and after its segment. The
// removed samples must also come before or after the others in decode order, the first sample kept
// must be a sync sample, and so must the first one after the samples kept. Otherwise the chunk is
// fault.Corrupt.
func (c Chunk) Trim(extents []Extent, from, to *int64) (Chunk, []Extent, error) {
	first, end := 0, len(c.Samples)
	var start, before, size int64 // bytes before and of the samples kept
	now := c.Start
	const (
		earlier = iota
		within
		later
	)
	current := earlier
	start = now
	for i, s := range c.Samples {
		shown := now + int64(s.Offset)
		place := within
		switch {
		case from != nil && shown < *from:
			place = earlier
		case to != nil && shown >= *to:
			place = later
		}
		if place < current {
			return c, nil, fault.New(fault.Corrupt, "sample %d, shown at tick %d, is decoded after a sample of a later segment", i+1, shown)
		}
		if place != current {
			if i > 0 && !s.Sync {
				return c, nil, fault.New(fault.Corrupt, "the encoder wrote no keyframe at tick %d, where one was forced", shown)
			}
			if current == earlier {
				first, start = i, now
			}
			if place == later {
				end = i
			}
			current = place
		}
		switch place {
		case earlier:
			before += int64(s.Size)
			first, start = i+1, now+int64(s.Duration)
		case within:
			size += int64(s.Size)
		}
		now += int64(s.Duration)
	}
	out := c
	out.Start, out.Bytes, out.Header = start, size, 0
	out.Samples = c.Samples[min(first, end):end]
	return out, slice(extents, before, size), nil
}

// Range returns the samples with the numbers from first to before end, and where their bytes lie.
func (c Chunk) Range(extents []Extent, first, end int) (Chunk, []Extent) {
	out := c
	var before int64
	for _, s := range c.Samples[:first] {
		out.Start += int64(s.Duration)
		before += int64(s.Size)
	}
	out.Samples, out.Bytes, out.Header = c.Samples[first:end], 0, 0
	for _, s := range out.Samples {
		out.Bytes += int64(s.Size)
	}
	return out, slice(extents, before, out.Bytes)
}

// slice returns the extents that cover the length bytes after the first skip bytes of the
// concatenated extents.
func slice(extents []Extent, skip, length int64) []Extent {
	var out []Extent
	for _, x := range extents {
		skipped := min(skip, x.Length)
		skip -= skipped
		x.Offset, x.Length = x.Offset+skipped, min(x.Length-skipped, length)
		if length -= x.Length; x.Length > 0 {
			out = append(out, x)
		}
	}
	return out
}
