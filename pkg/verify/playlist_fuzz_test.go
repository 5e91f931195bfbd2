package verify

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// FuzzPlaylist reads the multivariant playlist of an output, which anybody may have made.
func FuzzPlaylist(f *testing.F) {
	f.Add("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"de\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n")
	f.Add("#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID=\"com.apple.hls.title\",VALUE=\"t\"\n#EXTINF:6,\n../../../../etc/passwd?x\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := probe.Media{Streams: []probe.Stream{{Type: "video"}, {Type: "audio"}, {Type: "audio"}}}
		before := len(m.Streams)
		applyPlaylist(&m, text)
		if len(m.Streams) > before+len(text) {
			t.Errorf("%d streams from %d bytes", len(m.Streams), len(text))
		}
	})
}
