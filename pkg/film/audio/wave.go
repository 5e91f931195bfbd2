package audio

import (
	"bytes"
	"encoding/binary"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// sampleBytes is the size of a sample of a joined track: a 32-bit floating-point number, which holds everything that decoders give.
const sampleBytes = 4

// channelMasks are WAVE's masks (dwChannelMask) of ffmpeg's layouts. Both store the channels in the order of the bits.
var channelMasks = map[string]uint32{
	"mono": 0x4, "stereo": 0x3, "2.1": 0xb, "3.0": 0x7, "3.1": 0xf, "4.0": 0x107, "5.0": 0x37, "5.1": 0x3f, "6.0": 0x707, "6.0(front)": 0x6c3,
	"hexagonal": 0x137, "6.1": 0x70f, "6.1(back)": 0x13f, "6.1(front)": 0x6cb, "7.0": 0x637, "7.0(front)": 0x6c7, "7.1": 0x63f,
	"7.1(wide)": 0xff, "7.1(wide-side)": 0x6cf, "octagonal": 0x737,
}

// floatFormat is the GUID of floating-point samples (KSDATAFORMAT_SUBTYPE_IEEE_FLOAT).
var floatFormat = [16]byte{3, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71}

// Sizes of a WAVE file's header, in bytes, and the values that stand for a size that is in the chunk ds64 (EBU Tech 3306, RF64).
const (
	ds64Size    = 28
	formatSize  = 40
	headerSize  = 12 + 8 + ds64Size + 8 + formatSize + 8
	unknownSize = 1<<32 - 1
	extensible  = 0xfffe // WAVE_FORMAT_EXTENSIBLE
)

// waveHeader returns the header of an RF64 file with so many samples of each channel of a track.
func waveHeader(t film.AudioTrack, samples int64) ([]byte, error) {
	mask, ok := channelMasks[t.Layout]
	if !ok {
		return nil, fault.New(fault.Unsupported, "the layout %s of channels cannot be joined", t.Layout)
	}
	frame := uint32(t.Channels) * sampleBytes //nolint:gosec // at most 8 channels
	size := uint64(samples) * uint64(frame)   //nolint:gosec // not negative
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			if text, ok := v.(string); ok {
				v = []byte(text)
			}
			_ = binary.Write(&b, binary.LittleEndian, v) // to memory
		}
	}
	rate := uint32(t.SampleRate) //nolint:gosec // ffprobe's, not negative
	put("RF64", uint32(unknownSize), "WAVE")
	put("ds64", uint32(ds64Size), size+headerSize-8, size, uint64(samples), uint32(0))                                              //nolint:gosec // not negative
	put("fmt ", uint32(formatSize), uint16(extensible), uint16(t.Channels), rate, rate*frame, uint16(frame), uint16(8*sampleBytes)) //nolint:gosec // at most 8 channels
	put(uint16(22), uint16(8*sampleBytes), mask, floatFormat)
	put("data", uint32(unknownSize))
	return b.Bytes(), nil
}
