package movieindex

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
)

const encrypt = " -encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8"

func TestEncryptedTracksAreRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	both := filepath.Join(dir, "both.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("0.4")+" "+mediatest.Tone("0.4")+" -c:v libx264 -c:a aac"+encrypt, both)
	sound := filepath.Join(dir, "sound.mp4")
	mediatest.FFmpeg(t, mediatest.Tone("0.4")+" -c:a aac"+encrypt, sound)
	plain := filepath.Join(dir, "plain.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("0.4")+" -c:v libx264 -movflags empty_moov+default_base_moof", plain)
	same := func(data []byte) []byte { return data }
	replace := func(from, to string) func([]byte) []byte {
		return func(data []byte) []byte { return bytes.ReplaceAll(data, []byte(from), []byte(to)) }
	}
	for _, c := range []struct {
		name, path string
		edit       func([]byte) []byte
		want       string // "" for a file that is read
	}{
		{"cenc", both, same, "track 1 (video) is encrypted (cenc)"},
		{"cbcs", both, replace("cenc", "cbcs"), "track 1 (video) is encrypted (cbcs)"},
		{"audio", sound, same, "track 1 (audio) is encrypted (cenc)"},
		{"no scheme", sound, replace("schm", "free"), "track 1 (audio) is encrypted (enca)"},
		{"FairPlay", sound, func(data []byte) []byte { return replace("schm", "free")(replace("enca", "drms")(data)) }, "track 1 (audio) is encrypted (drms)"},
		{"fragments", plain, replace("avc1", "encv"), "track 1 (video) is encrypted (encv)"},
		{"not encrypted", plain, same, ""},
	} {
		data := c.edit(bytes.Clone(mediatest.ReadFile(t, c.path)))
		_, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == ""):
			t.Errorf("%s: got %v of kind %q with hint %q, want %q", c.name, err, fault.KindOf(err), fault.HintOf(err), c.want)
		}
	}
}
