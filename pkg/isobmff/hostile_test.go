package isobmff

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// made is a box of that content.
func made(kind string, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	return append(appendHeader(nil, kind, 8+len(body)), body...)
}

// large is the head of a box that claims size bytes in all, written in 64 bits.
func large(kind string, size uint64) []byte {
	return binary.BigEndian.AppendUint64(appendHeader(nil, kind, 1), size)
}

// words are 32-bit numbers.
func words(list ...uint32) (out []byte) {
	for _, w := range list {
		out = binary.BigEndian.AppendUint32(out, w)
	}
	return out
}

// vast is a file of which only the front is stored; the rest is zeros.
type vast struct{ front []byte }

func (v vast) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(v.front)) {
		copy(p, v.front[at:])
	}
	return len(p), nil
}

// Files that claim what would take all memory or all time are refused within little of either.
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
	stsz := made("stsz", words(0, 1, mostSamples)) // a byte each: no table
	stts := made("stts", words(0, 1, mostSamples, 1<<31-1))
	loop := words(0, maxEdits)
	for range maxEdits {
		loop = append(loop, words(1<<31-1, 0, 1<<16)...)
	}
	front := made("ftyp", []byte("isom"), words(0))
	const huge = 8 << 30
	for name, test := range map[string]struct {
		data []byte
		size int64 // of the file; 0 = as long as data
		kind fault.Kind
	}{
		"a moov of 4 GiB of zeros":      {slices.Concat(front, large("moov", 4<<30)), huge, fault.Corrupt},
		"a box beyond the file":         {slices.Concat(front, large("moov", 1<<62)), huge, fault.Corrupt},
		"an mvhd of 4 GiB":              {slices.Concat(front, large("moov", 5<<30), large("mvhd", 4<<30)), huge, fault.Unsupported},
		"an edit list of 4 GiB":         {slices.Concat(front, large("moov", 6<<30), mvhd(1000), large("trak", 5<<30), large("edts", 5<<30-16), large("elst", 4<<30)), huge, fault.Unsupported},
		"a stsz of 4 GiB":               {slices.Concat(front, large("moov", 6<<30), mvhd(1000), large("trak", 6<<30-16-108), tkhd, large("mdia", 5<<30), made("mdhd", words(0, 0, 0, 1000, 0, 0)), hdlr, large("minf", 9<<29), large("stbl", 9<<29-16), large("stsz", 4<<30), words(0, 0, 1<<30-6)), huge, fault.Unsupported},
		"a million tracks":              {slices.Concat(front, made("moov", mvhd(1000), bytes.Repeat(made("trak"), 1_000_000))), 0, fault.Unsupported},
		"two million empty boxes":       {slices.Concat(front, made("moov", bytes.Repeat(made("free"), 2<<20))), 0, fault.Unsupported},
		"a million boxes before a moov": {bytes.Repeat(made("free"), 1_000_000), 0, fault.Corrupt},
		"no movie timescale":            {slices.Concat(front, made("moov", mvhd(0))), 0, fault.Corrupt},
		"no track timescale":            {slices.Concat(front, film(0, nil, stsz, stts)), 0, fault.Corrupt},
		"an absurd duration":            {slices.Concat(front, film(1, nil, made("stsz", words(0, 1, 2)), made("stts", words(0, 1, 2, 1<<31-1)))), 0, ""},
		"edits that loop for ever":      {slices.Concat(front, film(1, made("edts", made("elst", loop)), stsz, made("stts", words(0, 1, mostSamples, 1)))), 0, fault.Unsupported},
		"more samples than the limit":   {slices.Concat(front, film(1, nil, made("stsz", words(0, 1, 1<<32-1)), stts)), 0, fault.Unsupported},
		"rows that nobody wrote":        {slices.Concat(front, film(1, nil, made("stsz", words(0, 1, 100)), made("stts", words(0, 1<<32-1)))), 0, fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			size := test.size
			var r io.ReaderAt = vast{test.data}
			if size == 0 {
				size, r = int64(len(test.data)), bytes.NewReader(test.data)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := ReadIndex(t.Context(), r, size)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if fault.KindOf(err) != test.kind {
				t.Errorf("error %v of kind %q, want %q", err, fault.KindOf(err), test.kind)
			}
			t.Logf("%d MiB, %v", (after.TotalAlloc-before.TotalAlloc)>>20, took)
			// All that was ever allocated. The largest track that is accepted needs 24 bytes a sample, and as much for its
			// times while their slices grow.
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<30 {
				t.Errorf("%d MiB were allocated", got>>20)
			}
			if took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
