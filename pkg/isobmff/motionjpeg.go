package isobmff

import (
	"encoding/binary"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// MotionJPEG returns the track of a video whose samples are JPEG files of a size in pixels. Players of HLS know it as "mjpg" (Apple's
// HLS Authoring Specification, appendix "I-frame image sequences"; ISO/IEC 23008-12, annex H.5, names the sample entry). Unlike that
// annex it has the handler of video, because players read no other.
func MotionJPEG(width, height int, timescale uint32) Track {
	fields := make([]byte, visualEntry-8)                   // ISO/IEC 14496-12, 12.1.3
	binary.BigEndian.PutUint16(fields[6:], 1)               // data_reference_index
	binary.BigEndian.PutUint16(fields[24:], uint16(width))  //nolint:gosec // a JPEG has at most 65,535 columns and rows
	binary.BigEndian.PutUint16(fields[26:], uint16(height)) //nolint:gosec // likewise
	binary.BigEndian.PutUint32(fields[28:], 72<<16)         // dots per inch
	binary.BigEndian.PutUint32(fields[32:], 72<<16)         // likewise
	binary.BigEndian.PutUint16(fields[40:], 1)              // frames in a sample
	binary.BigEndian.PutUint16(fields[74:], 24)             // depth: colour, without alpha
	binary.BigEndian.PutUint16(fields[76:], ^uint16(0))     // pre_defined: -1
	return Track{
		Handler: "vide", Timescale: timescale, Entry: box.Append(nil, "mjpg", fields), Width: uint32(width) << 16, Height: uint32(height) << 16,
		Enabled: true,
	}
}

// Picture returns the run of a single sample of the track of MotionJPEG: a JPEG of so many bytes that is shown from start to end.
func (t Track) Picture(sequence uint32, start, end int64, bytes int) SampleRun {
	sample := Sample{Size: uint32(bytes), Duration: uint32(end - start), Sync: true}
	return SampleRun{Chunk: Chunk{Track: t, Start: start, Samples: []Sample{sample}, Bytes: int64(bytes)}, End: end, Sequence: sequence}
}
