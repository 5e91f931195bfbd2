package isobmff_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

func TestChannelsOfDolbyTracks(t *testing.T) {
	for name, c := range map[string]struct {
		kind, child string
		config      []byte
		want        isobmff.Dolby
	}{
		"AC-3 5.1, of ffmpeg":        {"ac-3", "dac3", []byte{0x10, 0x3d, 0x40}, isobmff.Dolby{Channels: 0xf801}},
		"AC-3 stereo":                {"ac-3", "dac3", []byte{0x10, 0x11, 0x40}, isobmff.Dolby{Channels: 0xa000}},
		"AC-3 mono":                  {"ac-3", "dac3", []byte{0x10, 0x09, 0x40}, isobmff.Dolby{Channels: 0x4000}},
		"E-AC-3 5.1, of ffmpeg":      {"ec-3", "dec3", []byte{0x06, 0x00, 0x20, 0x0f, 0x00}, isobmff.Dolby{Channels: 0xf801}},
		"E-AC-3 5.1, objects":        {"ec-3", "dec3", []byte{0x18, 0x00, 0x20, 0x0f, 0x00, 0x01, 0x10}, isobmff.Dolby{Channels: 0xf801, Objects: 16}},
		"E-AC-3 7.1":                 {"ec-3", "dec3", []byte{0x18, 0x00, 0x20, 0x0f, 0x02, 0x02}, isobmff.Dolby{}},
		"an extension that is cut":   {"ec-3", "dec3", []byte{0x18, 0x00, 0x20, 0x0f, 0x00, 0x01}, isobmff.Dolby{Channels: 0xf801}},
		"a box that is cut":          {"ec-3", "dec3", []byte{0x18, 0x00, 0x20}, isobmff.Dolby{}},
		"no box":                     {"ac-3", "free", nil, isobmff.Dolby{}},
		"another codec with the box": {"mp4a", "dac3", []byte{0x10, 0x3d, 0x40}, isobmff.Dolby{}},
	} {
		entry := box.Append(nil, c.kind, append(make([]byte, 28), box.Append(nil, c.child, c.config)...))
		if diff := cmp.Diff(c.want, isobmff.Track{Handler: "soun", Entry: entry}.Dolby()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
