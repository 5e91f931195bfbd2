package bomb

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/jpeg"
	"math"
)

// element returns an EBML element.
func element(id uint32, body ...[]byte) []byte {
	content := bytes.Join(body, nil)
	return append(declared(id, uint64(len(content))), content...)
}

// declared returns the head of an element that claims a size.
func declared(id uint32, size uint64) []byte {
	head := binary.BigEndian.AppendUint32(nil, id)
	return binary.BigEndian.AppendUint64(bytes.TrimLeft(head, "\x00"), size&(1<<56-1)|1<<56)
}

func number(id uint32, n uint64) []byte {
	return element(id, binary.BigEndian.AppendUint64(nil, n))
}

func float(id uint32, f float64) []byte { return number(id, math.Float64bits(f)) }

func text(id uint32, s string) []byte { return element(id, []byte(s)) }

// Elements of Matroska (RFC 9559).
const (
	ebmlHead, docType                                      = 0x1a45dfa3, 0x4282
	segment, info, timestampScale, duration                = 0x18538067, 0x1549a966, 0x2ad7b1, 0x4489
	tracks, trackEntry, trackNumber, trackUID, trackType   = 0x1654ae6b, 0xae, 0xd7, 0x73c5, 0x83
	codecID, codecPrivate, language, trackName             = 0x86, 0x63a2, 0x22b59c, 0x536e
	videoSettings, pixelWidth, pixelHeight                 = 0xe0, 0xb0, 0xba
	audioSettings, samplingFrequency, channels, bitDepth   = 0xe1, 0xb5, 0x9f, 0x6264
	contentEncodings, contentEncoding                      = 0x6d80, 0x6240
	contentCompression, contentCompAlgo                    = 0x5034, 0x4254
	cluster, timestamp, simpleBlock, blockGroup, block     = 0x1f43b675, 0xe7, 0xa3, 0xa0, 0xa1
	blockDuration                                          = 0x9b
	cues, cuePoint, cueTime, cuePositions, cueTrack        = 0x1c53bb6b, 0xbb, 0xb3, 0xb7, 0xf7
	cueClusterPosition                                     = 0xf1
	attachments, attachedFile, fileName, fileMime          = 0x1941a469, 0x61a7, 0x466e, 0x4660
	fileData, fileUID                                      = 0x465c, 0x46ae
	tags, tag, simpleTag, tagName, tagString               = 0x1254c367, 0x7373, 0x67c8, 0x45a3, 0x4487
	chapters, editionEntry, chapterAtom                    = 0x1043a770, 0x45b9, 0xb6
	chapterUID, chapterStart, chapterDisplay, chapterTitle = 0x73c4, 0x91, 0x80, 0x85
	videoTrack, audioTrack, subtitleTrack                  = 1, 2, 17
)

// track returns a TrackEntry. Its codec decides what it is; compressed announces zlib.
func track(n uint64, kind uint64, codec string, compressed bool, settings ...[]byte) []byte {
	body := [][]byte{number(trackNumber, n), number(trackUID, n), number(trackType, kind), text(codecID, codec)}
	if compressed {
		body = append(body, element(contentEncodings, element(contentEncoding, element(contentCompression, number(contentCompAlgo, 0)))))
	}
	return element(trackEntry, append(body, settings...)...)
}

func motionJPEG(n uint64, width, height uint64) []byte {
	return track(n, videoTrack, "V_MJPEG", false, element(videoSettings, number(pixelWidth, width), number(pixelHeight, height)))
}

func pcm(n uint64, compressed bool) []byte {
	return track(n, audioTrack, "A_PCM/INT/LIT", compressed,
		element(audioSettings, float(samplingFrequency, 48_000), number(channels, 2), number(bitDepth, 16)))
}

// subRip returns a track of SubRip subtitles.
func subRip(n uint64, compressed bool) []byte {
	return track(n, subtitleTrack, "S_TEXT/UTF8", compressed)
}

// picture returns a JPEG of a grey picture.
func picture(width, height int) []byte {
	var out bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, width, height))
	_ = jpeg.Encode(&out, img, nil) // a buffer takes everything
	return out.Bytes()
}

// deflate compresses n bytes of c.
func deflate(c byte, n int) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	chunk := bytes.Repeat([]byte{c}, min(n, 1<<20))
	for n > 0 {
		m := min(n, len(chunk))
		_, _ = w.Write(chunk[:m]) // a buffer takes everything
		n -= m
	}
	_ = w.Close()
	return out.Bytes()
}

// frame returns a block of a track at an offset from its cluster's timestamp, in milliseconds.
func frame(n uint64, offset int16, data []byte) []byte {
	head := []byte{byte(0x80 | n), byte(uint16(offset) >> 8), byte(offset), 0x80}
	if n > 126 {
		head = append([]byte{byte(0x40 | n>>8), byte(n)}, head[1:]...)
	}
	return element(simpleBlock, head, data)
}

// shown returns a block of subtitles, which have a duration.
func shown(n uint64, offset int16, milliseconds uint64, data []byte) []byte {
	head := []byte{byte(0x80 | n), byte(uint16(offset) >> 8), byte(offset), 0}
	if n > 126 {
		head = append([]byte{byte(0x40 | n>>8), byte(n)}, head[1:]...)
	}
	return element(blockGroup, element(block, head, data), number(blockDuration, milliseconds))
}

// matroska returns a file of a duration in milliseconds, with Cues of track 1 for clusters at times.
func matroska(milliseconds float64, list [][]byte, clusters map[uint64][]byte, order []uint64, more ...[]byte) []byte {
	head := element(ebmlHead, text(docType, "matroska"))
	body := element(info, number(timestampScale, 1_000_000), float(duration, milliseconds))
	body = append(body, element(tracks, list...)...)
	for _, extra := range more {
		body = append(body, extra...)
	}
	var points [][]byte
	for _, at := range order {
		points = append(points, element(cuePoint, number(cueTime, at), element(cuePositions, number(cueTrack, 1), number(cueClusterPosition, uint64(len(body))))))
		body = append(body, element(cluster, number(timestamp, at), clusters[at])...)
	}
	body = append(body, element(cues, points...)...)
	return append(head, element(segment, body)...)
}

// still returns a Matroska file with a second of 160x90 video, and whatever else a bomb adds.
func still(list [][]byte, blocks []byte, more ...[]byte) []byte {
	jpg := picture(160, 90)
	var content []byte
	for i := range 5 {
		content = append(content, frame(1, int16(200*i), jpg)...)
	}
	content = append(content, blocks...)
	return matroska(1000, append([][]byte{motionJPEG(1, 160, 90)}, list...), map[uint64][]byte{0: content}, []uint64{0}, more...)
}
