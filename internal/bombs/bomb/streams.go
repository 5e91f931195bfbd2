package bomb

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
)

// compressedVideo returns raw pictures that zlib makes a thousand times smaller.
func compressedVideo(r *rand.Rand, folder string) ([]string, error) {
	width, height := between(r, 2000, 8000), between(r, 2000, 4000)
	format := append(le32(40, uint32(width), uint32(height), 1|24<<16), make([]byte, 24)...) // BITMAPINFOHEADER, BI_RGB
	var blocks []byte
	data := deflate(0, 3*width*height)
	for i := range between(r, 5, 60) {
		blocks = append(blocks, frame(1, int16(40*i), data)...)
	}
	list := [][]byte{track(1, videoTrack, "V_MS/VFW/FOURCC", true, element(codecPrivate, format),
		element(videoSettings, number(pixelWidth, uint64(width)), number(pixelHeight, uint64(height))))}
	return transcode(folder, "in.mkv", matroska(3000, list, map[uint64][]byte{0: blocks}, []uint64{0}), "mp4")
}

// claimedAudio returns an audio track that claims channels, a rate and a depth of its samples.
func claimedAudio(r *rand.Rand, folder string) ([]string, error) {
	codecs := []string{"A_PCM/INT/LIT", "A_PCM/FLOAT/IEEE", "A_VORBIS", "A_OPUS", "A_AAC", "A_FLAC", "A_TTA1", "A_AC3"}
	claims := element(audioSettings, float(samplingFrequency, float64(uint64(1)<<between(r, 0, 62))),
		number(channels, uint64(1)<<between(r, 0, 40)), number(bitDepth, uint64(1)<<between(r, 0, 40)))
	list := [][]byte{track(2, audioTrack, codecs[r.IntN(len(codecs))], false, claims, element(codecPrivate, make([]byte, r.IntN(64))))}
	return transcode(folder, "in.mkv", still(list, frame(2, 0, make([]byte, 100_000))), "mp4")
}

// bitWriter writes the fields of a parameter set (ITU-T H.264, 7.2 and 9.1).
type bitWriter struct {
	out  []byte
	bits int
}

func (w *bitWriter) u(n int, value uint64) {
	for i := n - 1; i >= 0; i-- {
		if w.bits%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[len(w.out)-1] |= byte(value>>i&1) << (7 - w.bits%8)
		w.bits++
	}
}

func (w *bitWriter) ue(value uint64) {
	n := 0
	for (value+1)>>(n+1) > 0 {
		n++
	}
	w.u(n, 0)
	w.u(n+1, value+1)
}

// claimedSequence returns a stream of H.264 whose parameter sets claim a size, references and cropping.
func claimedSequence(r *rand.Rand, folder string) ([]string, error) {
	var stream []byte
	nal := func(payload []byte) { stream = append(append(stream, 0, 0, 0, 1), payload...) }
	for range between(r, 100, 3000) {
		s := &bitWriter{}
		s.u(8, 0x67)
		s.u(8, 66)
		s.u(8, 0)
		s.u(8, 62)
		s.ue(0)                                // seq_parameter_set_id
		s.ue(uint64(r.IntN(13)))               // log2_max_frame_num_minus4
		s.ue(0)                                // pic_order_cnt_type
		s.ue(uint64(r.IntN(13)))               // log2_max_pic_order_cnt_lsb_minus4
		s.ue(uint64(r.IntN(20)))               // max_num_ref_frames
		s.u(1, 0)                              // gaps
		s.ue(uint64(1)<<between(r, 3, 20) - 1) // pic_width_in_mbs_minus1
		s.ue(uint64(1)<<between(r, 3, 20) - 1) // pic_height_in_map_units_minus1
		s.u(1, 1)
		s.u(1, 1)
		s.u(1, 0)
		s.u(1, 0)
		s.u(1, 1)
		nal(s.out)
		p := &bitWriter{}
		p.u(8, 0x68)
		p.ue(0)
		p.ue(0)
		p.u(2, 0)
		p.ue(0)
		p.ue(0)
		p.ue(0)
		p.u(3, 0)
		p.ue(0)
		p.ue(0)
		p.ue(0)
		p.u(3, 1)
		p.u(1, 1)
		nal(p.out)
		slice := make([]byte, 20)
		for i := range slice {
			slice[i] = byte(r.Uint32() | 1)
		}
		nal(append([]byte{0x65, 0x88}, slice...))
	}
	return transcode(folder, "in.h264", stream, "mp4", "--fps", "25")
}

