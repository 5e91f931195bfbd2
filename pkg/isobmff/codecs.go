package isobmff

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Codecs returns the track's codec as playlists and browsers name it (RFC 6381 and the codecs' own
// bindings to MP4): "avc1.640028", "hvc1.2.4.L153.B0", "av01.0.08M.10.0.110.09.16.09.0",
// "vp09.00.40.08", "mp4a.40.2", "opus", "ac-3", "ec-3", "fLaC". It reads the sample entry, not the
// media. A codec without such a name is fault.Unsupported.
func (t Track) Codecs() (string, error) {
	kind := t.Codec()
	head := audioEntry
	if t.Handler == "vide" {
		head = visualEntry
	}
	config := func(child string, least int) ([]byte, error) {
		from, to, ok := findChild(t.Entry, head, child)
		if !ok || to-from-8 < least {
			return nil, fault.New(fault.Corrupt, "sample entry %q has no valid %q", kind, child)
		}
		return t.Entry[from+8 : to], nil
	}
	switch kind {
	case "avc1", "avc3":
		c, err := config("avcC", 4)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s.%02X%02X%02X", kind, c[1], c[2], c[3]), nil
	case "hvc1", "hev1":
		c, err := config("hvcC", 13)
		if err != nil {
			return "", err
		}
		return kind + "." + hevcProfile(c), nil
	case "av01":
		c, err := config("av1C", 4)
		if err != nil {
			return "", err
		}
		return kind + "." + av1Profile(c, t.colour()), nil
	case "vp08", "vp09":
		c, err := config("vpcC", 10)
		if err != nil {
			return "", err
		}
		return kind + "." + vpProfile(c[4:]), nil
	case "mp4a":
		c, err := config("esds", 4)
		if err != nil {
			return "", err
		}
		return mpegAudio(c[4:])
	case "Opus":
		return "opus", nil // the spelling of "Encapsulation of Opus in ISOBMFF", 4.3.1, and the only one that browsers know
	case "ac-3", "ec-3", "ac-4", "fLaC", "alac", "wvtt", "stpp", "mjpg":
		return kind, nil
	}
	return "", fault.New(fault.Unsupported, "codec %q has no name for playlists", kind)
}

// hevcProfile returns the parameters of ISO/IEC 14496-15, annex E.3, from an hvcC's content.
func hevcProfile(c []byte) string {
	space := [...]string{"", "A", "B", "C"}[c[1]>>6]
	tier := "L"
	if c[1]&0x20 != 0 {
		tier = "H"
	}
	out := fmt.Sprintf("%s%d.%X.%s%d", space, c[1]&0x1f, bits.Reverse32(binary.BigEndian.Uint32(c[2:])), tier, c[12])
	constraints := c[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		out += fmt.Sprintf(".%X", b)
	}
	return out
}

// colour holds the code points (ISO/IEC 23091-2) of a colr box of type nclx.
type colour struct {
	primaries, transfer, matrix uint16
	full                        bool
	known                       bool
}

// unspecified is the code point for unknown primaries, transfer or matrix.
const unspecified = 2

func (t Track) colour() colour {
	from, to, ok := findChild(t.Entry, visualEntry, "colr")
	if !ok || to-from < 8+11 || string(t.Entry[from+8:from+12]) != "nclx" {
		return colour{}
	}
	c := t.Entry[from+12:]
	return colour{
		binary.BigEndian.Uint16(c), binary.BigEndian.Uint16(c[2:]), binary.BigEndian.Uint16(c[4:]), c[6]&0x80 != 0, true,
	}
}

