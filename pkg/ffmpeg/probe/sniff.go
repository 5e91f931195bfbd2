package probe

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/fault"
)

// SniffLength is how many of a file's first bytes Sniff needs, or all of a shorter file.
const SniffLength = 64 << 10

// Container is a file format that mapreel accepts.
type Container struct {
	Name    string // to display: "MP4", "MPEG-TS"
	Demuxer string // the argument of -f before -i
	Indexed bool   // it may have an index that mapreel reads itself (MP4, MOV, Matroska, WebM)
}

var (
	containerMP4      = Container{Name: "MP4", Demuxer: "mov", Indexed: true}
	containerMOV      = Container{Name: "QuickTime", Demuxer: "mov", Indexed: true}
	containerMatroska = Container{Name: "Matroska", Demuxer: "matroska", Indexed: true}
	containerWebM     = Container{Name: "WebM", Demuxer: "matroska", Indexed: true}
	containerTS       = Container{Name: "MPEG-TS", Demuxer: "mpegts"}
	containerPS       = Container{Name: "MPEG-PS", Demuxer: "mpeg"}
	containerMP3      = Container{Name: "MP3", Demuxer: "mp3"}
	containerADTS     = Container{Name: "AAC", Demuxer: "aac"}
)

// signature identifies a container by the bytes with which each of its files begins.
type signature struct {
	bytes     string
	container Container
}

// signatures come from the containers' specifications.
var signatures = []signature{
	{"FLV\x01", Container{Name: "FLV", Demuxer: "flv"}},
	{"OggS", Container{Name: "Ogg", Demuxer: "ogg"}},
	{"fLaC", Container{Name: "FLAC", Demuxer: "flac"}},
	{"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", Container{Name: "ASF", Demuxer: "asf"}},
	{"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d", Container{Name: "WTV", Demuxer: "wtv"}},
	{"nut/multimedia container\x00", Container{Name: "NUT", Demuxer: "nut"}},
	{"DKIF\x00\x00", Container{Name: "IVF", Demuxer: "ivf"}},
	{"YUV4MPEG2 ", Container{Name: "YUV4MPEG2", Demuxer: "yuv4mpegpipe"}},
	{"GIF87a", Container{Name: "GIF", Demuxer: "gif"}},
	{"GIF89a", Container{Name: "GIF", Demuxer: "gif"}},
	{".RMF\x00\x00\x00", Container{Name: "RealMedia", Demuxer: "rm"}},
	{"caff\x00\x01", Container{Name: "CAF", Demuxer: "caf"}},
	{"#!AMR", Container{Name: "AMR", Demuxer: "amr"}},
	{packStart, containerPS},
	{"\x1f\x07\x00", Container{Name: "DV", Demuxer: "dv"}},
}

// nonMedia is a common kind of file that is not a video, which an error should name.
type nonMedia struct{ bytes, name string }

var nonMediaSignatures = []nonMedia{
	{"\x89PNG\r\n\x1a\n", "a PNG picture"},
	{"\xff\xd8\xff", "a JPEG picture"},
	{"%PDF-", "a PDF document"},
	{"PK\x03\x04", "a ZIP archive"},
	{"\x1f\x8b", "a gzip archive"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
	{"Rar!\x1a\x07", "a RAR archive"},
	{"\x7fELF", "a program"},
	{"MZ", "a Windows program"},
	{"ID3", "ID3 tags with nothing after them"},
}

// textStarts begin texts, in lower case. Some programs would play such texts; mapreel never opens
// one as a video.
var textStarts = []nonMedia{
	{"#extm3u", "an M3U or HLS playlist"},
	{"ffconcat", "an ffmpeg concat script"},
	{"[playlist]", "a PLS playlist"},
	{"[reference]", "an ASX playlist"},
	{"<asx", "an ASX playlist"},
	{"<smil", "a SMIL playlist"},
	{"<mpd", "a DASH manifest"},
	{"<svg", "an SVG picture"},
	{"<!doctype html", "an HTML page"},
	{"<html", "an HTML page"},
	{"<?xml", "an XML document"},
	{"webvtt", "WebVTT subtitles"},
	{"[script info]", "SubStation subtitles"},
	{";ffmetadata", "an ffmpeg metadata file"},
	{"v=0", "an SDP description"},
	{"{", "a JSON document"},
}

// Sniff identifies the container from the first SniffLength bytes of a file, or all of a shorter
// one. Anything but a media container is an error of kind Invalid that describes what it looks
// like; a raw stream without timestamps is Unsupported, and returned together with the error: ffmpeg
// can read it with Input.Rate. name is used in the error's text.
func Sniff(head []byte, name string) (Container, error) {
	name = filepath.Base(name)
	if len(head) == 0 {
		return Container{}, fault.New(fault.Invalid, "not a video file: %s is empty", name)
	}
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.bytes)) {
			return s.container, nil
		}
	}
	for _, recognise := range []func([]byte) (Container, bool){sniffEBML, sniffRIFF, sniffMP4, sniffAPNG, sniffMXF, sniffTS, sniffAudio, sniffCutPS} {
		if container, ok := recognise(head); ok {
			return container, nil
		}
	}
	if raw, ok := sniffRawVideo(head); ok {
		return raw, fault.New(fault.Unsupported, "%s is a raw %s stream, which has no timestamps", name, raw.Name)
	}
	return Container{}, fault.New(fault.Invalid, "not a video file: %s looks like %s", name, describe(head))
}

