package bomb

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// box returns a box of ISO BMFF (ISO/IEC 14496-12, 4.2).
func box(kind string, body ...[]byte) []byte {
	content := bytes.Join(body, nil)
	return append(append(u32(uint32(8+len(content))), kind...), content...)
}

func u32(numbers ...uint32) (out []byte) {
	for _, n := range numbers {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	return out
}

func u16(numbers ...uint16) (out []byte) {
	for _, n := range numbers {
		out = binary.BigEndian.AppendUint16(out, n)
	}
	return out
}

// unity is a transformation matrix that changes nothing.
var unity = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

// movie returns a QuickTime file with a track of Motion JPEG. claims replaces boxes of its sample table
// by others of the same kind; edits is its edts box.
func movie(jpg []byte, samples int, claims map[string][]byte, edits []byte, more ...[]byte) []byte {
	mdat := box("mdat", bytes.Repeat(jpg, samples))
	head := box("ftyp", []byte("qt  "), u32(0), []byte("qt  "))
	const scale = 1000
	table := map[string][]byte{
		"stsd": box("stsd", u32(0, 1), box("jpeg", u32(0), u16(0, 1, 0, 0), u32(0, 0, 0), u16(160, 90), u32(0x480000, 0x480000, 0), u16(1), make([]byte, 32), u16(24, 0xffff))),
		"stts": box("stts", u32(0, 1, uint32(samples), 200)),
		"stsc": box("stsc", u32(0, 1, 1, uint32(samples), 1)),
		"stsz": box("stsz", u32(0, uint32(len(jpg)), uint32(samples))),
		"stco": box("stco", u32(0, 1, uint32(len(head)+8))),
	}
	for kind, claim := range claims {
		table[kind] = claim
	}
	stbl := box("stbl", table["stsd"], table["stts"], table["stsc"], table["stsz"], table["stco"])
	minf := box("minf", box("vmhd", u32(1, 0, 0)), box("dinf", box("dref", u32(0, 1), box("url ", u32(1)))), stbl)
	mdia := box("mdia", box("mdhd", u32(0, 0, 0, scale, uint32(200*samples)), u16(0x55c4, 0)), box("hdlr", u32(0), []byte("mhlrvide"), u32(0, 0, 0), []byte{0}), minf)
	tkhd := box("tkhd", u32(3, 0, 0, 1, 0, uint32(200*samples), 0, 0, 0, 0), unity, u32(160<<16, 90<<16))
	mvhd := box("mvhd", u32(0, 0, 0, scale, uint32(200*samples), 0x10000), u16(0x100, 0), u32(0, 0), unity, make([]byte, 24), u32(2))
	moov := box("moov", append([][]byte{mvhd, box("trak", tkhd, edits, mdia)}, more...)...)
	return bytes.Join([][]byte{head, mdat, moov}, nil)
}

func claimedSamples(r *rand.Rand, folder string) ([]string, error) {
	n := uint32(1) << between(r, 20, 31)
	claims := []map[string][]byte{
		{"stsz": box("stsz", u32(0, 1, n))},
		{"stts": box("stts", u32(0, 1, n, 1)), "stsz": box("stsz", u32(0, 1, n))},
		{"stts": box("stts", u32(0, n, 5, 200))},
		{"stsc": box("stsc", u32(0, n, 1, 5, 1))},
		{"stco": box("stco", u32(0, n, 48))},
		{"stts": box("stts", u32(0, 1, 5, n))},
		{"stsc": box("stsc", u32(0, 1, 1, n, 1)), "stsz": box("stsz", u32(0, 0, n))},
	}
	return transcode(folder, "in.mov", movie(picture(160, 90), 5, claims[r.IntN(len(claims))], nil), "mp4")
}

func claimedBoxes(r *rand.Rand, folder string) ([]string, error) {
	data := movie(picture(160, 90), 5, nil, nil)
	kinds := []string{"moov", "trak", "mdia", "minf", "stbl", "stsd", "mdat", "ftyp", "jpeg", "dinf"}
	at := bytes.Index(data, []byte(kinds[r.IntN(len(kinds))])) - 4
	binary.BigEndian.PutUint32(data[at:], r.Uint32()>>r.IntN(31))
	return transcode(folder, "in.mov", data, "mp4")
}

func nestedBoxes(r *rand.Rand, folder string) ([]string, error) {
	kinds := []string{"moov", "trak", "udta", "meta", "mdia", "moof"}
	kind, inner := kinds[r.IntN(len(kinds))], []byte(nil)
	for range between(r, 1000, 4000) {
		inner = box(kind, inner)
	}
	return transcode(folder, "in.mov", movie(picture(160, 90), 5, nil, nil, inner), "mp4")
}

func editList(r *rand.Rand, folder string) ([]string, error) {
	n := between(r, 10_000, 200_000)
	list := u32(0, uint32(n))
	for range n {
		list = append(list, u32(r.Uint32()>>r.IntN(32), r.Uint32()>>r.IntN(32), 0x10000)...)
	}
	return transcode(folder, "in.mov", movie(picture(160, 90), 5, nil, box("edts", box("elst", list))), "mp4")
}

func fragmentFlood(r *rand.Rand, folder string) ([]string, error) {
	jpg := picture(160, 90)
	trex := box("mvex", box("trex", u32(0, 1, 1, 200, 0, 0)))
	data := movie(jpg, 1, map[string][]byte{
		"stts": box("stts", u32(0, 0)), "stsc": box("stsc", u32(0, 0)), "stsz": box("stsz", u32(0, 0, 0)), "stco": box("stco", u32(0, 0)),
	}, nil, trex)
	gap := uint32(1) << between(r, 5, 30)
	for i := range uint32(between(r, 10_000, 50_000)) {
		traf := box("traf", box("tfhd", u32(0x020000, 1)), box("tfdt", u32(0, i*gap)), box("trun", u32(0x000200, 0)))
		data = append(data, box("moof", box("mfhd", u32(0, i+1)), traf)...)
	}
	return transcode(folder, "in.mov", data, "mp4")
}
