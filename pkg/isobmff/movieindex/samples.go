package movieindex

import (
	"encoding/binary"
	"io"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// sample is a sample as the sample tables describe it.
type sample struct {
	decode int64 // decode time: the sum of the durations before it
	offset int32 // composition offset
	sync   bool
	gone   bool // its bytes lie beyond the end of the file
}

// readSamples expands a track's tables, in decode order, followed by one sample that holds the
// track's end. shift is the amount by which libavformat moves decode times back because of negative
// offsets. complete reports whether the tables cover all samples.
func readSamples(r io.ReaderAt, t tables, count int) (samples []sample, shift int64, complete bool, err error) {
	durations, err := box.OpenTable(r, t.stts, 8, 8)
	if err != nil {
		return nil, 0, false, err
	}
	samples = make([]sample, 0, count+1)
	complete = true
	var now, last int64
	for len(samples) < count {
		row, ok, err := durations.Next()
		if err != nil {
			return nil, 0, false, err
		}
		n := int64(count - len(samples))
		if ok {
			n = min(n, int64(binary.BigEndian.Uint32(row)))
			last = int64(int32(binary.BigEndian.Uint32(row[4:])))
			if last < 0 { // libavformat reads a negative duration as 1
				last = 1
				complete = false
			}
		} else if complete = false; t.stts.Type == "" {
			return nil, 0, false, fault.New(fault.Corrupt, "no stts")
		}
		for range n {
			samples = append(samples, sample{decode: now})
			now += last
		}
	}
	if t.ctts.Type != "" {
		var whole bool
		if shift, whole, err = readOffsets(r, t.ctts, samples); err != nil {
			return nil, 0, false, err
		}
		complete = complete && whole
	}
	if err := readSync(r, t, samples); err != nil {
		return nil, 0, false, err
	}
	// The end of the last sample gives its duration.
	samples = append(samples, sample{decode: now})
	return samples, shift, complete, nil
}

// readOffsets sets the samples' composition offsets. For shift and complete see readSamples.
func readOffsets(r io.ReaderAt, ctts box.Box, samples []sample) (shift int64, complete bool, err error) {
	offsets, err := box.OpenTable(r, ctts, 8, 8)
	if err != nil {
		return 0, false, err
	}
	at, rows := 0, offsets.Left
	for {
		row, ok, err := offsets.Next()
		if err != nil {
			return 0, false, err
		}
		if !ok {
			break
		}
		offset := int32(binary.BigEndian.Uint32(row[4:]))
		// libavformat ignores the last two rows here.
		if rows > 2 && offsets.Left >= 2 {
			shift = max(shift, -int64(offset))
		}
		for n := min(int64(binary.BigEndian.Uint32(row)), int64(len(samples)-at)); n > 0; n-- {
			samples[at].offset = offset
			at++
		}
	}
	return shift, at == len(samples), nil
}

// readSync marks the sync samples that stss lists, or all samples if there is no stss. It also
// marks QuickTime's partial sync samples (stps) and the random access points of open GOPs (sbgp
// "rap "), because ffmpeg starts decoding there too.
func readSync(r io.ReaderAt, t tables, samples []sample) error {
	if t.stss.Type == "" && t.stps.Type == "" && t.sbgp.Type == "" {
		for i := range samples {
			samples[i].sync = true
		}
		return nil
	}
	for _, b := range []box.Box{t.stss, t.stps} {
		if b.Type == "" {
			continue
		}
		numbers, err := box.OpenTable(r, b, 8, 4)
		if err != nil {
			return err
		}
		for {
			row, ok, err := numbers.Next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if n := binary.BigEndian.Uint32(row); n >= 1 && int64(n) <= int64(len(samples)) {
				samples[n-1].sync = true
			}
		}
	}
	if t.stss.Type == "" && t.stps.Type == "" {
		for i := range samples {
			samples[i].sync = true
		}
	}
	if t.sbgp.Type == "" {
		return nil
	}
	version := make([]byte, 1)
	if err := box.ReadFull(r, version, t.sbgp.Body); err != nil {
		return err
	}
	head := int64(12) // version and flags, grouping type, count
	if version[0] == 1 {
		head += 4 // grouping type parameter
	}
	groups, err := box.OpenTable(r, t.sbgp, head, 8)
	if err != nil {
		return err
	}
	for at := 0; ; {
		row, ok, err := groups.Next()
		if err != nil || !ok {
			return err
		}
		in := binary.BigEndian.Uint32(row[4:]) > 0
		for n := min(int64(binary.BigEndian.Uint32(row)), int64(len(samples)-at)); n > 0; n-- {
			samples[at].sync = samples[at].sync || in
			at++
		}
	}
}
