package isobmff

import (
	"encoding/binary"
	"io"
	"math"
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Extent is a range of a file.
type Extent struct{ Offset, Length int64 }

// ReadFragments reads the headers of a fragmented MP4 of one track. The extents are where the samples' bytes lie, in
// the order of the samples, adjacent ones merged. A sample's duration reaches to the next one's decode time, also
// across fragments, so the piece's decode times are those of the file even where its fragments leave gaps. The
// edit list is not applied.
func ReadFragments(r io.ReaderAt, size int64) (Chunk, []Extent, error) {
	return readFragments(r, size, size)
}

// readFragments reads the headers in the first size bytes of a file of whole bytes.
func readFragments(r io.ReaderAt, size, whole int64) (Chunk, []Extent, error) {
	w := &window{r: r, size: size}
	f := &fragments{whole: whole}
	boxes := 0
	for at := int64(0); at < size; boxes++ {
		if boxes == maxBoxes {
			return Chunk{}, nil, fault.New(fault.Unsupported, "more than %d boxes", maxBoxes)
		}
		b, err := w.header(at, whole)
		if err != nil {
			return Chunk{}, nil, err
		}
		switch b.kind {
		case "moov":
			err = f.readMoov(w, b)
		case "moof":
			err = f.readMoof(w, b)
		}
		if err != nil {
			return Chunk{}, nil, err
		}
		at = b.end
	}
	if f.trex == nil {
		return Chunk{}, nil, fault.New(fault.Corrupt, "no fragmented track in the file")
	}
	return f.piece, f.extents, nil
}

type fragments struct {
	whole   int64
	trackID uint32
	trex    *mp4.TrexBox
	piece   Chunk
	extents []Extent
	next    int64 // decode time after the last sample
}

func (f *fragments) readMoov(w *window, moov box) error {
	if f.trackID != 0 {
		return fault.New(fault.Corrupt, "a second moov at byte %d", moov.start)
	}
	tracks := 0
	err := w.children(moov.body, moov.end, func(b box) (err error) {
		switch b.kind {
		case "trak":
			tracks++
			f.piece.Track, f.trackID, err = readTrack(w, b)
		case "mvex":
			err = w.children(b.body, b.end, func(b box) error {
				if b.kind == "trex" {
					f.trex, err = decode[*mp4.TrexBox](w, b, maxSmallBox)
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
		return fault.New(fault.Unsupported, "%d tracks where a piece has one", tracks)
	case f.trackID == 0 || f.piece.Track.Timescale == 0:
		return fault.New(fault.Corrupt, "a track without number or timescale")
	case f.trex == nil:
		return fault.New(fault.Unsupported, "the file is not fragmented")
	}
	return nil
}

func (f *fragments) readMoof(w *window, moof box) error {
	if f.trex == nil {
		return fault.New(fault.Corrupt, "a fragment at byte %d before any moov", moof.start)
	}
	return w.children(moof.body, moof.end, func(b box) error {
		if b.kind != "traf" {
			return nil
		}
		var tfhd *mp4.TfhdBox
		var data int64 // where the next run's data start unless it says so
		return w.children(b.body, b.end, func(b box) (err error) {
			switch b.kind {
			case "tfhd":
				if tfhd, err = decode[*mp4.TfhdBox](w, b, maxSmallBox); err != nil {
					return err
				}
				if tfhd.TrackID != f.trackID {
					return fault.New(fault.Corrupt, "a fragment of track %d in a file of track %d", tfhd.TrackID, f.trackID)
				}
				data = moof.start
				if tfhd.HasBaseDataOffset() {
					if tfhd.BaseDataOffset > math.MaxInt64/2 {
						return fault.New(fault.Corrupt, "a fragment's data at byte %d", tfhd.BaseDataOffset)
					}
					data = int64(tfhd.BaseDataOffset)
				}
				if tfhd.HasSampleDescriptionIndex() && tfhd.SampleDescriptionIndex != 1 {
					return fault.New(fault.Unsupported, "a piece with several sample descriptions")
				}
			case "tfdt":
				tfdt, err := decode[*mp4.TfdtBox](w, b, maxSmallBox)
				if err != nil {
					return err
				}
				return f.moveTo(tfdt.BaseMediaDecodeTime())
			case "trun":
				if tfhd == nil {
					return fault.New(fault.Corrupt, "a run of samples without tfhd at byte %d", b.start)
				}
				trun, err := decode[*mp4.TrunBox](w, b, maxFragment)
				if err != nil {
					return err
				}
				base := moof.start
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

// moveTo makes t the decode time of the next sample.
func (f *fragments) moveTo(t uint64) error {
	if t > math.MaxInt64/2 {
		return fault.New(fault.Corrupt, "a fragment at the impossible decode time %d", t)
	}
	n := len(f.piece.Samples)
	if n == 0 {
		f.piece.Start, f.next = int64(t), int64(t)
		return nil
	}
	last := &f.piece.Samples[n-1]
	duration := int64(t) - (f.next - int64(last.Duration))
	if duration < 0 {
		return fault.New(fault.Corrupt, "decode time goes back to %d, before sample %d", t, n)
	}
	if duration > math.MaxUint32 {
		return fault.New(fault.Unsupported, "a gap of %d ticks before decode time %d", duration, t)
	}
	last.Duration, f.next = uint32(duration), int64(t)
	return nil
}

func (f *fragments) add(samples []mp4.Sample, data int64) (int64, error) {
	if len(f.piece.Samples)+len(samples) > maxSamples {
		return 0, fault.New(fault.Unsupported, "more than %d samples", maxSamples)
	}
	start := data
	for _, s := range samples {
		// Bit 16 is "not a sync sample"; "depends on others" (1) says the same where a writer forgot it.
		sync := s.Flags&(1<<16) == 0 && s.Flags>>24&3 != 1
		f.piece.Samples = append(f.piece.Samples, Sample{s.Size, s.Dur, s.CompositionTimeOffset, sync})
		f.next += int64(s.Dur)
		data += int64(s.Size)
	}
	if start < 0 || data > f.whole {
		return 0, fault.New(fault.Corrupt, "samples in bytes %d to %d of a file of %d bytes", start, data, f.whole)
	}
	f.piece.Bytes += data - start
	if n := len(f.extents); n > 0 && f.extents[n-1].Offset+f.extents[n-1].Length == start {
		f.extents[n-1].Length += data - start
	} else if data > start {
		f.extents = append(f.extents, Extent{start, data - start})
	}
	return data, nil
}

// readTrack reads what describes a track.
func readTrack(w *window, trak box) (track Track, id uint32, err error) {
	var visit func(b box) error
	visit = func(b box) error {
		switch b.kind {
		case "mdia", "minf", "stbl":
			return w.children(b.body, b.end, visit)
		case "tkhd":
			tkhd, err := decode[*mp4.TkhdBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			id, track.Enabled = tkhd.TrackID, tkhd.Flags&1 != 0
			track.Width, track.Height = uint32(tkhd.Width), uint32(tkhd.Height)
		case "mdhd":
			mdhd, err := decode[*mp4.MdhdBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			track.Timescale, track.Language = mdhd.Timescale, "und"
			// Values below 0x400 are QuickTime's own codes.
			if language := mdhd.GetLanguage(); mdhd.Language >= 0x400 && languageCode(language) == mdhd.Language {
				track.Language = language
			}
		case "hdlr":
			if track.Handler != "" {
				return nil
			}
			hdlr, err := decode[*mp4.HdlrBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			track.Handler = hdlr.HandlerType
		case "udta":
			return w.children(b.body, b.end, func(b box) error {
				if b.kind != "name" {
					return nil
				}
				body, err := w.body(b, maxSmallBox)
				track.Name = strings.ToValidUTF8(string(body), "")
				return err
			})
		case "stsd":
			body, err := w.body(b, maxSmallBox)
			if err != nil {
				return err
			}
			track.Entry, err = firstEntry(body)
			return err
		}
		return nil
	}
	return track, id, w.children(trak.body, trak.end, visit)
}

// firstEntry returns the only sample entry of an stsd's content, without btrt.
func firstEntry(stsd []byte) ([]byte, error) {
	if len(stsd) < 16 {
		return nil, fault.New(fault.Corrupt, "a sample description of %d bytes", len(stsd))
	}
	if n := binary.BigEndian.Uint32(stsd[4:]); n != 1 {
		return nil, fault.New(fault.Unsupported, "a piece with %d sample descriptions", n)
	}
	entry := stsd[8:]
	size := int64(binary.BigEndian.Uint32(entry))
	if size < 16 || size > int64(len(entry)) {
		return nil, fault.New(fault.Corrupt, "a sample entry of %d bytes in a box of %d", size, len(stsd))
	}
	return withoutBitRate(entry[:size]), nil
}

// Fields before the child boxes of a sample entry, counted from the box's first byte.
const (
	visualEntry = 86 // ISO/IEC 14496-12, 12.1.3
	soundEntry  = 36 // ISO/IEC 14496-12, 12.2.3
)

// withoutBitRate returns a copy of a sample entry that lacks its btrt. Where the children cannot be walked (a QuickTime
// sound description of a later version, an unknown kind), the copy is whole.
func withoutBitRate(entry []byte) []byte {
	out := append([]byte(nil), entry...)
	for _, head := range []int{visualEntry, soundEntry} {
		if from, to, ok := findChild(entry, head, "btrt"); ok {
			out = append(out[:from], entry[to:]...)
			binary.BigEndian.PutUint32(out, uint32(len(out)))
			return out
		}
	}
	return out
}

// findChild finds a child box of an entry whose fields take head bytes. Children that do not fill the entry exactly
// are no children.
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
