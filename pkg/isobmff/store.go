package isobmff

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// Sample flags of ISO/IEC 14496-12, 8.8.3.1: whether a sample depends on others, and whether it is
// a sync sample.
const (
	syncFlags    = 0x02000000
	nonSyncFlags = 0x01010000
)

// Write stores the chunk: ftyp, moov, moof and mdat. It reads Payload bytes from payload: the
// samples with the interleaved ranges between them. Equal chunks give equal bytes. The chunk's
// Header is ignored.
func (c Chunk) Write(w io.Writer, payload io.Reader) error {
	head, err := c.header()
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("write chunk: %w", err)
	}
	n, err := io.CopyN(w, payload, c.Payload())
	if err == io.EOF { //nolint:errorlint // io.CopyN returns it bare
		return fault.New(fault.Corrupt, "the chunk's samples end after %d of %d bytes", n, c.Payload())
	}
	if err != nil {
		return fmt.Errorf("write chunk: %w", err)
	}
	return nil
}

// header returns everything before the first sample's bytes.
func (c Chunk) header() ([]byte, error) {
	var total int64
	for _, s := range c.Samples {
		total += int64(s.Size)
	}
	switch {
	case c.Start < 0:
		return nil, fault.New(fault.Internal, "a chunk that starts at tick %d cannot be stored", c.Start)
	case total != c.Bytes:
		return nil, fault.New(fault.Internal, "a chunk of %d bytes has samples of %d bytes", c.Bytes, total)
	}
	init, err := c.Track.Init()
	if err != nil {
		return nil, err
	}
	interleaved, err := c.interleavedBox()
	if err != nil {
		return nil, err
	}
	fragment, err := c.fragment(1, nil)
	return slices.Concat(init, interleaved, fragment), err
}

// Init returns the initialisation segment of a track, which CMAF calls the CMAF header: ftyp and
// moov. Equal tracks give equal bytes.
func (t Track) Init() ([]byte, error) { return t.DelayedInit(0) }

// DelayedInit returns the initialisation segment of a track whose composition times are delay ticks
// later than its presentation. An edit list says so.
func (t Track) DelayedInit(delay int64) ([]byte, error) {
	if t.Codec() == "" {
		return nil, fault.New(fault.Internal, "the track has no sample entry")
	}
	stbl := mp4.NewStblBox()
	for _, b := range []mp4.Box{box.SampleDescription([][]byte{t.Entry}), &mp4.SttsBox{}, &mp4.StscBox{}, &mp4.StszBox{}, &mp4.StcoBox{}} {
		stbl.AddChild(b)
	}
	trak := box.NewTrak(box.Track(t), box.TrakHeader{ID: 1}, delayEdit(delay), stbl)
	moov := mp4.NewMoovBox()
	mvhd := mp4.CreateMvhd()
	mvhd.Timescale = t.Timescale
	moov.AddChild(mvhd)
	moov.AddChild(trak)
	mvex := mp4.NewMvexBox()
	mvex.AddChild(mp4.CreateTrex(1))
	moov.AddChild(mvex)
	sw := bits.NewFixedSliceWriter(int(moov.Size() + 64))
	for _, b := range []mp4.Box{mp4.NewFtyp("iso6", 0, []string{"iso6", "cmfc", "mp41"}), moov} {
		if err := b.EncodeSW(sw); err != nil {
			return nil, fmt.Errorf("encode %s: %w", b.Type(), err)
		}
	}
	return sw.Bytes(), nil
}

// delayEdit returns the edts of a fragmented track that is shown from the given composition time on, or nil. A duration
// of 0 is the whole of all fragments (ISO/IEC 14496-12, 8.6.6).
func delayEdit(delay int64) mp4.Box {
	if delay == 0 {
		return nil
	}
	edts := &mp4.EdtsBox{}
	edts.AddChild(&mp4.ElstBox{Entries: []mp4.ElstEntry{{MediaTime: delay, MediaRateInteger: 1}}})
	return edts
}

// fragment returns the moof of all samples and the header of the mdat that follows. groups are boxes
// of sample groups.
func (c Chunk) fragment(sequence uint32, groups []mp4.Box) ([]byte, error) {
	moof, err := c.moof(sequence, groups)
	if err != nil {
		return nil, err
	}
	mdat := box.AppendMdat(nil, c.Payload())
	head := int64(moof.Size()) + int64(len(mdat))
	moof.Traf.Trun.DataOffset = int32(head)
	run := 0
	c.runs(func(offset int64, _, _ int) {
		moof.Traf.Truns[run].DataOffset = int32(min(head+offset, math.MaxInt32))
		run++
	})

	out, err := box.Encode(moof)
	if err != nil {
		return nil, err
	}
	return append(out, mdat...), nil
}

