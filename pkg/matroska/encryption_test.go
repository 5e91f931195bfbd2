package matroska

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

// encoded returns a file with one track, of a type, whose ContentEncoding is of a kind: 0 compresses, 1 encrypts.
func encoded(kind Type, encoding byte) []byte {
	algorithm := elem("\x50\x34", elem("\x42\x54", []byte{3})) // ContentCompression: headers are stripped
	if encoding == encodingEncryption {
		algorithm = elem("\x50\x35", elem("\x47\xe1", []byte{5}), elem("\x47\xe2", []byte("key")), elem("\x47\xe7", elem("\x47\xe8", []byte{1})))
	}
	track := elem("\xae", elem("\xd7", []byte{2}), elem("\x83", []byte{byte(kind)}),
		elem("\x6d\x80", elem("\x62\x40", elem("\x50\x31", []byte{0}), elem("\x50\x33", []byte{encoding}), algorithm)))
	segment := elem("\x18\x53\x80\x67", elem("\x16\x54\xae\x6b", track), elem("\x1f\x43\xb6\x75"))
	return append(elem("\x1a\x45\xdf\xa3", elem("\x42\x82", []byte("matroska"))), segment...)
}

func TestEncryptedTracksAreRefusedByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		kind     Type
		encoding byte
		want     string // "" for a file that is read
	}{
		{"video", Video, encodingEncryption, "track 2 (video) is encrypted"},
		{"audio", Audio, encodingEncryption, "track 2 (audio) is encrypted"},
		{"subtitles", Subtitle, encodingEncryption, ""},
		{"compressed video", Video, 0, ""},
	} {
		data := encoded(c.kind, c.encoding)
		_, err := ReadIndex(t.Context(), bytes.NewReader(data), int64(len(data)))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == ""):
			t.Errorf("%s: got %v of kind %q with hint %q, want %q", c.name, err, fault.KindOf(err), fault.HintOf(err), c.want)
		}
	}
}
