package progressive

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

func TestCheckReportsEveryDifference(t *testing.T) {
	video := isobmff.Chunk{Track: isobmff.Track{Handler: "vide", Timescale: 25, Entry: chunktest.Entry("avc1")}, Header: 100, Bytes: 60}
	for i := range 60 {
		s := isobmff.Sample{Size: 1, Duration: 1, Sync: i == 0}
		switch { // pairs are decoded in the other order
		case i%2 == 1 && i < 59:
			s.Offset = 1
		case i%2 == 0 && i > 0:
			s.Offset = -1
		}
		video.Samples = append(video.Samples, s)
	}
	audio := isobmff.Chunk{Track: isobmff.Track{Handler: "soun", Timescale: 100, Entry: chunktest.Entry("mp4a")}, Header: 100, Bytes: 300}
	for i := range 30 {
		audio.Samples = append(audio.Samples, isobmff.Sample{Size: uint32(9 + i%2*2), Duration: 8, Sync: true})
	}
	movie := Movie{Tracks: []Track{{Track: video.Track, Delay: 5}, {Track: audio.Track, Skip: 8}}}
	file := stitch(t, movie, []isobmff.Chunk{video}, []isobmff.Chunk{audio})
	expected := func() []Expected {
		return []Expected{{"vide", 60, 5, 64, chunktest.Moved(video.Presentation(), 5)}, {"soun", 30, -8, 224, nil}}
	}
	check := func(header []byte, size int64, want []Expected) error {
		return Check(bytes.NewReader(header), size, want)
	}
	if err := check(file.Header, file.Size, expected()); err != nil {
		t.Fatalf("the undamaged file: %v", err)
	}
	// change overwrites the 32-bit word at an offset in the nth box of a type.
	change := func(kind string, n, offset int, v uint32) []byte {
		header := slices.Clone(file.Header)
		at := 0
		for range n + 1 {
			at += bytes.Index(header[at:], []byte(kind)) + 4
		}
		binary.BigEndian.PutUint32(header[at+offset:], v)
		return header
	}
	word := func(kind string, offset int) uint32 {
		return binary.BigEndian.Uint32(file.Header[bytes.Index(file.Header, []byte(kind))+4+offset:])
	}
	for name, header := range map[string][]byte{
		"sample size":          change("stsz", 1, 12, 10),
		"number of samples":    change("stsz", 0, 8, 59),
		"overlapping chunks":   change("stco", 0, 8, word("stco", 8)+1),
		"chunk before mdat":    change("stco", 0, 8, 10),
		"chunk after mdat":     change("stco", 0, 8, uint32(file.Size)),
		"samples of a chunk":   change("stsc", 0, 12, 7),
		"no description":       change("stsc", 0, 16, 0),
		"no sync sample first": change("stss", 0, 8, 2),
		"composition offset":   change("ctts", 0, 12, 17),
		"too many offsets":     change("ctts", 0, 8, 1000),
		"duration":             change("stts", 0, 12, 2),
		"too many durations":   change("stts", 0, 8, 61),
		"media duration":       change("mdhd", 0, 16, 1),
		"delay":                change("elst", 0, 8, 1),
		"media time":           change("elst", 0, 24, 3),
		"edit ends early":      change("elst", 0, 20, 8),
		"handler":              change("hdlr", 0, 8, 0x736f756e),
		"moov hidden":          change("moov", 0, -4, 0x66726565),
	} {
		if err := check(header, file.Size, expected()); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: got %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func([]Expected) []Expected{
		"one frame less expected":   func(e []Expected) []Expected { e[0].Samples--; return e },
		"an earlier start expected": func(e []Expected) []Expected { e[0].First--; return e },
		"a later end expected":      func(e []Expected) []Expected { e[1].Last++; return e },
		"another frame time":        func(e []Expected) []Expected { e[0].Times[30]++; return e },
		"a third track expected":    func(e []Expected) []Expected { return append(e, e[1]) },
		"one track expected":        func(e []Expected) []Expected { return e[:1] },
		"tracks in the other order": func(e []Expected) []Expected { return []Expected{e[1], e[0]} },
	} {
		if err := check(file.Header, file.Size, change(expected())); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := check(file.Header, file.Size-1, expected()); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("a file without its last byte: got %v", err)
	}
}