// av1Profile returns the parameters of section 5 of the AV1 binding to ISOBMFF, from an av1C's
// content. The optional ones are left out if all have their default values, which are those of
// BT.709.
func av1Profile(c []byte, col colour) string {
	profile, level := c[1]>>5, c[1]&0x1f
	tier := "M"
	if c[2]&0x80 != 0 {
		tier = "H"
	}
	depth := 8
	if c[2]&0x40 != 0 {
		depth = 10
		if profile == 2 && c[2]&0x20 != 0 {
			depth = 12
		}
	}
	out := fmt.Sprintf("%d.%02d%s.%02d", profile, level, tier, depth)
	if !col.known || col.primaries == unspecified || col.transfer == unspecified || col.matrix == unspecified {
		return out
	}
	mono, x, y, position := c[2]>>4&1, c[2]>>3&1, c[2]>>2&1, c[2]&3
	if x == 0 || y == 0 {
		position = 0
	}
	long := fmt.Sprintf("%d.%d%d%d.%02d.%02d.%02d.%d", mono, x, y, position, col.primaries, col.transfer, col.matrix, flag(col.full))
	if long == "0.110.01.01.01.0" {
		return out
	}
	return out + "." + long
}

// vpProfile returns the codecs parameters of the VP codec binding to ISOBMFF, from a vpcC's content
// after its version. The optional ones are left out if all have their default values, which are
// those of BT.709.
func vpProfile(c []byte) string {
	out := fmt.Sprintf("%02d.%02d.%02d", c[0], c[1], c[2]>>4)
	if c[3] == unspecified || c[4] == unspecified || c[5] == unspecified {
		return out
	}
	long := fmt.Sprintf("%02d.%02d.%02d.%02d.%02d", c[2]>>1&7, c[3], c[4], c[5], c[2]&1)
	if long == "01.01.01.01.00" {
		return out
	}
	return out + "." + long
}

// mpegAudio reads an esds's descriptors (ISO/IEC 14496-1, 7.2.6) for the object type and, where
// that is MPEG-4 audio, the audio object type (ISO/IEC 14496-3, 1.6.2.1).
func mpegAudio(esds []byte) (string, error) {
	const es, decoder, specific = 3, 4, 5
	bad := fault.New(fault.Corrupt, "the audio track's esds cannot be read")
	body, err := descriptor(esds, es)
	if err != nil || len(body) < 3 {
		return "", bad
	}
	flags := body[2]
	skip := 3
	if flags&0x80 != 0 {
		skip += 2
	}
	if flags&0x40 != 0 && len(body) > skip {
		skip += 1 + int(body[skip])
	}
	if flags&0x20 != 0 {
		skip += 2
	}
	if skip > len(body) {
		return "", bad
	}
	body, err = descriptor(body[skip:], decoder)
	if err != nil || len(body) < 1 {
		return "", bad
	}
	object := body[0]
	if object != 0x40 {
		return fmt.Sprintf("mp4a.%02X", object), nil
	}
	if len(body) < 13 {
		return "", bad
	}
	body, err = descriptor(body[13:], specific)
	if err != nil || len(body) < 2 {
		return "", bad
	}
	kind := int(body[0] >> 3)
	if kind == 31 {
		kind = 32 + int(body[0]&7)<<3 + int(body[1]>>5)
	}
	return fmt.Sprintf("mp4a.40.%d", kind), nil
}

// descriptor returns the content of the descriptor at the start of b, which must have the given
// tag.
func descriptor(b []byte, tag byte) ([]byte, error) {
	if len(b) < 2 || b[0] != tag {
		return nil, fault.New(fault.Corrupt, "no descriptor %d", tag)
	}
	size := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		size = size<<7 | int(b[i]&0x7f)
		if b[i]&0x80 != 0 {
			continue
		}
		if size > len(b)-i-1 {
			break
		}
		return b[i+1 : i+1+size], nil
	}
	return nil, fault.New(fault.Corrupt, "descriptor %d is truncated", tag)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// VideoRange returns the dynamic range that the sample entry's colour description declares, in the
// words of HLS: "PQ", "HLG" or "SDR".
func (t Track) VideoRange() string {
	c := t.colour()
	switch {
	case c.known && c.transfer == 16: // SMPTE ST 2084
		return "PQ"
	case c.known && c.transfer == 18: // ARIB STD-B67
		return "HLG"
	}
	return "SDR"
}

// Colour returns the code points of ISO/IEC 23091-2 for primaries, transfer and matrix that the
// sample entry declares, or zeros if it declares none.
func (t Track) Colour() (primaries, transfer, matrix int) {
	c := t.colour()
	return int(c.primaries), int(c.transfer), int(c.matrix)
}
