package bitstream

// Entry is what decoding that begins at a packet gives.
type Entry int

// The kinds of entry points.
const (
	Whole   Entry = iota // whole frames at once, or nothing is known against it
	Gradual              // whole frames after some time: intra refresh without keyframes
	None                 // nothing: the packet is no place to begin
)

// Types of NAL units of H.264 (ITU-T H.264, table 7-1) and H.265 (ITU-T H.265, table 7-1), and of
// the SEI message that says when decoding has recovered (D.1 of both).
const (
	avcSlice          = 1
	avcIDR            = 5
	avcSEI            = 6
	hevcFirstIRAP     = 16 // BLA, IDR, CRA and reserved ones
	hevcLastIRAP      = 23
	hevcLastPicture   = 31
	hevcSEI           = 39 // before the picture
	seiRecoveryPoint  = 6
	avcHeader         = 1  // bytes
	hevcHeader        = 2  // bytes
	sliceHeaderNeeded = 32 // bytes that hold first_mb_in_slice and slice_type
)

// EntryOf reports what decoding that begins at a packet gives, and after how many frames these are
// whole; codec is ffmpeg's name. Demuxers and muxers mark recovery points as keyframes. Encoders
// with intra refresh (x264's intra-refresh, drones, contribution links) have no others: from there
// on, the picture becomes whole within the number of frames that the recovery point declares. H.264
// counts reference frames, H.265 frames.
func EntryOf(codec string, p Packet) (kind Entry, frames int) {
	switch codec {
	case "h264":
		return avcEntry(p)
	case "hevc":
		return hevcEntry(p)
	}
	return Whole, 0
}

func avcEntry(p Packet) (Entry, int) {
	for _, nal := range p.nalUnits(avcLengthSize) {
		switch nal[0] & 0x1f {
		case avcIDR:
			return Whole, 0
		case avcSEI:
			payload, ok := seiMessage(unescape(nal[avcHeader:]), seiRecoveryPoint)
			if !ok {
				continue
			}
			r := bitReader{data: payload}
			if n, ok := r.exponential(); ok {
				return recovering(int64(n)) //nolint:gosec // at most 2^33
			}
		case avcSlice:
			r := bitReader{data: unescape(nal[avcHeader:min(len(nal), sliceHeaderNeeded)])}
			r.exponential() // first_mb_in_slice
			if kind, ok := r.exponential(); ok && kind%5 != 2 && kind%5 != 4 {
				return None, 0 // neither I nor SI
			}
			return Whole, 0
		}
	}
	return Whole, 0
}

func hevcEntry(p Packet) (Entry, int) {
	for _, nal := range p.nalUnits(hevcLengthSize) {
		switch kind := nal[0] >> 1 & 0x3f; {
		case kind >= hevcFirstIRAP && kind <= hevcLastIRAP:
			return Whole, 0
		case kind <= hevcLastPicture:
			return None, 0
		case kind == hevcSEI:
			payload, ok := seiMessage(unescape(nal[hevcHeader:]), seiRecoveryPoint)
			if !ok {
				continue
			}
			r := bitReader{data: payload}
			if n, ok := r.signedExponential(); ok && n > 0 {
				return recovering(n)
			}
		}
	}
	return Whole, 0
}

// maxRecovery bounds the frames that a recovery point declares: log2_max_frame_num is 16 at most.
const maxRecovery = 1 << 16

func recovering(frames int64) (Entry, int) {
	if frames <= 0 {
		return Whole, 0
	}
	return Gradual, int(min(frames, maxRecovery))
}
