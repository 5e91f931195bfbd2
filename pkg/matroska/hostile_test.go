package matroska

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
)

// elem returns an element whose size is coded in 8 bytes.
func elem(id string, body ...[]byte) []byte {
	content := bytes.Join(body, nil)
	out := binary.BigEndian.AppendUint64([]byte(id), uint64(len(content))|1<<56)
	return append(out, content...)
}

func TestHostileFilesAreRefusedCheaply(t *testing.T) {
	head := elem("\x1a\x45\xdf\xa3", elem("\x42\x82", []byte("matroska")))
	track := elem("\xae", elem("\xd7", []byte{1}), elem("\x83", []byte{1}))
	tracks := elem("\x16\x54\xae\x6b", track)
	open := func(body ...[]byte) []byte { // a segment of unknown size
		return append(append(bytes.Clone(head), "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"...), bytes.Join(body, nil)...)
	}
	declare := func(id string, size uint64) []byte { // an element header without data
		return binary.BigEndian.AppendUint64([]byte(id), size|1<<56)
	}
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
	files := map[string]mediatest.HostileFile{
		"endless Cues":               {Data: open(tracks, declare("\x1c\x53\xbb\x6b", 1<<39)), Size: endless, Kind: fault.Unsupported},
		"endless Tracks":             {Data: open(declare("\x16\x54\xae\x6b", 1<<39)), Size: endless, Kind: fault.Unsupported},
		"Cues beyond the file":       {Data: open(tracks, declare("\x1c\x53\xbb\x6b", 1<<50)), Size: endless},
		"Cues of unknown size":       {Data: open(tracks, []byte("\x1c\x53\xbb\x6b\x01\xff\xff\xff\xff\xff\xff\xff")), Size: endless},
		"200,000 tracks":             {Data: open(elem("\x16\x54\xae\x6b", manyTracks)), Kind: fault.Unsupported},
		"Cues of 200,000 tracks":     {Data: open(tracks, elem("\x1c\x53\xbb\x6b", manyCues)), Kind: fault.Unsupported},
		"a million empty Voids":      {Data: open(bytes.Repeat([]byte("\xec\x80"), 1<<20)), Kind: fault.Unsupported},
		"Cues nested 5,000 deep":     {Data: open(tracks, elem("\x1c\x53\xbb\x6b", deep))},
		"a timestamp scale of 0":     {Data: open(elem("\x15\x49\xa9\x66", elem("\x2a\xd7\xb1", []byte{0})), tracks), Kind: fault.Corrupt},
		"a scale of 2^62 ns":         {Data: open(elem("\x15\x49\xa9\x66", elem("\x2a\xd7\xb1", number(1<<62))), tracks), Kind: fault.Corrupt},
		"a cue at 2^62":              {Data: open(tracks, elem("\x1c\x53\xbb\x6b", elem("\xbb", elem("\xb3", number(1<<62)), elem("\xb7", elem("\xf7", []byte{1})))))},
		"a duration of 2^1023 ticks": {Data: open(elem("\x15\x49\xa9\x66", elem("\x44\x89", number(0x7fe0000000000000))), tracks)},
		"200,000 cues":               {Data: open(tracks, elem("\x1c\x53\xbb\x6b", longCues))},
	}
	// Allow three times the largest section that is read.
	budget := mediatest.Budget{Allocated: 3 * maxCues, Time: 5 * time.Second}
	mediatest.ReadHostileFiles(t, budget, files, func(t *testing.T, r io.ReaderAt, size int64) error {
		index, err := ReadIndex(t.Context(), r, size)
		// Damaged Cues give no index.
		if want := strings.HasSuffix(t.Name(), "/200,000_cues"); err == nil && index.Indexed != want {
			t.Errorf("indexed: %v, want %v", index.Indexed, want)
		}
		return err
	})
}