// section returns a packet of a transport stream with a section of a table (ISO/IEC 13818-1, 2.4.4).
func section(pid uint16, table byte, id uint16, body []byte) []byte {
	s := append([]byte{table, 0xb0 | byte((len(body)+9)>>8), byte(len(body) + 9), byte(id >> 8), byte(id), 0xc1, 0, 0}, body...)
	s = append(s, u32(mpegCRC(s))...)
	packet := append([]byte{0x47, 0x40 | byte(pid>>8), byte(pid), 0x10, 0}, s...)
	return append(packet, bytes.Repeat([]byte{0xff}, max(188-len(packet), 0))...)[:188]
}

func mpegCRC(data []byte) uint32 {
	crc := uint32(0xffffffff)
	for _, b := range data {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// programFlood returns a transport stream with a new table of programs, and of their streams, in each packet.
func programFlood(r *rand.Rand, folder string) ([]string, error) {
	var data []byte
	for range between(r, 500, 5000) {
		var programs []byte
		for range 40 {
			programs = append(append(programs, u16(uint16(r.IntN(1<<16)))...), u16(0xe000|uint16(r.IntN(0x1ffe)))...)
		}
		data = append(data, section(0, 0, uint16(r.IntN(4)), programs)...)
		streams := []byte{0xe1, 0, 0xf0, 0}
		for range 30 {
			kinds := []byte{0x1b, 0x24, 0x0f, 0x81, 0x06, 0x02}
			streams = append(append(streams, kinds[r.IntN(len(kinds))]), append(u16(0xe000|uint16(r.IntN(0x1ffe))), 0xf0, 0)...)
		}
		data = append(data, section(uint16(r.IntN(0x1ffe)), 2, uint16(r.IntN(1<<16)), streams)...)
	}
	return transcode(folder, "in.ts", data, "mp4")
}

// id3 returns a frame of an ID3v2.3 tag.
func id3(kind string, body []byte) []byte {
	return append(append([]byte(kind), append(u32(uint32(len(body))), 0, 0)...), body...)
}

// tagFlood returns audio after a tag of chapters, texts and pictures.
func tagFlood(r *rand.Rand, folder string) ([]string, error) {
	var body []byte
	for i := range between(r, 5000, 30_000) {
		switch i % 3 {
		case 0:
			body = append(body, id3("TXXX", []byte(fmt.Sprintf("\x00k%d\x00value", i)))...)
		case 1:
			body = append(body, id3("CHAP", append([]byte(fmt.Sprintf("c%d\x00", i)), u32(uint32(i), r.Uint32(), 0xffffffff, 0xffffffff)...))...)
		default:
			body = append(body, id3("APIC", []byte("\x00image/png\x00\x03\x00\x89PNG\r\n\x1a\n"))...)
		}
	}
	n := len(body)
	data := append([]byte{'I', 'D', '3', 3, 0, 0, byte(n >> 21 & 0x7f), byte(n >> 14 & 0x7f), byte(n >> 7 & 0x7f), byte(n & 0x7f)}, body...)
	for range 200 { // frames of silence: MPEG-1 Layer III, 128 kbit/s, 44.1 kHz
		data = append(data, append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...)...)
	}
	return transcode(folder, "in.mp3", data, "mp4")
}

// covers returns a movie with many cover pictures and long texts.
func covers(r *rand.Rand, folder string) ([]string, error) {
	jpg := picture(64, 64)
	var items []byte
	for i := range between(r, 300, 3000) {
		kind, class, value := "covr", uint32(13), jpg
		if i%2 == 0 {
			kind, class, value = "\xa9nam", 1, bytes.Repeat([]byte("x"), 500)
		}
		items = append(items, box(kind, box("data", u32(class, 0), value))...)
	}
	meta := box("meta", u32(0), box("hdlr", u32(0, 0), []byte("mdirappl"), u32(0, 0), []byte{0}), box("ilst", items))
	return transcode(folder, "in.mov", movie(picture(160, 90), 5, nil, nil, box("udta", meta)), "mp4")
}

// flacClaims returns FLAC whose comments and pictures claim more than there is.
func flacClaims(r *rand.Rand, folder string) ([]string, error) {
	block := func(kind byte, claimed int, body []byte) []byte {
		return append([]byte{kind, byte(claimed >> 16), byte(claimed >> 8), byte(claimed)}, body...)
	}
	info := append(u16(4096, 4096), make([]byte, 30)...)
	info[10], info[11], info[12], info[13] = 0x0a, 0xc4, 0x42, 0xff // 44.1 kHz, 2 channels, 16 bits, and more samples than fit
	data := append([]byte("fLaC"), block(0, 34, info)...)
	comments := append(le32(0), le32(uint32(1)<<between(r, 8, 31))...)
	for i := range between(r, 100, 20_000) {
		text := fmt.Sprintf("CHAPTER%03dNAME=%d", i%1000, i)
		comments = append(append(comments, le32(uint32(len(text)))...), text...)
	}
	data = append(data, block(4, min(len(comments), 1<<24-1), comments)...)
	claim := append(u32(3, 9), "image/png"...)
	claim = append(claim, u32(0, 1<<between(r, 4, 31), 1<<between(r, 4, 31), 24, 0, 1<<between(r, 4, 31))...)
	data = append(data, block(0x86, len(claim), claim)...)
	return transcode(folder, "in.flac", append(data, make([]byte, 100_000)...), "mp4")
}

// claimedAPNG returns an animation that claims frames, delays and a size.
func claimedAPNG(r *rand.Rand, folder string) ([]string, error) {
	chunk := func(kind string, body []byte) []byte {
		tagged := append([]byte(kind), body...)
		return append(append(u32(uint32(len(body))), tagged...), u32(crc32.ChecksumIEEE(tagged))...)
	}
	width, height := uint32(1)<<between(r, 5, 14), uint32(1)<<between(r, 5, 13)
	var pixels bytes.Buffer
	w := zlib.NewWriter(&pixels)
	row := make([]byte, 1+width)
	for range height {
		_, _ = w.Write(row) // a buffer takes everything
	}
	_ = w.Close()
	data := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(u32(width, height), 8, 0, 0, 0, 0))...)
	data = append(data, chunk("acTL", u32(uint32(1)<<between(r, 0, 31), 0))...)
	for i := range uint32(between(r, 2, 400)) {
		control := append(u32(2*i, width, height, 0, 0), append(u16(uint16(r.Uint32()), uint16(r.IntN(3))), 0, 0)...)
		data = append(data, chunk("fcTL", control)...)
		if i == 0 {
			data = append(data, chunk("IDAT", pixels.Bytes())...)
		} else {
			data = append(data, chunk("fdAT", append(u32(2*i+1), pixels.Bytes()...))...)
		}
	}
	return transcode(folder, "in.png", append(data, chunk("IEND", nil)...), "mp4")
}