func (c Chunk) moof(sequence uint32, groups []mp4.Box) (*mp4.MoofBox, error) {
	moof := &mp4.MoofBox{}
	tfhd := mp4.CreateTfhd(1)
	trun := mp4.CreateTrun(0)
	trun.Flags = mp4.TrunDataOffsetPresentFlag | mp4.TrunSampleSizePresentFlag
	trun.DataOffset = 1 // mp4ff refuses 0; the caller sets it once the size of the moof is known
	trun.Samples = make([]mp4.Sample, len(c.Samples))
	all := func(f func(Sample) bool) bool {
		return !slices.ContainsFunc(c.Samples, func(s Sample) bool { return !f(s) })
	}
	var first Sample
	if len(c.Samples) > 0 {
		first = c.Samples[0]
	}
	if all(func(s Sample) bool { return s.Duration == first.Duration }) {
		tfhd.Flags |= mp4.TfhdDefaultSampleDurationPresentFlag
		tfhd.DefaultSampleDuration = first.Duration
	} else {
		trun.Flags |= mp4.TrunSampleDurationPresentFlag
	}
	if all(func(s Sample) bool { return s.Sync }) {
		tfhd.Flags |= mp4.TfhdDefaultSampleFlagsPresentFlag
		tfhd.DefaultSampleFlags = syncFlags
	} else {
		trun.Flags |= mp4.TrunSampleFlagsPresentFlag
	}
	if !all(func(s Sample) bool { return s.Offset == 0 }) {
		trun.Flags |= mp4.TrunSampleCompositionTimeOffsetPresentFlag
	}
	for i, s := range c.Samples {
		flags := uint32(nonSyncFlags)
		if s.Sync {
			flags = syncFlags
		}
		trun.Samples[i] = mp4.Sample{Flags: flags, Dur: s.Duration, Size: s.Size, CompositionTimeOffset: s.Offset}
	}
	traf := &mp4.TrafBox{}
	tfdt := mp4.CreateTfdt(0)
	tfdt.SetBaseMediaDecodeTime(uint64(c.Start))
	content := []mp4.Box{tfhd, tfdt}
	c.runs(func(_ int64, from, to int) {
		run := *trun
		run.Samples = trun.Samples[from:to]
		content = append(content, &run)
	})
	if len(c.Samples) == 0 {
		content = append(content, trun)
	}
	for _, b := range append(content, groups...) {
		if err := traf.AddChild(b); err != nil {
			return nil, fmt.Errorf("build traf: %w", err)
		}
	}
	for _, b := range []mp4.Box{&mp4.MfhdBox{SequenceNumber: sequence}, traf} {
		if err := moof.AddChild(b); err != nil {
			return nil, fmt.Errorf("build moof: %w", err)
		}
	}
	if size := moof.Size(); size > box.MaxFragment {
		return nil, fault.New(fault.Unsupported, "%d samples are too many for one fragment", len(c.Samples))
	}
	return moof, nil
}

// ReadChunk reads a stored chunk from its first bytes, of which there must be at least Header. The
// samples need not follow.
func ReadChunk(header []byte) (Chunk, error) {
	file := bytes.NewReader(header)
	mdat, err := findMdat(file, int64(len(header)))
	if err != nil {
		return Chunk{}, err
	}
	return readStored(file, mdat)
}

// findMdat returns the mdat of a chunk's file of size bytes. Its declared end may lie beyond the
// file.
func findMdat(file io.ReaderAt, size int64) (box.Box, error) {
	r := &box.Reader{File: file, Size: size}
	for at := int64(0); at < size; {
		b, err := r.Header(at, math.MaxInt64/2)
		if err != nil {
			return b, err
		}
		if b.Type == "mdat" {
			return b, nil
		}
		at = b.End
	}
	return box.Box{}, fault.New(fault.Corrupt, "no mdat in the first %d bytes", size)
}

// readStored reads the chunk before mdat and checks that its samples and interleaved ranges fill
// the mdat exactly.
func readStored(file io.ReaderAt, mdat box.Box) (Chunk, error) {
	chunk, extents, err := readFragments(file, mdat.Body, mdat.End)
	if err != nil {
		return chunk, err
	}
	chunk.Header = mdat.Body
	if chunk.Interleaved, err = findInterleaved(file, mdat, len(chunk.Samples)); err != nil {
		return chunk, err
	}
	if chunk.Payload() == 0 {
		return chunk, nil
	}
	var want []Extent
	chunk.runs(func(offset int64, from, to int) {
		length := int64(0)
		for _, s := range chunk.Samples[from:to] {
			length += int64(s.Size)
		}
		if length > 0 {
			want = append(want, Extent{mdat.Body + offset, length})
		}
	})
	if !slices.Equal(extents, want) || mdat.End-mdat.Body != chunk.Payload() {
		return chunk, fault.New(fault.Corrupt, "the chunk's samples do not fill its mdat")
	}
	return chunk, nil
}

// findInterleaved reads the chunk's list of interleaved ranges, if it has one.
func findInterleaved(file io.ReaderAt, mdat box.Box, samples int) (ranges []InterleavedRange, err error) {
	r := &box.Reader{File: file, Size: mdat.Body}
	for at := int64(0); at < mdat.Start; {
		b, err := r.Header(at, math.MaxInt64/2)
		if err != nil {
			return nil, err
		}
		if b.Type == "uuid" && ranges == nil {
			content, err := r.Content(b, box.MaxFragment)
			if err != nil {
				return nil, err
			}
			if ranges, err = parseInterleaved(content, samples); err != nil {
				return nil, err
			}
		}
		at = b.End
	}
	return ranges, nil
}
