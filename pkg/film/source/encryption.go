package source

import (
	"bytes"
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// encryptionBytes is how many bytes from the start of a transport stream are searched for scrambled
// packets: most of a second of a multiplex of 40 Mbit/s, so that every stream has some.
const encryptionBytes = 4 << 20

// refuseEncrypted refuses a source whose first bytes show that its video or audio is encrypted, in
// containers without an index that could say so. Without a key its packets decode to noise.
func refuseEncrypted(demuxer string, head []byte, streams []probe.Stream) error {
	var what, by string
	switch demuxer {
	case "mpegts":
		what, by = encryptedTS(head, streams)
	case "mpeg":
		what, by = encryptedPS(head)
	case "flv":
		what, by = encryptedFLV(head)
	case "asf":
		what, by = encryptedASF(head)
	case "mxf":
		what, by = encryptedMXF(head)
	}
	if by == "" {
		return nil
	}
	return fault.WithHint(fault.New(fault.Unsupported, "%s is encrypted (%s)", what, by), "decrypt the file first: mapreel has no keys")
}

const (
	tsPacket = 188
	tsSync   = 0x47
)

// sampleAES holds the stream types of Apple's SAMPLE-AES (MPEG-2 Stream Encryption Format for HTTP
// Live Streaming) as ffprobe prints them: H.264, AAC, AC-3 and E-AC-3. Only their payload is
// encrypted, so that no packet is marked.
var sampleAES = map[string]bool{"[219][0][0][0]": true, "[207][0][0][0]": true, "[193][0][0][0]": true, "[194][0][0][0]": true}

// encryptedTS finds a video or audio stream of SAMPLE-AES, or one that has
// transport_scrambling_control set (ISO/IEC 13818-1, 2.4.3.3) in more packets than not: a few may be
// bit errors.
func encryptedTS(head []byte, streams []probe.Stream) (what, by string) {
	open, scrambled := packetsOf(head)
	for _, s := range streams {
		switch {
		case s.Type != "video" && s.Type != "audio":
		case sampleAES[s.Tag]:
			return fmt.Sprintf("%s stream %d", s.Type, s.Index), "SAMPLE-AES"
		case scrambled[s.ID] > open[s.ID]:
			return fmt.Sprintf("%s stream %d", s.Type, s.Index), "conditional access"
		}
	}
	return "", ""
}

// packetsOf counts the packets of a transport stream that carry a payload in the clear, and those
// that are scrambled, by PID.
func packetsOf(head []byte) (open, scrambled map[int]int) {
	open, scrambled = map[int]int{}, map[int]int{}
	for _, size := range []int{tsPacket, 192, 204} { // plain; with the time codes of M2TS; with the checksums of DVB
		at := 0
		for at < size && at+3*size < len(head) && (head[at] != tsSync || head[at+size] != tsSync || head[at+2*size] != tsSync) {
			at++
		}
		if at == size || at+3*size >= len(head) {
			continue
		}
		for ; at+tsPacket <= len(head); at += size {
			pid := int(head[at+1]&0x1f)<<8 | int(head[at+2])
			switch {
			case head[at] != tsSync || head[at+3]&0x10 == 0: // out of step, or without a payload
			case head[at+3]&0xc0 != 0:
				scrambled[pid]++
			default:
				open[pid]++
			}
		}
		break
	}
	return open, scrambled
}

// encryptedPS reports CSS if a pack of a DVD has PES_scrambling_control set (ISO/IEC 13818-1,
// 2.4.3.7).
func encryptedPS(head []byte) (what, by string) {
	const sector = 2048
	for ; len(head) >= sector; head = head[sector:] {
		// A pack header of MPEG-2 without stuffing takes 14 bytes. The PES packet has its flags after 6.
		if !bytes.HasPrefix(head, []byte{0, 0, 1, 0xba}) || head[4]&0xc0 != 0x40 || !bytes.Equal(head[14:17], []byte{0, 0, 1}) {
			return "", ""
		}
		id := head[17]
		if (id == 0xbd || id >= 0xc0 && id < 0xf0) && head[20]&0xc0 == 0x80 && head[20]&0x30 != 0 {
			return "the source", "CSS"
		}
	}
	return "", ""
}

// encryptedFLV finds a tag whose Filter bit is set (Adobe Flash Video File Format Specification 10.1,
// E.4.1).
func encryptedFLV(head []byte) (what, by string) {
	const header, previousSize, tag = 9, 4, 11
	for at := header + previousSize; at+tag <= len(head); {
		kind := head[at] & 0x1f
		if head[at]&0x20 != 0 && (kind == 8 || kind == 9) {
			return "the source", "Adobe DRM"
		}
		at += tag + previousSize + int(head[at+1])<<16 + int(head[at+2])<<8 + int(head[at+3])
	}
	return "", ""
}

// encryptedASF finds one of the encryption objects of an ASF header (ASF specification, 3.14, 3.15 and
// 3.16).
func encryptedASF(head []byte) (what, by string) {
	for _, guid := range []string{
		"\xfb\xb3\x11\x22\x23\xbd\xd2\x11\xb4\xb7\x00\xa0\xc9\x55\xfc\x6e", // Content Encryption Object
		"\x14\xe6\x8a\x29\x22\x26\x17\x4c\xb9\x35\xda\xe0\x7e\xe9\x28\x9c", // Extended Content Encryption Object
	} {
		if bytes.Contains(head, []byte(guid)) {
			return "the source", "DRM"
		}
	}
	return "", ""
}

// encryptedMXF finds the Cryptographic Context of a digital cinema package, or a packet of encrypted
// essence (SMPTE ST 429-6).
func encryptedMXF(head []byte) (what, by string) {
	for _, label := range []string{
		"\x06\x0e\x2b\x34\x02\x53\x01\x01\x0d\x01\x04\x01\x02\x02\x00\x00", // Cryptographic Context
		"\x06\x0e\x2b\x34\x02\x04\x01\x07\x0d\x01\x03\x01\x02\x7e\x01\x00", // encrypted triplet
	} {
		if bytes.Contains(head, []byte(label)) {
			return "the source", "SMPTE ST 429-6"
		}
	}
	return "", ""
}
