package matroska

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// elem is an element with a size of 8 bytes.
func elem(id string, body ...[]byte) []byte {
	content := bytes.Join(body, nil)
	out := binary.BigEndian.AppendUint64([]byte(id), uint64(len(content))|1<<56)
	return append(out, content...)
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
	head := elem("\x1a\x45\xdf\xa3", elem("\x42\x82", []byte("matroska")))
	track := elem("\xae", elem("\xd7", []byte{1}), elem("\x83", []byte{1}))
	tracks := elem("\x16\x54\xae\x6b", track)
	open := func(body ...[]byte) []byte { // a segment of unknown size
		return append(append(bytes.Clone(head), "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"...), bytes.Join(body, nil)...)
	}
	claim := func(id string, size uint64) []byte { return binary.BigEndian.AppendUint64([]byte(id), size|1<<56) }
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	var manyTracks, manyCues, longCues []byte
	for i := range uint64(200_000) {
		manyTracks = append(manyTracks, elem("\xae", elem("\xd7", number(i+1)))...)
		manyCues = append(manyCues, elem("\xbb", elem("\xb3", []byte{1}), elem("\xb7", elem("\xf7", number(i+1))))...)
		longCues = append(longCues, elem("\xbb", elem("\xb3", number(i)), elem("\xb7", elem("\xf7", []byte{1})))...)
	}
	deep := elem("\xbb")
	for range 5000 {
		deep = elem("\xbb", deep)
	}
	const endless = 1 << 40
	for name, test := range map[string]struct {
		data []byte
		size int64 // of the file; 0 = as long as data
		kind fault.Kind
	}{
		"endless Cues":             {open(tracks, claim("\x1c\x53\xbb\x6b", 1<<39)), endless, fault.Unsupported},
		"endless Tracks":           {open(claim("\x16\x54\xae\x6b", 1<<39)), endless, fault.Unsupported},
		"Cues beyond the file":     {open(tracks, claim("\x1c\x53\xbb\x6b", 1<<50)), endless, ""},
		"Cues without end":         {open(tracks, []byte("\x1c\x53\xbb\x6b\x01\xff\xff\xff\xff\xff\xff\xff")), endless, ""},
		"200,000 tracks":           {open(elem("\x16\x54\xae\x6b", manyTracks)), 0, fault.Unsupported},
		"Cues of 200,000 tracks":   {open(tracks, elem("\x1c\x53\xbb\x6b", manyCues)), 0, fault.Unsupported},
		"nothing but empty Voids":  {open(bytes.Repeat([]byte("\xec\x80"), 1<<20)), 0, fault.Unsupported},
		"Cues nested 5,000 deep":   {open(tracks, elem("\x1c\x53\xbb\x6b", deep)), 0, ""},
		"a timestamp scale of 0":   {open(elem("\x15\x49\xa9\x66", elem("\x2a\xd7\xb1", []byte{0})), tracks), 0, fault.Corrupt},
		"a scale of 2^62 ns":       {open(elem("\x15\x49\xa9\x66", elem("\x2a\xd7\xb1", number(1<<62))), tracks), 0, fault.Corrupt},
		"a cue at 2^62":            {open(tracks, elem("\x1c\x53\xbb\x6b", elem("\xbb", elem("\xb3", number(1<<62)), elem("\xb7", elem("\xf7", []byte{1}))))), 0, ""},
		"a duration beyond reason": {open(elem("\x15\x49\xa9\x66", elem("\x44\x89", number(0x7fe0000000000000))), tracks), 0, ""},
		"200,000 cues":             {open(tracks, elem("\x1c\x53\xbb\x6b", longCues)), 0, ""},
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
			index, err := ReadIndex(t.Context(), r, size)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if fault.KindOf(err) != test.kind {
				t.Errorf("error %v of kind %q, want %q", err, fault.KindOf(err), test.kind)
			}
			if err == nil && index.Indexed != (name == "200,000 cues") { // damaged Cues are none
				t.Errorf("indexed: %v", index.Indexed)
			}
			// All that was ever allocated: less than thrice the largest section that is read.
			if got := after.TotalAlloc - before.TotalAlloc; got > 3*maxCues {
				t.Errorf("%d MiB were allocated", got>>20)
			}
			if took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