// unknownFile describes a file of which nothing is known.
const unknownFile = "none of the containers that mapreel supports"

// describe describes a file that is not media.
func describe(head []byte) string {
	if len(bytes.Trim(head, "\x00")) == 0 {
		return "zeros"
	}
	text := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	text = bytes.TrimLeft(text, " \t\r\n")
	start := strings.ToLower(string(text[:min(len(text), 64)]))
	for _, t := range textStarts {
		if strings.HasPrefix(start, t.bytes) {
			return t.name
		}
	}
	for _, s := range nonMediaSignatures {
		if bytes.HasPrefix(head, []byte(s.bytes)) {
			return s.name
		}
	}
	if isText(head) {
		return "text"
	}
	return unknownFile
}

// isText reports whether bytes are UTF-8 without control characters. It ignores an incomplete
// character at the end.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size == 1 && len(head) >= utf8.UTFMax {
			return false
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' || r == 0x7f {
			return false
		}
		head = head[size:]
	}
	return true
}

// sniffEBML distinguishes Matroska and WebM by the DocType, which is among the first bytes of the
// first header.
func sniffEBML(head []byte) (Container, bool) {
	if !bytes.HasPrefix(head, []byte("\x1a\x45\xdf\xa3")) {
		return Container{}, false
	}
	start := head[:min(len(head), 4096)]
	i := bytes.Index(start, []byte("\x42\x82"))
	if i < 0 || i+2 == len(start) {
		return Container{}, false
	}
	// A size is coded in 1 to 8 bytes, as many as the first has leading zeros and one (RFC 8794, 4.4).
	coded := start[i+2:]
	length := bits.LeadingZeros8(coded[0]) + 1
	if length > 8 || length > len(coded) {
		return Container{}, false
	}
	size := uint64(coded[0]) & (1<<(8-length) - 1)
	for _, b := range coded[1:length] {
		size = size<<8 | uint64(b)
	}
	docType := coded[length:]
	docType = docType[:min(size, uint64(len(docType)))]
	switch strings.TrimRight(string(docType), "\x00") {
	case "webm":
		return containerWebM, true
	case "matroska":
		return containerMatroska, true
	}
	return Container{}, false
}

func sniffRIFF(head []byte) (Container, bool) {
	if len(head) < 12 {
		return Container{}, false
	}
	kind := string(head[8:12])
	switch id := string(head[:4]); {
	case id == "RIFF" && (kind == "AVI " || kind == "AVIX"):
		return Container{Name: "AVI", Demuxer: "avi"}, true
	case (id == "RIFF" || id == "RF64" || id == "RIFX" || id == "BW64") && kind == "WAVE":
		return Container{Name: "WAV", Demuxer: "wav"}, true
	case id == "FORM" && (kind == "AIFF" || kind == "AIFC"):
		return Container{Name: "AIFF", Demuxer: "aiff"}, true
	}
	return Container{}, false
}

// sniffMP4 examines the first box. The brand of ftyp names the container; older QuickTime files
// begin with another box.
func sniffMP4(head []byte) (Container, bool) {
	if len(head) < 8 {
		return Container{}, false
	}
	size := uint64(binary.BigEndian.Uint32(head))
	kind := string(head[4:8])
	switch {
	case size == 1 && len(head) >= 16:
		if size = binary.BigEndian.Uint64(head[8:]); size < 16 {
			return Container{}, false
		}
	case size != 0 && size < 8:
		return Container{}, false
	}
	switch kind {
	case "ftyp":
		if len(head) < 12 || size != 0 && size < 12 {
			return Container{}, false
		}
		switch brand := string(head[8:12]); brand {
		case "qt  ":
			return containerMOV, true
		case "avif", "avis", "heic", "heix", "mif1", "msf1", "crx ": // still images in a video container
			return Container{}, false
		}
		return containerMP4, true
	case "styp", "sidx", "moof":
		return containerMP4, true
	case "moov", "mdat", "wide", "free", "skip", "pnot":
		return containerMOV, true
	}
	return Container{}, false
}

