package playlist

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

// A pipe without a writer blocks whoever opens it.
func TestAPackageThatNamesAPipeIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe1.ts"), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o700), syscall.Mkfifo(filepath.Join(dir, "sub", "pipe2.ts"), 0o600)); err != nil {
		t.Fatal(err)
	}
	write("media.m3u8", "#EXTM3U\n#EXTINF:6,\npipe1.ts\n")
	write("good.ts", "G")
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.ts")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"segment.m3u8":   "#EXTM3U\n#EXTINF:6,\npipe1.ts\n",
		"query.m3u8":     "#EXTM3U\r\n#EXTINF:6,\r\n./pipe1.ts?a=b\r\n",
		"device.m3u8":    "#EXTM3U\n#EXTINF:6,\nzero.ts\n",
		"map.m3u8":       "#EXTM3U\n#EXT-X-MAP:URI=\"pipe1.ts\"\n#EXTINF:6,\ngood.ts\n",
		"variant.m3u8":   "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia.m3u8\n",
		"rendition.m3u8": "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"media.m3u8\"\n",
		"list.mpd":       `<MPD><Period><SegmentURL media="pipe1.ts"/></Period></MPD>`,
		"template.mpd":   `<MPD><Period><SegmentTemplate media="pipe$Number$.ts"/></Period></MPD>`,
		"base.mpd":       `<MPD><BaseURL> pipe1.ts </BaseURL></MPD>`,
		"itself.m3u8":    "#EXTM3U\nitself.m3u8\npipe1.ts\n",
		"init.mpd":       `<MPD><SegmentTemplate initialization="pipe1.ts"/></MPD>`,
		// However the name is written:
		"unquoted.m3u8": "#EXTM3U\n#EXT-X-MAP:URI=pipe1.ts,BYTERANGE=1\n#EXTINF:6,\ngood.ts\n",
		"escaped.m3u8":  "#EXTM3U\n#EXT-X-MAP:URI=\"p\\ipe1.ts\"\n#EXTINF:6,\ngood.ts\n",
		"protocol.m3u8": "#EXTM3U\n#EXTINF:6,\nfile:" + dir + "/pipe1.ts\n",
		"url.m3u8":      "#EXTM3U\n#EXTINF:6,\nfile://" + dir + "/pipe1.ts\n",
		"late.m3u8":     "#EXTM3U\n" + strings.Repeat("#EXTINF:6,\ngood.ts\n", 100_000) + "pipe1.ts\n",
		"quotes.mpd":    `<MPD><SegmentTemplate initialization='pipe1.ts'/></MPD>`,
		"reference.mpd": `<MPD><SegmentTemplate initialization="&#112;ipe1.ts"/></MPD>`,
		"cdata.mpd":     `<MPD><BaseURL><![CDATA[pipe1.ts]]></BaseURL></MPD>`,
		"comment.mpd":   `<MPD><BaseURL>pipe<!-- -->1.ts</BaseURL></MPD>`,
		"joined.mpd":    `<MPD><BaseURL>sub/</BaseURL><SegmentTemplate initialization="pipe2.ts"/></MPD>`,
		"joinedup.mpd":  `<MPD><BaseURL>` + filepath.Dir(dir) + `/</BaseURL><BaseURL>` + filepath.Base(dir) + `/</BaseURL><SegmentTemplate media="p$Number%02d$.ts"/></MPD>`,
	} {
		if err := CheckFiles(write(name, text)); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: error %v, want a refusal", name, err)
		}
	}
	for name, text := range map[string]string{
		"good.m3u8":   "#EXTM3U\n#EXTINF:6,\ngood.ts\n#EXTINF:6,\nmissing.ts\n",
		"text.txt":    "pipe1.ts\n",
		"beside.m3u8": "#EXTM3U\n#EXTINF:6,\ngood.ts?pipe1.ts\n",
		"good.mpd":    `<MPD><Period><SegmentTemplate media="good$Number$.ts"/></Period></MPD>`,
	} {
		if err := CheckFiles(write(name, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A parser that knows more of XML could make any name of these.
	for name, text := range map[string]string{
		"entity.mpd":   `<!DOCTYPE MPD [<!ENTITY p "pipe1.ts">]><MPD><BaseURL>&p;</BaseURL></MPD>`,
		"encoding.mpd": `<?xml version="1.0" encoding="UTF-7"?><MPD><BaseURL>+AHA-ipe1.ts</BaseURL></MPD>`,
		"deep.mpd":     `<MPD>` + strings.Repeat("<Period>", 1000),
	} {
		if err := CheckFiles(write(name, text)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: error %v, want a refusal", name, err)
		}
	}
	if err := CheckFiles(filepath.Join(dir, "pipe1.ts")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the pipe itself: %v", err)
	}
}
