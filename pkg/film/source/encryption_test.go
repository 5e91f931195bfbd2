package source

import (
	"bytes"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// These containers have no index that says whether they are encrypted.
func TestEncryptedSourcesAreRefused(t *testing.T) {
	t.Parallel()
	// packets returns transport packets of a size and a PID, of which every nth is scrambled; 0 means none.
	packets := func(size, pid, nth int) []byte {
		var head []byte
		for i := range 40 {
			packet := make([]byte, size)
			packet[0], packet[1], packet[2], packet[3] = tsSync, byte(pid>>8), byte(pid), 0x10
			if nth > 0 && i%nth == 0 {
				packet[3] |= 0x80
			}
			head = append(head, packet...)
		}
		return head
	}
	pack := func(id, control byte) []byte {
		sector := make([]byte, 2048)
		copy(sector, []byte{0, 0, 1, 0xba, 0x44})
		copy(sector[14:], []byte{0, 0, 1, id, 7, 0xec, 0x80 | control<<4})
		return sector
	}
	asf := func(guid string) []byte { return append([]byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11"), guid...) }
	flv := func(kinds ...byte) []byte {
		head := []byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
		for _, kind := range kinds {
			head = append(head, kind, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 14)
		}
		return head
	}
	for _, c := range []struct {
		name, demuxer string
		head          []byte
		want          string // "" for a source that is read
	}{
		{"clear TS", "mpegts", packets(188, 0x100, 0), ""},
		{"scrambled TS", "mpegts", packets(188, 0x100, 1), "video stream 0 is encrypted (conditional access)"},
		{"scrambled M2TS", "mpegts", append([]byte{0, 0, 0, 0}, packets(192, 0x100, 1)...), "video stream 0 is encrypted (conditional access)"},
		{"a bit error", "mpegts", packets(188, 0x100, 20), ""},
		{"data in a scrambled stream", "mpegts", packets(188, 0x101, 1), ""},
		{"audio beside clear video", "mpegts", append(packets(188, 0x100, 0), packets(188, 0x102, 1)...), "audio stream 2 is encrypted (conditional access)"},
		{"clear DVD", "mpeg", bytes.Repeat(pack(0xe0, 0), 4), ""},
		{"DVD with CSS", "mpeg", append(pack(0xe0, 0), pack(0xe0, 1)...), "the source is encrypted (CSS)"},
		{"DVD with CSS in its audio", "mpeg", pack(0xbd, 3), "the source is encrypted (CSS)"},
		{"navigation pack", "mpeg", pack(0xbf, 3), ""},
		{"cut off", "mpeg", pack(0xe0, 1)[:100], ""},
		{"clear ASF", "asf", asf(""), ""},
		{"ASF with DRM", "asf", asf("\xfb\xb3\x11\x22\x23\xbd\xd2\x11\xb4\xb7\x00\xa0\xc9\x55\xfc\x6e"), "the source is encrypted (DRM)"},
		{"clear FLV", "flv", flv(18, 8, 9), ""},
		{"encrypted FLV", "flv", flv(18, 8, 9|0x20), "the source is encrypted (Adobe DRM)"},
		{"FLV cut off", "flv", flv(18, 8, 9|0x20)[:40], ""},
		{"clear MXF", "mxf", []byte("\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\x00"), ""},
		{"encrypted MXF", "mxf", []byte("\x00\x06\x0e\x2b\x34\x02\x53\x01\x01\x0d\x01\x04\x01\x02\x02\x00\x00"), "the source is encrypted (SMPTE ST 429-6)"},
		{"empty", "mpegts", nil, ""},
	} {
		err := refuseEncrypted(c.demuxer, c.head, []probe.Stream{
			{Index: 0, Type: "video", ID: 0x100}, {Index: 1, Type: "data", ID: 0x101}, {Index: 2, Type: "audio", ID: 0x102},
		})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want || c.want != "" && (fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "") {
			t.Errorf("%s: got %q of kind %q with hint %q, want %q", c.name, got, fault.KindOf(err), fault.HintOf(err), c.want)
		}
	}
	err := refuseEncrypted("mpegts", packets(188, 0x100, 0), []probe.Stream{{Index: 0, Type: "video", ID: 0x100, Tag: "[219][0][0][0]"}})
	if err == nil || err.Error() != "video stream 0 is encrypted (SAMPLE-AES)" {
		t.Errorf("stream type 0xdb: got %v, want SAMPLE-AES named", err)
	}
}