// sniffAPNG recognises a PNG that is animated: its chunk acTL precedes the picture (PNG, third
// edition, 11.3.6.1).
func sniffAPNG(head []byte) (Container, bool) {
	const signature = "\x89PNG\r\n\x1a\n"
	if !bytes.HasPrefix(head, []byte(signature)) {
		return Container{}, false
	}
	rest := head[len(signature):]
	for len(rest) >= 8 {
		size, kind := uint64(binary.BigEndian.Uint32(rest)), string(rest[4:8])
		switch kind {
		case "acTL":
			return Container{Name: "APNG", Demuxer: "apng"}, true
		case "IDAT", "IEND":
			return Container{}, false
		}
		rest = rest[min(size+12, uint64(len(rest))):]
	}
	return Container{}, false
}

// sniffMXF finds the partition pack's key, after a run-in of at most 64 KiB (SMPTE ST 377-1, 6.5).
func sniffMXF(head []byte) (Container, bool) {
	key := []byte("\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02")
	if bytes.Contains(head, key) {
		return Container{Name: "MXF", Demuxer: "mxf"}, true
	}
	return Container{}, false
}

// tsPackets is how many consecutive packets must begin with a sync byte to identify a transport
// stream: the probability of chance is 1 in 256⁵. A shorter file needs them in all its packets, and
// minTSPackets of them.
const tsPackets, minTSPackets = 5, 3

// sniffTS searches for packets of 188 bytes, 192 (preceded by a 4-byte timestamp: Blu-ray,
// camcorders) or 204 (followed by 16 bytes of error correction). A capture may begin within a
// packet.
func sniffTS(head []byte) (Container, bool) {
	for _, size := range []int{188, 192, 204} {
		packets := min(len(head)/size, tsPackets)
		if packets < minTSPackets {
			continue
		}
		for start := range min(size, len(head)-(packets-1)*size) {
			found := true
			for i := range packets {
				if head[start+i*size] != 0x47 {
					found = false
					break
				}
			}
			if found {
				return containerTS, true
			}
		}
	}
	return Container{}, false
}

// minPSUnits is how many packs and packets, each right behind the one before, identify a program stream that begins within one.
const minPSUnits = 4

// sniffCutPS recognises an MPEG program stream that begins within a pack or a packet, as a recording that was cut by its bytes. Of a
// stream with large packs, the first bytes may hold packets alone.
func sniffCutPS(head []byte) (Container, bool) {
	if describe(head) != unknownFile {
		return Container{}, false
	}
	for rest := head; ; rest = rest[len(startCode):] {
		i := bytes.Index(rest, []byte(startCode))
		if i < 0 {
			return Container{}, false
		}
		rest = rest[i:]
		units := 0
		for at := 0; units < minPSUnits && at < len(rest); units++ {
			size := psUnit(rest[at:])
			if size == 0 {
				break
			}
			at += size
		}
		if units == minPSUnits {
			return containerPS, true
		}
	}
}

// startCode begins each pack and each packet; its next byte says what it is.
const startCode = "\x00\x00\x01"

// psUnit returns the size of the header of a pack, or of the packet or system header, that data begins with; 0 for none.
func psUnit(data []byte) int {
	switch {
	case bytes.HasPrefix(data, []byte(packStart)):
		return packHeader(data)
	case len(data) >= 6 && bytes.HasPrefix(data, []byte(startCode)) && data[3] >= 0xbb:
		if size := int(binary.BigEndian.Uint16(data[4:])); size > 0 {
			return 6 + size
		}
	}
	return 0
}

// packStart is the start code of a pack of a program stream.
const packStart = "\x00\x00\x01\xba"

// packHeader returns the size of the header of a pack that data begins with; 0 for none (ISO/IEC 13818-1, 2.5.3.4; ISO/IEC 11172-1, 2.4.3.2).
func packHeader(data []byte) int {
	if len(data) < 14 {
		return 0
	}
	switch b := data[4]; {
	case b&0xc4 == 0x44:
		return 14 + int(data[13]&7)
	case b&0xf1 == 0x21:
		return 12
	}
	return 0
}

