package isobmff_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

// A decoder of AAC or Opus needs the packets before the one that it seeks to, also in a package.
func TestSegmentsOfAudioDeclareTheirPreRoll(t *testing.T) {
	t.Parallel()
	for codec, want := range map[string]int16{"aac": -1, "libopus": -4, "ac3": 0} {
		path := filepath.Join(t.TempDir(), "worker.mp4")
		mediatest.FFmpeg(t, mediatest.Tone("1")+" -c:a "+codec+" "+chunktest.Fragmented, path)
		f, size := mediatest.Open(t, path)
		chunk, _, err := isobmff.ReadFragments(f, size)
		if err != nil {
			t.Fatal(err)
		}
		out, segments := pack(t, path, nil, chunk.End())
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		header := data[len(data)-int(segments[0].Bytes):][:len(segments[0].Fragments[0].Header)]
		description, members := bytes.Index(header, []byte("sgpd")), bytes.Index(header, []byte("sbgp"))
		if want == 0 {
			if description >= 0 || members >= 0 {
				t.Errorf("%s has sample groups", codec)
			}
			continue
		}
		if description < 0 || members < 0 {
			t.Fatalf("%s has no sample groups", codec)
		}
		if got := int16(binary.BigEndian.Uint16(header[description+20:])); got != want {
			t.Errorf("%s: a roll distance of %d, want %d", codec, got, want)
		}
		count, group := binary.BigEndian.Uint32(header[members+16:]), binary.BigEndian.Uint32(header[members+20:])
		if count != uint32(len(chunk.Samples)) || group != 0x10001 {
			t.Errorf("%s: %d samples in group %#x, want %d in 0x10001", codec, count, group, len(chunk.Samples))
		}
		if got := mediatest.Packets(t, out, "a:0"); len(got) != len(chunk.Samples) {
			t.Errorf("%s: ffprobe finds %d packets, want %d", codec, len(got), len(chunk.Samples))
		}
	}
}
