package isobmff

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Sample is one frame of a track.
type Sample struct {
	Size     uint32 // bytes
	Duration uint32 // ticks until the next sample is decoded
	Offset   int32  // ticks from decoding to presentation; may be negative
	Sync     bool   // decoding may start here
}

// Track describes a piece's track.
type Track struct {
	Handler   string // "vide", "soun", "text", "subt", …
	Timescale uint32 // ticks per second
	// Entry is the sample description, one whole box ("avc1", "mp4a", …) without btrt: bit rates differ from piece to
	// piece where the encoder's settings do not, and equal encodes must give equal bytes.
	Entry         []byte
	Width, Height uint32 // 16.16 fixed point, as shown; 0 for sound
	Language      string // ISO 639-2/T; "" and "und" are undetermined
	Name          string // a title, as ffmpeg and QuickTime show it
	Enabled       bool   // played unless the viewer chooses otherwise
}

// Codec returns the sample entry's type, "" if there is none.
func (t Track) Codec() string {
	if len(t.Entry) < 8 {
		return ""
	}
	return string(t.Entry[4:8])
}

// Chunk is one track's samples for one stretch of time.
type Chunk struct {
	Track       Track
	Start       int64 // decode time of the first sample, ticks
	Samples     []Sample
	Header      int64              // bytes of the stored piece before the first sample's; 0 as long as it is not stored
	Bytes       int64              // of all samples
	Interleaved []InterleavedRange // in their order
}

// Presentation returns the presentation times, sorted.
func (p Chunk) Presentation() []int64 {
	times := make([]int64, len(p.Samples))
	now := p.Start
	for i, s := range p.Samples {
		times[i] = now + int64(s.Offset)
		now += int64(s.Duration)
	}
	return sorted(times)
}

// End returns the decode time at which the last sample ends.
func (p Chunk) End() int64 {
	end := p.Start
	for _, s := range p.Samples {
		end += int64(s.Duration)
	}
	return end
}

// Shift returns the piece moved by ticks, which may be negative. The result shares Samples.
func (p Chunk) Shift(ticks int64) Chunk {
	p.Start += ticks
	return p
}

// Slice returns the samples whose decode times lie from from until until, in place: the rest of the stored bytes are left
// out, before and after. The result shares Samples.
func (p Chunk) Slice(from, until int64) Chunk {
	out, now := p, p.Start
	i := 0
	for ; i < len(p.Samples) && now < from; i++ {
		out.Header += int64(p.Samples[i].Size)
		now += int64(p.Samples[i].Duration)
	}
	out.Start, out.Bytes = now, 0
	first := i
	for ; i < len(p.Samples) && now < until; i++ {
		out.Bytes += int64(p.Samples[i].Size)
		now += int64(p.Samples[i].Duration)
	}
	out.Samples = p.Samples[first:i]
	return out
}

// Normalise returns the piece with its sorted presentation times as decode times, and the composition offsets, now
// signed, that keep each sample's presentation time. So decode times follow from presentation times alone,
// whatever the encoder's delay, and pieces that follow each other in presentation do so in decoding. The last
// sample keeps its duration. Samples that share a presentation time, or whose offset leaves 32 bits, are Corrupt.
func (p Chunk) Normalise() (Chunk, error) {
	if len(p.Samples) == 0 {
		return p, nil
	}
	times := p.Presentation()
	out := p
	out.Start = times[0]
	out.Samples = slices.Clone(p.Samples)
	out.Header = 0
	now := p.Start
	for i, s := range p.Samples {
		offset := now + int64(s.Offset) - times[i]
		now += int64(s.Duration)
		if offset != int64(int32(offset)) {
			return p, fault.New(fault.Corrupt, "sample %d is shown %d ticks from its turn", i+1, offset)
		}
		out.Samples[i].Offset = int32(offset)
		if i+1 == len(times) {
			break
		}
		duration := times[i+1] - times[i]
		if duration <= 0 {
			return p, fault.New(fault.Corrupt, "two samples are shown at tick %d", times[i])
		}
		if duration > math.MaxUint32 {
			return p, fault.New(fault.Unsupported, "a gap of %d ticks at tick %d", duration, times[i])
		}
		out.Samples[i].Duration = uint32(duration)
	}
	return out, nil
}

// Sample flags of ISO/IEC 14496-12, 8.8.3.1: depends on others or not, and whether it is a sync sample.
const (
	syncFlags    = 0x02000000
	nonSyncFlags = 0x01010000
)