// manySubtitles returns a track of many short subtitles, or of drawings.
func manySubtitles(extension string) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		var blocks []byte
		for i := range between(r, 5000, 30_000) {
			blocks = append(blocks, shown(2, int16(i), 1, []byte(fmt.Sprintf("<b>%d</b> --> &amp;", i)))...)
		}
		return transcode(folder, "in.mkv", still([][]byte{subRip(2, false)}, blocks), extension)
	}
}

func drawings(r *rand.Rand, folder string) ([]string, error) {
	header := "[Script Info]\nScriptType: v4.00+\n[V4+ Styles]\nFormat: Name, Fontsize\nStyle: Default,20\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
	list := [][]byte{track(2, subtitleTrack, "S_TEXT/ASS", false, text(codecPrivate, header))}
	line := "0,0,Default,,0,0,0,,{\\p1}" + strings.Repeat("m 0 0 l 99999 99999 {\\t(0,1,\\fscx9999)}", between(r, 1000, 50_000))
	return transcode(folder, "in.mkv", still(list, shown(2, 0, 500, []byte(line))), "mp4")
}

// lacedBlocks returns blocks whose laces claim frames and sizes (RFC 9559, 10.3).
func lacedBlocks(r *rand.Rand, folder string) ([]string, error) {
	var blocks []byte
	for i := range between(r, 1000, 20_000) {
		body := []byte{0x81, byte(i >> 8), byte(i), byte(r.IntN(4)) << 1, 0xff}
		for range r.IntN(300) {
			body = append(body, byte(r.Uint32()))
		}
		blocks = append(blocks, element(simpleBlock, body)...)
	}
	return transcode(folder, "in.mkv", still(nil, blocks), "mp4")
}

// clockJumps returns a transport stream whose clocks and timestamps have other bits than they had.
func clockJumps(r *rand.Rand, folder string) ([]string, error) {
	data, err := clip(folder, "ts")
	if err != nil {
		return nil, err
	}
	for at := 0; at+188 <= len(data); at += 188 {
		packet := data[at : at+188]
		if packet[3]&0x20 != 0 && packet[4] > 6 && packet[5]&0x10 != 0 && r.IntN(3) == 0 { // a clock reference
			packet[6+r.IntN(4)] = byte(r.Uint32())
		}
		if i := bytes.Index(packet, []byte{0, 0, 1, 0xe0}); i > 0 && i+14 < len(packet) && r.IntN(3) == 0 { // a presentation time
			packet[i+10+r.IntN(2)] = byte(r.Uint32())
		}
	}
	if r.IntN(2) == 0 {
		return transcode(folder, "in.ts", data, "mp4", "--fps", "60")
	}
	return transcode(folder, "in.ts", data, "mp4")
}
