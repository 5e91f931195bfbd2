package movieindex

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// made returns a box with the given content.
func made(kind string, content ...[]byte) []byte {
	return box.Append(nil, kind, bytes.Join(content, nil))
}

// large returns the header of a box that declares size bytes in all, as a 64-bit number.
func large(kind string, size uint64) []byte {
	return binary.BigEndian.AppendUint64(box.AppendHeader(nil, kind, 1), size)
}

// words returns 32-bit numbers.
func words(list ...uint32) (out []byte) {
	for _, w := range list {
		out = binary.BigEndian.AppendUint32(out, w)
	}
	return out
}

func TestHostileFilesAreRefusedCheaply(t *testing.T) {
	mvhd := func(scale uint32) []byte {
		return made("mvhd", words(0, 0, 0, scale, 0), make([]byte, 80))
	}
	tkhd := made("tkhd", words(7, 0, 0, 1, 0, 0), make([]byte, 60))
	hdlr := made("hdlr", words(0, 0), []byte("vide"), make([]byte, 13))
	film := func(scale uint32, edits []byte, tables ...[]byte) []byte {
		mdhd := made("mdhd", words(0, 0, 0, scale, 0, 0))
		stbl := made("stbl", bytes.Join(tables, nil))
		return made("moov", mvhd(1000), made("trak", tkhd, edits, made("mdia", mdhd, hdlr, made("minf", stbl))))
	}
	stsz := made("stsz", words(0, 1, box.MaxSamples)) // all samples have one byte, so there is no table
	stts := made("stts", words(0, 1, box.MaxSamples, 1<<31-1))
	loop := words(0, box.MaxEdits)
	for range box.MaxEdits {
		loop = append(loop, words(1<<31-1, 0, 1<<16)...)
	}
	front := made("ftyp", []byte("isom"), words(0))
	const huge = 8 << 30
	files := map[string]mediatest.HostileFile{
		"a moov of 4 GiB of zeros":      {Data: slices.Concat(front, large("moov", 4<<30)), Size: huge, Kind: fault.Corrupt},
		"a box beyond the file":         {Data: slices.Concat(front, large("moov", 1<<62)), Size: huge, Kind: fault.Corrupt},
		"an mvhd of 4 GiB":              {Data: slices.Concat(front, large("moov", 5<<30), large("mvhd", 4<<30)), Size: huge, Kind: fault.Unsupported},
		"an edit list of 4 GiB":         {Data: slices.Concat(front, large("moov", 6<<30), mvhd(1000), large("trak", 5<<30), large("edts", 5<<30-16), large("elst", 4<<30)), Size: huge, Kind: fault.Unsupported},
		"a stsz of 4 GiB":               {Data: slices.Concat(front, large("moov", 6<<30), mvhd(1000), large("trak", 6<<30-16-108), tkhd, large("mdia", 5<<30), made("mdhd", words(0, 0, 0, 1000, 0, 0)), hdlr, large("minf", 9<<29), large("stbl", 9<<29-16), large("stsz", 4<<30), words(0, 0, 1<<30-6)), Size: huge, Kind: fault.Unsupported},
		"a million tracks":              {Data: slices.Concat(front, made("moov", mvhd(1000), bytes.Repeat(made("trak"), 1_000_000))), Kind: fault.Unsupported},
		"two million empty boxes":       {Data: slices.Concat(front, made("moov", bytes.Repeat(made("free"), 2<<20))), Kind: fault.Unsupported},
		"a million boxes before a moov": {Data: bytes.Repeat(made("free"), 1_000_000), Kind: fault.Corrupt},
		"no movie timescale":            {Data: slices.Concat(front, made("moov", mvhd(0)))},
		"no track timescale":            {Data: slices.Concat(front, film(0, nil, stsz, stts)), Kind: fault.Corrupt},
		"a sample of 68 years":          {Data: slices.Concat(front, film(1, nil, made("stsz", words(0, 1, 2)), made("stts", words(0, 1, 2, 1<<31-1))))},
		"edits that repeat the track":   {Data: slices.Concat(front, film(1, made("edts", made("elst", loop)), stsz, made("stts", words(0, 1, box.MaxSamples, 1)))), Kind: fault.Unsupported},
		"more samples than the limit":   {Data: slices.Concat(front, film(1, nil, made("stsz", words(0, 1, 1<<32-1)), stts)), Kind: fault.Unsupported},
		"samples beyond a cut": {Data: slices.Concat(front, film(1, nil, stsz, made("stts", words(0, 1, box.MaxSamples, 1)),
			made("stsc", words(0, 1, 1, box.MaxSamples, 1)), made("stco", words(0, 1, 100))), large("mdat", 1<<62))},
		"rows beyond the table": {Data: slices.Concat(front, film(1, nil, made("stsz", words(0, 1, 100)), made("stts", words(0, 1<<32-1)))), Kind: fault.Corrupt},
	}
	// The largest track that is accepted needs 24 bytes a sample, and as much again for its times
	// while their slices grow.
	budget := mediatest.Budget{Allocated: 1 << 30, Time: 10 * time.Second}
	mediatest.ReadHostileFiles(t, budget, files, func(t *testing.T, r io.ReaderAt, size int64) error {
		_, err := Read(t.Context(), r, size)
		return err
	})
}
