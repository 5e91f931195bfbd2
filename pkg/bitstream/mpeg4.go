package bitstream

import "bytes"

// MPEG4Fields reports whether a stream of MPEG-4 Part 2 may hold interlaced B-frames, according to
// its video object layer (ISO/IEC 14496-2, 6.2.3), which is in the extradata or before the first
// frame. ffmpeg's decoder derives a frame's duration from the first B-frame that it sees, and skips
// all others where that one's reference was not decoded, as after an open GOP's keyframe
// (t_frame of libavcodec/mpeg4videodec.c).
func MPEG4Fields(first Packet) bool {
	for _, data := range [][]byte{first.Extra, first.Data} {
		for rest := data; ; {
			_, after, ok := bytes.Cut(rest, []byte{0, 0, 1})
			if !ok {
				break
			}
			if len(after) > 1 && after[0]&0xf0 == 0x20 { // video_object_layer_start_code
				return layerHasFields(after[1:])
			}
			rest = after
		}
	}
	return false
}

// layerHasFields reads a video object layer up to its interlaced flag.
func layerHasFields(layer []byte) bool {
	const (
		extendedAspect = 15
		rectangular    = 0
		grayscale      = 3
	)
	r := &layerReader{bits: bitReader{data: layer}}
	version := uint64(1)
	r.number(1 + 8) // random_accessible_vol, video_object_type_indication
	if r.flag() {   // is_object_layer_identifier
		version = r.number(4)
		r.number(3)
	}
	if r.number(4) == extendedAspect {
		r.number(16)
	}
	if r.flag() { // vol_control_parameters
		r.number(2)
		if r.flag() { // low_delay: there are no B-frames
			return false
		}
		if r.flag() { // vbv_parameters
			r.number(79)
		}
	}
	shape := r.number(2)
	if shape == grayscale && version != 1 {
		r.number(4)
	}
	r.number(1)
	resolution := r.number(16) // vop_time_increment_resolution
	r.number(1)
	if r.flag() { // fixed_vop_rate
		size := 1
		for uint64(1)<<size < resolution {
			size++
		}
		r.number(size)
	}
	if shape == rectangular {
		r.number(1 + 13 + 1 + 13 + 1) // width and height between markers
	}
	return r.flag() && !r.ended
}

// layerReader reads numbers, which are 0 after the end of the data.
type layerReader struct {
	bits  bitReader
	ended bool
}

// number reads an unsigned number. Of one of more than 64 bits it returns the last 64.
func (r *layerReader) number(size int) (n uint64) {
	for range size {
		bit, ok := r.bits.bit()
		r.ended = r.ended || !ok
		n = n<<1 | bit
	}
	return n
}

func (r *layerReader) flag() bool { return r.number(1) == 1 }