// Write stores the piece: ftyp, moov, moof and mdat, with len(Samples) samples of Bytes bytes, and the guests where they
// belong, taken from payload. The same piece gives the same bytes. The piece's Header is ignored; Stored tells what it will be.
func (p Chunk) Write(w io.Writer, payload io.Reader) error {
	head, err := p.header()
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("write piece: %w", err)
	}
	n, err := io.CopyN(w, payload, p.Payload())
	if err == io.EOF { //nolint:errorlint // io.CopyN returns it bare
		return fault.New(fault.Corrupt, "a piece's samples end after %d of %d bytes", n, p.Payload())
	}
	if err != nil {
		return fmt.Errorf("write piece: %w", err)
	}
	return nil
}

// Stored returns the piece as ReadChunk would read it once written: Header is set, and what a file cannot hold
// otherwise is normal (no language is "und").
func (p Chunk) Stored() (Chunk, error) {
	head, err := p.header()
	if err != nil {
		return p, err
	}
	return ReadChunk(head)
}

// header returns everything before the first sample's bytes.
func (p Chunk) header() ([]byte, error) {
	var total int64
	for _, s := range p.Samples {
		total += int64(s.Size)
	}
	switch {
	case p.Start < 0:
		return nil, fault.New(fault.Internal, "a piece that starts at tick %d cannot be stored", p.Start)
	case total != p.Bytes:
		return nil, fault.New(fault.Internal, "a piece of %d bytes has samples of %d", p.Bytes, total)
	}
	init, err := p.Track.Init()
	if err != nil {
		return nil, err
	}
	guests, err := p.guestsBox()
	if err != nil {
		return nil, err
	}
	fragment, err := p.fragment(1)
	return slices.Concat(init, guests, fragment), err
}

