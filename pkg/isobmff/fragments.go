package isobmff

import (
	"encoding/binary"
	"io"
	"math"
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// Extent is a byte range of a file.
type Extent struct{ Offset, Length int64 }

// Payload returns a reader of the bytes at extents, in their order.
func Payload(f io.ReaderAt, extents []Extent) io.Reader {
	sections := make([]io.Reader, len(extents))
	for i, x := range extents {
		sections[i] = io.NewSectionReader(f, x.Offset, x.Length)
	}
	return io.MultiReader(sections...)
}

// maxSamples is box.MaxSamples, except while fuzzing, which would spend all its time on files of a
// few bytes that declare millions of samples.
var maxSamples = box.MaxSamples

// ReadFragments reads the headers of a fragmented MP4 of one track. The extents are where the
// samples' bytes lie, in sample order, with adjacent ones merged. A sample's duration lasts until
// the next sample's decode time, also across fragments, so the chunk's decode times are those of
// the file even if there are gaps between its fragments. The edit list is not applied.
func ReadFragments(file io.ReaderAt, size int64) (Chunk, []Extent, error) {
	return readFragments(file, size, size)
}

// readFragments reads the headers in the first size bytes of a file of whole bytes.
func readFragments(file io.ReaderAt, size, whole int64) (Chunk, []Extent, error) {
	r := &box.Reader{File: file, Size: size}
	f := &fragments{whole: whole}
	boxes := 0
	for at := int64(0); at < size; boxes++ {
		if boxes == box.MaxBoxes {
			return Chunk{}, nil, fault.New(fault.Unsupported, "more than %d boxes", box.MaxBoxes)
		}
		b, err := r.Header(at, whole)
		if err != nil {
			return Chunk{}, nil, err
		}
		switch b.Type {
		case "moov":
			err = f.readMoov(r, b)
		case "moof":
			err = f.readMoof(r, b)
		}
		if err != nil {
			return Chunk{}, nil, err
		}
		at = b.End
	}
	if f.trex == nil {
		return Chunk{}, nil, fault.New(fault.Corrupt, "no fragmented track in the file")
	}
	return f.chunk, f.extents, nil
}

// fragments collects the samples of a file's fragments.
type fragments struct {
	whole   int64 // size of the file, in bytes
	trackID uint32
	trex    *mp4.TrexBox
	chunk   Chunk
	extents []Extent
	next    int64 // decode time after the last sample
}

func (f *fragments) readMoov(r *box.Reader, moov box.Box) error {
	if f.trackID != 0 {
		return fault.New(fault.Corrupt, "the file has a second moov at byte %d", moov.Start)
	}
	tracks := 0
	err := r.Children(moov, func(b box.Box) (err error) {
		switch b.Type {
		case "trak":
			tracks++
			f.chunk.Track, f.trackID, err = readTrack(r, b)
		case "mvex":
			err = r.Children(b, func(b box.Box) error {
				if b.Type == "trex" {
					f.trex, err = box.Decode[*mp4.TrexBox](r, b, box.MaxSmall)
				}
				return err
			})
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case tracks != 1:
		return fault.New(fault.Unsupported, "the file has %d tracks where a chunk has one", tracks)
	case f.trackID == 0 || f.chunk.Track.Timescale == 0:
		return fault.New(fault.Corrupt, "the track has no ID or no timescale")
	case f.trex == nil:
		return fault.New(fault.Unsupported, "the file is not fragmented")
	}
	return nil
}

func (f *fragments) readMoof(r *box.Reader, moof box.Box) error {
	if f.trex == nil {
		return fault.New(fault.Corrupt, "the fragment at byte %d precedes the moov", moof.Start)
	}
	return r.Children(moof, func(b box.Box) error {
		if b.Type != "traf" {
			return nil
		}
		var tfhd *mp4.TfhdBox
		var data int64 // where the next run's data start if the run has no data offset
		return r.Children(b, func(b box.Box) (err error) {
			switch b.Type {
			case "tfhd":
				if tfhd, err = box.Decode[*mp4.TfhdBox](r, b, box.MaxSmall); err != nil {
					return err
				}
				if tfhd.TrackID != f.trackID {
					return fault.New(fault.Corrupt, "the file has a fragment of track %d but describes track %d", tfhd.TrackID, f.trackID)
				}
				data = moof.Start
				if tfhd.HasBaseDataOffset() {
					if tfhd.BaseDataOffset > math.MaxInt64/2 {
						return fault.New(fault.Corrupt, "a fragment declares that its data start at byte %d", tfhd.BaseDataOffset)
					}
					data = int64(tfhd.BaseDataOffset)
				}
				if tfhd.HasSampleDescriptionIndex() && tfhd.SampleDescriptionIndex != 1 {
					return fault.New(fault.Unsupported, "the chunk has several sample descriptions")
				}
			case "tfdt":
				tfdt, err := box.Decode[*mp4.TfdtBox](r, b, box.MaxSmall)
				if err != nil {
					return err
				}
				return f.moveTo(tfdt.BaseMediaDecodeTime())
			case "trun":
				if tfhd == nil {
					return fault.New(fault.Corrupt, "the trun at byte %d has no tfhd before it", b.Start)
				}
				trun, err := box.Decode[*mp4.TrunBox](r, b, box.MaxFragment)
				if err != nil {
					return err
				}
				base := moof.Start
				if tfhd.HasBaseDataOffset() {
					base = int64(tfhd.BaseDataOffset)
				}
				if trun.HasDataOffset() {
					data = base + int64(trun.DataOffset)
				}
				trun.AddSampleDefaultValues(tfhd, f.trex)
				data, err = f.add(trun.Samples, data)
				return err
			}
			return err
		})
	})
}

// moveTo makes a tfdt's time the decode time of the next sample. ffmpeg writes negative ones in two's complement: where frames lie seconds
// apart, an encoder with B-frames begins to decode before 0.
func (f *fragments) moveTo(tfdt uint64) error {
	t := int64(tfdt) //nolint:gosec // see above
	if t > math.MaxInt64/2 || t < math.MinInt64/2 {
		return fault.New(fault.Corrupt, "a fragment has the impossible decode time %d", t)
	}
	n := len(f.chunk.Samples)
	if n == 0 {
		f.chunk.Start, f.next = t, t
		return nil
	}
	last := &f.chunk.Samples[n-1]
	duration := t - (f.next - int64(last.Duration))
	if duration < 0 {
		return fault.New(fault.Corrupt, "a fragment starts at decode time %d, before the start of sample %d", t, n)
	}
	if duration > math.MaxUint32 {
		return fault.New(fault.Unsupported, "the gap before decode time %d is %d ticks long", t, duration)
	}
	last.Duration, f.next = uint32(duration), t
	return nil
}

// ErrUnparsed says that a chunk holds a damaged packet of AV1, which ffmpeg's muxer could not take apart.
var ErrUnparsed = fault.New(fault.Corrupt, "a packet could not be parsed")

// unparsed is the size that ffmpeg 5.1 writes of such a packet: AVERROR_INVALIDDATA, -1094995529. What is written of the samples after it
// cannot be read.
const unparsed = 1<<32 - 1094995529

// add adds a run of samples whose bytes start at data, and returns where they end.
func (f *fragments) add(samples []mp4.Sample, data int64) (int64, error) {
	if len(f.chunk.Samples)+len(samples) > maxSamples {
		return 0, fault.New(fault.Unsupported, "more than %d samples", maxSamples)
	}
	start := data
	for _, s := range samples {
		// Bit 16 marks a non-sync sample. sample_depends_on 1 ("depends on others") means the same,
		// for writers that omit bit 16.
		sync := s.Flags&(1<<16) == 0 && s.Flags>>24&3 != 1
		f.chunk.Samples = append(f.chunk.Samples, Sample{s.Size, s.Dur, s.CompositionTimeOffset, sync})
		f.next += int64(s.Dur)
		data += int64(s.Size)
		if s.Size == unparsed && f.chunk.Track.Codec() == "av01" {
			return 0, ErrUnparsed
		}
	}
	if start < 0 || data > f.whole {
		return 0, fault.New(fault.Corrupt, "the headers place samples in bytes %d to %d of a file of %d bytes", start, data, f.whole)
	}
	f.chunk.Bytes += data - start
	if n := len(f.extents); n > 0 && f.extents[n-1].Offset+f.extents[n-1].Length == start {
		f.extents[n-1].Length += data - start
	} else if data > start {
		f.extents = append(f.extents, Extent{start, data - start})
	}
	return data, nil
}

// readTrack reads the description and the ID of a track.
func readTrack(r *box.Reader, trak box.Box) (track Track, id uint32, err error) {
	var visit func(b box.Box) error
	visit = func(b box.Box) error {
		switch b.Type {
		case "mdia", "minf", "stbl":
			return r.Children(b, visit)
		case "tkhd":
			tkhd, err := box.Decode[*mp4.TkhdBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			id, track.Enabled = tkhd.TrackID, tkhd.Flags&1 != 0
			track.Width, track.Height = uint32(tkhd.Width), uint32(tkhd.Height)
		case "mdhd":
			mdhd, err := box.Decode[*mp4.MdhdBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			track.Timescale, track.Language = mdhd.Timescale, "und"
			// Values below 0x400 are QuickTime's own codes.
			if language := mdhd.GetLanguage(); mdhd.Language >= 0x400 && box.LanguageCode(language) == mdhd.Language {
				track.Language = language
			}
		case "hdlr":
			if track.Handler != "" {
				return nil
			}
			hdlr, err := box.Decode[*mp4.HdlrBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			track.Handler = hdlr.HandlerType
		case "udta":
			return r.Children(b, func(b box.Box) error {
				if b.Type != "name" {
					return nil
				}
				content, err := r.Content(b, box.MaxSmall)
				track.Name = strings.ToValidUTF8(string(content), "")
				return err
			})
		case "stsd":
			content, err := r.Content(b, box.MaxSmall)
			if err != nil {
				return err
			}
			track.Entry, err = onlyEntry(content)
			return err
		}
		return nil
	}
	return track, id, r.Children(trak, visit)
}

// onlyEntry returns the only sample entry of an stsd's content, without btrt.
func onlyEntry(stsd []byte) ([]byte, error) {
	if len(stsd) < 16 {
		return nil, fault.New(fault.Corrupt, "the stsd has %d bytes", len(stsd))
	}
	if n := binary.BigEndian.Uint32(stsd[4:]); n != 1 {
		return nil, fault.New(fault.Unsupported, "the chunk has %d sample descriptions", n)
	}
	entry := stsd[8:]
	size := int64(binary.BigEndian.Uint32(entry))
	if size < 16 || size > int64(len(entry)) {
		return nil, fault.New(fault.Corrupt, "a sample entry declares %d bytes in an stsd of %d", size, len(stsd))
	}
	return withoutBitRate(entry[:size]), nil
}

// Size of a sample entry's fields before its child boxes, box header included.
const (
	visualEntry = 86 // ISO/IEC 14496-12, 12.1.3
	audioEntry  = 36 // ISO/IEC 14496-12, 12.2.3
)

// withoutBitRate returns a copy of a sample entry without its btrt. If the children cannot be
// walked (a QuickTime sound description of a later version, an unknown type), the copy is complete.
func withoutBitRate(entry []byte) []byte {
	out := append([]byte(nil), entry...)
	for _, head := range []int{visualEntry, audioEntry} {
		if from, to, ok := findChild(entry, head, "btrt"); ok {
			out = append(out[:from], entry[to:]...)
			binary.BigEndian.PutUint32(out, uint32(len(out)))
			return out
		}
	}
	return out
}

// findChild finds a child box of an entry whose fields take head bytes. ok is false if the children
// do not fill the entry exactly.
func findChild(entry []byte, head int, kind string) (from, to int, ok bool) {
	for at := head; at != len(entry); {
		if at+8 > len(entry) {
			return 0, 0, false
		}
		size := int64(binary.BigEndian.Uint32(entry[at:]))
		if size < 8 || size > int64(len(entry)-at) {
			return 0, 0, false
		}
		if string(entry[at+4:at+8]) == kind {
			from, to, ok = at, at+int(size), true
		}
		at += int(size)
	}
	return from, to, ok
}
