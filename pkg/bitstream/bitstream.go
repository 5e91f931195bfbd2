// Package bitstream reads the headers of coded video: whether a decoder can begin at a packet, and
// which encoder wrote the stream. It decodes no pictures.
//
//	kind, frames := bitstream.EntryOf("h264", bitstream.Packet{Data: data, Extra: avcC})
package bitstream

import (
	"bytes"
	"encoding/binary"
)

// Packet is the beginning of a coded frame, and its stream's extradata: the parameters that a
// container stores outside of packets (avcC, hvcC). Both are a source's, with any content.
type Packet struct{ Data, Extra []byte }

// Positions in the configuration records of ISO/IEC 14496-15 (5.3.3.1 and 8.3.3.1) of the byte
// whose low bits hold the size of a NAL unit's length, less one.
const (
	avcLengthSize  = 4
	hevcLengthSize = 21
)

// nalUnits divides a packet into NAL units: at start codes, or by the lengths whose size the
// extradata declares at sizeAt. The last unit may be cut off.
func (p Packet) nalUnits(sizeAt int) [][]byte {
	var list [][]byte
	add := func(nal []byte) {
		if len(nal) > 2 {
			list = append(list, nal)
		}
	}
	if len(p.Extra) <= sizeAt || p.Extra[0] != 1 {
		for _, nal := range bytes.Split(p.Data, []byte{0, 0, 1}) {
			add(nal)
		}
		return list
	}
	size := int(p.Extra[sizeAt]&3) + 1
	for rest := p.Data; len(rest) > size; {
		var length [8]byte
		copy(length[8-size:], rest[:size])
		n := binary.BigEndian.Uint64(length[:])
		rest = rest[size:]
		n = min(n, uint64(len(rest)))
		add(rest[:n])
		rest = rest[n:]
	}
	return list
}

// unescape removes the bytes that keep start codes out of a NAL unit (emulation prevention).
func unescape(nal []byte) []byte { return bytes.ReplaceAll(nal, []byte{0, 0, 3}, []byte{0, 0}) }

// seiMessage returns the payload of the first SEI message of a type in a NAL unit without its
// header.
func seiMessage(sei []byte, kind int) (payload []byte, ok bool) {
	for len(sei) > 2 {
		found, rest := seiNumber(sei)
		size, rest := seiNumber(rest)
		if size > len(rest) {
			return nil, false
		}
		if found == kind {
			return rest[:size], true
		}
		sei = rest[size:]
	}
	return nil, false
}

// seiNumber reads a number that is the sum of bytes, up to the first that is not 255.
func seiNumber(data []byte) (n int, rest []byte) {
	for i, b := range data {
		n += int(b)
		if b != 0xff {
			return n, data[i+1:]
		}
	}
	return n, nil
}

// bitReader reads bits, the most significant first.
type bitReader struct {
	data []byte
	at   int
}

func (r *bitReader) bit() (n uint64, ok bool) {
	if r.at >= 8*len(r.data) {
		return 0, false
	}
	n = uint64(r.data[r.at/8]>>(7-r.at%8)) & 1
	r.at++
	return n, true
}

// exponential reads an unsigned Exp-Golomb code: ue(v).
func (r *bitReader) exponential() (n uint64, ok bool) {
	zeros := 0
	for {
		bit, ok := r.bit()
		if !ok || zeros > 32 {
			return 0, false
		}
		if bit == 1 {
			break
		}
		zeros++
	}
	n = 1
	for range zeros {
		bit, ok := r.bit()
		if !ok {
			return 0, false
		}
		n = n<<1 | bit
	}
	return n - 1, true
}

// signedExponential reads a signed Exp-Golomb code: se(v).
func (r *bitReader) signedExponential() (n int64, ok bool) {
	u, ok := r.exponential()
	if n = int64(u+1) / 2; u%2 == 0 {
		n = -n
	}
	return n, ok
}
