package box

import (
	"encoding/binary"
	"math"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Group description indexes of the first entry (ISO/IEC 14496-12, 8.9.4): of the sgpd in a track's
// stbl, and of the one in the same traf.
const (
	MovieGroup    = 1
	FragmentGroup = 0x10001
)

// PreRoll returns the sample groups ("roll") that declare how many samples a decoder must decode
// after a seek before its output is correct: 80 ms for Opus, as its mapping to ISOBMFF requires,
// and one frame for AAC, as ffmpeg and Apple write. It returns none for other codecs. entry is the
// sample entry, duration that of a sample in ticks of timescale; count samples are in the group,
// whose description has the given index.
func PreRoll(entry []byte, timescale uint32, duration, count int64, group uint32) []mp4.Box {
	var samples int64
	switch string(entry[4:8]) {
	case "Opus":
		each := max(duration, 1)
		samples = (int64(timescale)*80/1000 + each - 1) / each
	case "mp4a":
		samples = 1
	}
	if samples == 0 || samples > math.MaxInt16 {
		return nil
	}
	sgpd := append([]byte{1, 0, 0, 0}, "roll"...)
	sgpd = append(sgpd, 0, 0, 0, 2, 0, 0, 0, 1) // one entry of 2 bytes
	sgpd = binary.BigEndian.AppendUint16(sgpd, uint16(-int16(samples)))
	sbgp := append(make([]byte, 4), "roll"...)
	sbgp = binary.BigEndian.AppendUint32(sbgp, 1)
	sbgp = binary.BigEndian.AppendUint32(sbgp, uint32(count))
	sbgp = binary.BigEndian.AppendUint32(sbgp, group)
	return []mp4.Box{Raw("sgpd", sgpd), Raw("sbgp", sbgp)}
}