// Init returns the initialisation segment of a track, which CMAF calls its header: ftyp and moov. Equal tracks give
// equal bytes.
func (t Track) Init() ([]byte, error) {
	if t.Codec() == "" {
		return nil, fault.New(fault.Internal, "a track without sample description")
	}
	trak, err := pieceTrak(t)
	if err != nil {
		return nil, err
	}
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

// fragment returns the moof of all samples and the header of the mdat that follows it.
func (p Chunk) fragment(sequence uint32) ([]byte, error) {
	moof, err := p.moof(sequence)
	if err != nil {
		return nil, err
	}
	mdat := appendMdat(nil, p.Payload())
	head := int64(moof.Size()) + int64(len(mdat))
	moof.Traf.Trun.DataOffset = int32(head)
	run := 0
	p.groups(func(offset int64, _, _ int) {
		moof.Traf.Truns[run].DataOffset = int32(min(head+offset, math.MaxInt32))
		run++
	})

	out, err := encode(moof)
	if err != nil {
		return nil, err
	}
	return append(out, mdat...), nil
}

func (p Chunk) moof(sequence uint32) (*mp4.MoofBox, error) {
	moof := &mp4.MoofBox{}
	tfhd := mp4.CreateTfhd(1)
	trun := mp4.CreateTrun(0)
	trun.Flags = mp4.TrunDataOffsetPresentFlag | mp4.TrunSampleSizePresentFlag
	trun.DataOffset = 1 // not 0, or mp4ff refuses it; the caller knows it once the moof has its size
	trun.Samples = make([]mp4.Sample, len(p.Samples))
	same := func(f func(Sample) bool) bool {
		return !slices.ContainsFunc(p.Samples, func(s Sample) bool { return !f(s) })
	}
	var first Sample
	if len(p.Samples) > 0 {
		first = p.Samples[0]
	}
	if same(func(s Sample) bool { return s.Duration == first.Duration }) {
		tfhd.Flags |= mp4.TfhdDefaultSampleDurationPresentFlag
		tfhd.DefaultSampleDuration = first.Duration
	} else {
		trun.Flags |= mp4.TrunSampleDurationPresentFlag
	}
	if same(func(s Sample) bool { return s.Sync }) {
		tfhd.Flags |= mp4.TfhdDefaultSampleFlagsPresentFlag
		tfhd.DefaultSampleFlags = syncFlags
	} else {
		trun.Flags |= mp4.TrunSampleFlagsPresentFlag
	}
	if !same(func(s Sample) bool { return s.Offset == 0 }) {
		trun.Flags |= mp4.TrunSampleCompositionTimeOffsetPresentFlag
	}
	for i, s := range p.Samples {
		flags := uint32(nonSyncFlags)
		if s.Sync {
			flags = syncFlags
		}
		trun.Samples[i] = mp4.Sample{Flags: flags, Dur: s.Duration, Size: s.Size, CompositionTimeOffset: s.Offset}
	}
	traf := &mp4.TrafBox{}
	tfdt := mp4.CreateTfdt(0)
	tfdt.SetBaseMediaDecodeTime(uint64(p.Start))
	content := []mp4.Box{tfhd, tfdt}
	p.groups(func(_ int64, from, to int) {
		run := *trun
		run.Samples = trun.Samples[from:to]
		content = append(content, &run)
	})
	if len(p.Samples) == 0 {
		content = append(content, trun)
	}
	for _, b := range content {
		if err := traf.AddChild(b); err != nil {
			return nil, fmt.Errorf("build traf: %w", err)
		}
	}
	for _, b := range []mp4.Box{&mp4.MfhdBox{SequenceNumber: sequence}, traf} {
		if err := moof.AddChild(b); err != nil {
			return nil, fmt.Errorf("build moof: %w", err)
		}
	}
	if size := moof.Size(); size > maxFragment {
		return nil, fault.New(fault.Unsupported, "%d samples in one piece", len(p.Samples))
	}
	return moof, nil
}

// appendMdat appends the header of an mdat with n bytes of content.
func appendMdat(to []byte, n int64) []byte {
	if n+8 <= math.MaxUint32 {
		return appendHeader(to, "mdat", int(n)+8)
	}
	to = appendHeader(to, "mdat", 1)
	n += 16
	return append(to, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// ReadChunk reads a stored piece from its first bytes, of which there must be at least Header.
func ReadChunk(header []byte) (Chunk, error) {
	// The samples need not be there: what counts is that they would follow.
	r := bytes.NewReader(header)
	mdat, err := findMdat(r, int64(len(header)))
	if err != nil {
		return Chunk{}, err
	}
	return readStored(r, mdat)
}

// ReadPieceAt reads a stored piece of size bytes, and of it no more than the headers.
func ReadPieceAt(r io.ReaderAt, size int64) (Chunk, error) {
	mdat, err := findMdat(r, size)
	if err != nil {
		return Chunk{}, err
	}
	if mdat.end > size {
		return Chunk{}, fault.New(fault.Corrupt, "a piece of %d bytes should have %d", size, mdat.end)
	}
	return readStored(r, mdat)
}

// findMdat walks the top level of a piece to its mdat, whose end is where its header says, in the file or not.
func findMdat(r io.ReaderAt, size int64) (box, error) {
	w := &window{r: r, size: size}
	for at := int64(0); at < size; {
		b, err := w.header(at, math.MaxInt64/2)
		if err != nil {
			return b, err
		}
		if b.kind == "mdat" {
			return b, nil
		}
		at = b.end
	}
	return box{}, fault.New(fault.Corrupt, "no mdat in the first %d bytes", size)
}

func readStored(r io.ReaderAt, mdat box) (Chunk, error) {
	piece, extents, err := readFragments(r, mdat.body, mdat.end)
	if err != nil {
		return piece, err
	}
	piece.Header = mdat.body
	if piece.Interleaved, err = findGuests(r, mdat, len(piece.Samples)); err != nil {
		return piece, err
	}
	if piece.Payload() == 0 {
		return piece, nil
	}
	var want []Extent
	piece.groups(func(offset int64, from, to int) {
		length := int64(0)
		for _, s := range piece.Samples[from:to] {
			length += int64(s.Size)
		}
		if length > 0 {
			want = append(want, Extent{mdat.body + offset, length})
		}
	})
	if !slices.Equal(extents, want) || mdat.end-mdat.body != piece.Payload() {
		return piece, fault.New(fault.Corrupt, "a piece's samples do not fill its mdat")
	}
	return piece, nil
}

// findGuests reads the list of guests of a piece, where it has one.
func findGuests(r io.ReaderAt, mdat box, samples int) (guests []InterleavedRange, err error) {
	w := &window{r: r, size: mdat.body}
	for at := int64(0); at < mdat.start; {
		b, err := w.header(at, math.MaxInt64/2)
		if err != nil {
			return nil, err
		}
		if b.kind == "uuid" && guests == nil {
			content, err := w.body(b, maxFragment)
			if err != nil {
				return nil, err
			}
			if guests, err = readGuests(content, samples); err != nil {
				return nil, err
			}
		}
		at = b.end
	}
	return guests, nil
}

// languageCode returns the packed ISO 639-2/T code.
func languageCode(language string) uint16 {
	if len(language) != 3 || strings.Trim(language, "abcdefghijklmnopqrstuvwxyz") != "" {
		language = "und"
	}
	var mdhd mp4.MdhdBox
	mdhd.SetLanguage(language)
	return mdhd.Language
}
