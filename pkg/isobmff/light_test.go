package isobmff

import (
	"bytes"
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestWithLightAddsBoxesToTheSampleEntry(t *testing.T) {
	entry := box.Append(nil, "hvc1", []byte("settings"))
	got := WithLight(entry, &media.Mastering{
		Red: [2]int64{35400, 14600}, Green: [2]int64{8500, 39850}, Blue: [2]int64{6550, 2300}, White: [2]int64{15635, 16450},
		Max: 10_000_000, Min: 50,
	}, &media.ContentLight{MaxCLL: 1000, MaxFALL: 400})
	// The numbers of CTA-861.3's own example, in the order of ISO/IEC 14496-12: green, blue, red,
	// white.
	want := box.Append(nil, "hvc1", slicesOf("settings", "\x00\x00\x00\x20mdcv\x21\x34\x9b\xaa\x19\x96\x08\xfc\x8a\x48\x39\x08\x3d\x13\x40\x42\x00\x98\x96\x80\x00\x00\x00\x32",
		"\x00\x00\x00\x0cclli\x03\xe8\x01\x90"))
	if !bytes.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := WithLight(entry, nil, nil); !bytes.Equal(got, entry) {
		t.Errorf("without light: %q", got)
	}
}

func slicesOf(parts ...string) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
