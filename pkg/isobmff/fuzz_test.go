package isobmff

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

func FuzzReadFragments(f *testing.F) {
	fewSamples(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		chunk, extents, err := ReadFragments(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Fatalf("%v has kind %q", err, k)
			}
			return
		}
		var sum int64
		for _, e := range extents {
			if e.Offset < 0 || e.Length <= 0 || e.Offset+e.Length > int64(len(data)) {
				t.Fatalf("extent %v of a file of %d bytes", e, len(data))
			}
			sum += e.Length
		}
		if sum != chunk.Bytes {
			t.Fatalf("extents of %d bytes, samples of %d bytes", sum, chunk.Bytes)
		}
		chunk.Normalise() //nolint:errcheck // it need only return
	})
}

// FuzzReadChunk reads a chunk from the file and from its header alone, which must give the same.
func FuzzReadChunk(f *testing.F) {
	fewSamples(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		chunk, err := ReadChunk(data)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Fatalf("%v has kind %q", err, k)
			}
			return
		}
		if chunk.Header < 0 || chunk.Header > int64(len(data)) || chunk.Bytes < 0 {
			t.Fatalf("a header of %d bytes and samples of %d in %d", chunk.Header, chunk.Bytes, len(data))
		}
		if again, err := ReadChunk(data[:chunk.Header]); err != nil {
			t.Fatalf("the header alone cannot be read: %v", err)
		} else if diff := cmp.Diff(chunk, again); diff != "" {
			t.Fatalf("the header alone gives another chunk\n%s", diff)
		}
	})
}

func FuzzCodecs(f *testing.F) {
	f.Add("soun", box.Append(nil, "mp4a", append(make([]byte, 28), box.Append(nil, "esds", []byte{0, 0, 0, 0, 3, 25, 0, 1, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x11, 0x90})...)))
	f.Add("vide", box.Append(nil, "avc1", append(make([]byte, 78), box.Append(nil, "avcC", []byte{1, 100, 0, 40})...)))
	f.Add("vide", box.Append(nil, "hvc1", append(make([]byte, 78), box.Append(nil, "hvcC", make([]byte, 23))...)))
	f.Fuzz(func(_ *testing.T, handler string, entry []byte) {
		track := Track{Handler: handler, Entry: entry}
		_, _ = track.Codecs()
		track.VideoRange()
		track.Colour()
	})
}

// fewSamples lowers the limit of samples for the duration of a fuzz target.
func fewSamples(f *testing.F) {
	before := maxSamples
	maxSamples = 1 << 10
	f.Cleanup(func() { maxSamples = before })
}