// sniffAudio recognises raw MP3 and AAC by two consecutive frame headers, and AC-3 by its first
// one, after any ID3 tags.
func sniffAudio(head []byte) (Container, bool) {
	at, tagged := 0, false
	if len(head) >= 10 && string(head[:3]) == "ID3" {
		// The size of the tags has 7 bits in each byte (ID3v2.4, 6.2).
		size := int(head[6]&0x7f)<<21 | int(head[7]&0x7f)<<14 | int(head[8]&0x7f)<<7 | int(head[9]&0x7f)
		if at = 10 + size; at >= len(head) {
			return containerMP3, true // a large cover image precedes the audio; AAC files have none
		}
		tagged = true
		if bytes.HasPrefix(head[at:], []byte("fLaC")) {
			return Container{Name: "FLAC", Demuxer: "flac"}, true
		}
	}
	rest := head[at:]
	if tagged {
		rest = bytes.TrimLeft(rest, "\x00") // padding
	}
	if size := adtsFrame(rest); size > 0 && (len(rest) == size || len(rest) > size && adtsFrame(rest[size:]) > 0) {
		return containerADTS, true
	}
	if size := mp3Frame(rest); size > 0 && (len(rest) == size || len(rest) > size && mp3Frame(rest[size:]) > 0) {
		return containerMP3, true
	}
	if bytes.HasPrefix(rest, []byte("\x0b\x77")) && len(rest) > 6 && rest[5]>>3 <= 16 { // bsid: ATSC A/52, 5.4.2.1
		if rest[5]>>3 > 10 {
			return Container{Name: "E-AC-3", Demuxer: "eac3"}, true
		}
		return Container{Name: "AC-3", Demuxer: "ac3"}, true
	}
	return Container{}, false
}

// adtsFrame returns the length of the ADTS frame at the start of b, or 0 (ISO/IEC 14496-3,
// 1.A.2.2).
func adtsFrame(b []byte) int {
	if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 || b[2]>>2&0xf > 12 {
		return 0
	}
	size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
	if size < 7 {
		return 0
	}
	return size
}

// Bit rates in kbit/s and sample rates in Hz of MPEG-1 audio, and bit rates of layers II and III of
// MPEG-2 (ISO/IEC 11172-3, 2.4.2.3; ISO/IEC 13818-3, 2.4.2.3).
var (
	mpegRates1  = [4][16]int{1: {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}, 2: {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}}
	mpegRates2  = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	mpegSamples = [3]int{44100, 48000, 32000}
)

// mp3Frame returns the length of the layer II or III frame at the start of b, or 0.
func mp3Frame(b []byte) int {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return 0
	}
	version, layer := b[1]>>3&3, b[1]>>1&3 // version: 3 = MPEG-1, 2 = MPEG-2, 0 = MPEG-2.5; layer: 1 = III, 2 = II
	rate, sample, padding := b[2]>>4, b[2]>>2&3, int(b[2]>>1&1)
	if version == 1 || layer != 1 && layer != 2 || sample == 3 {
		return 0
	}
	kbits, hertz, perFrame := mpegRates1[layer][rate], mpegSamples[sample], 144
	if version != 3 {
		kbits, hertz = mpegRates2[rate], hertz/2
		if version == 0 {
			hertz /= 2
		}
		if layer == 1 {
			perFrame = 72
		}
	}
	if kbits == 0 {
		return 0
	}
	return perFrame*kbits*1000/hertz + padding
}

// sniffRawVideo recognises elementary streams, which have start codes but no container, by the byte
// after the first one. Their names are those of their codecs.
func sniffRawVideo(head []byte) (raw Container, ok bool) {
	b := head
	switch {
	case bytes.HasPrefix(b, []byte("\x00\x00\x00\x01")):
		b = b[4:]
	case bytes.HasPrefix(b, []byte("\x00\x00\x01")):
		b = b[3:]
	default:
		return Container{}, false
	}
	if len(b) < 2 {
		return Container{}, false
	}
	switch {
	case b[0] == 0xb3:
		return Container{Name: "MPEG video", Demuxer: "mpegvideo"}, true
	case b[0] == 0x67 || b[0] == 0x27 || b[0] == 0x47 || b[0] == 0x09: // sequence parameter set or access unit delimiter
		return Container{Name: "H.264", Demuxer: "h264"}, true
	case b[0]>>1 == 32 || b[0]>>1 == 33 || b[0]>>1 == 35: // parameter set or access unit delimiter
		return Container{Name: "H.265", Demuxer: "hevc"}, true
	case b[0] == 0xb0:
		return Container{Name: "MPEG-4 video", Demuxer: "m4v"}, true
	}
	return Container{}, false
}
