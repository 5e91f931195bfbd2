package isobmff

import (
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestCodecsAreNamedAsBrowsersKnowThem(t *testing.T) {
	const hdr = " -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv"
	for name, c := range map[string]struct{ args, want, brightness string }{
		"H.264 high":      {picture("0.2") + " -c:v libx264 -profile:v high -level 4.0 -pix_fmt yuv420p", "avc1.640028", "SDR"},
		"H.264 baseline":  {picture("0.2") + " -c:v libx264 -profile:v baseline -level 3.0 -pix_fmt yuv420p", "avc1.42C01E", "SDR"},
		"HEVC":            {picture("0.2") + " -c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p -x265-params log-level=none:level-idc=4.1:high-tier=0", "hvc1.1.6.L123.90", "SDR"},
		"HEVC, PQ":        {picture("0.2") + " -c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le -x265-params log-level=none:level-idc=5.1:high-tier=1" + hdr, "hvc1.2.4.H153.90", "PQ"},
		"AV1":             {picture("0.2") + " -c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p", "av01.0.00M.08", "SDR"},
		"AV1, PQ":         {picture("0.2") + " -c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le" + hdr, "av01.0.00M.10.0.110.09.16.09.0", "PQ"},
		"AV1, HLG":        {picture("0.2") + " -c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc", "av01.0.00M.10.0.110.09.18.09.0", "HLG"},
		"VP9":             {picture("0.2") + " -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p", "vp09.00.10.08", "SDR"},
		"VP9 of ten bits": {picture("0.2") + " -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p10le" + hdr, "vp09.02.10.10.01.09.16.09.00", "PQ"},
		"AAC":             {sound("0.2") + " -c:a aac", "mp4a.40.2", "SDR"},
		"MP3":             {sound("0.2") + " -c:a libmp3lame", "mp4a.6B", "SDR"},
		"Opus":            {sound("0.2") + " -c:a libopus", "opus", "SDR"},
		"AC-3":            {sound("0.2") + " -c:a ac3", "ac-3", "SDR"},
		"E-AC-3":          {sound("0.2") + " -c:a eac3", "ec-3", "SDR"},
		"FLAC":            {sound("0.2") + " -c:a flac -strict -2", "fLaC", "SDR"},
		"ALAC":            {sound("0.2") + " -c:a alac", "alac", "SDR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			ffmpeg(t, c.args+" "+fragmented, path)
			f, size := open(t, path)
			piece, _, err := ReadFragments(f, size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := piece.Track.Codecs()
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
			if got := piece.Track.VideoRange(); got != c.brightness {
				t.Errorf("range %s, want %s", got, c.brightness)
			}
		})
	}
}

func TestCodecsOfUnknownOrBrokenEntries(t *testing.T) {
	for name, c := range map[string]struct {
		track Track
		want  fault.Kind
	}{
		"unknown":         {Track{Handler: "vide", Entry: entry("mp4v")}, fault.Unsupported},
		"none":            {Track{Handler: "vide"}, fault.Unsupported},
		"no avcC":         {Track{Handler: "vide", Entry: entry("avc1")}, fault.Corrupt},
		"a cut esds":      {Track{Handler: "soun", Entry: appendBox(nil, "mp4a", append(make([]byte, 28), appendBox(nil, "esds", []byte{0, 0, 0, 0, 3, 200})...))}, fault.Corrupt},
		"an esds in part": {Track{Handler: "soun", Entry: appendBox(nil, "mp4a", append(make([]byte, 28), appendBox(nil, "esds", []byte{0, 0, 0, 0, 3, 5, 0, 0, 0, 4, 9})...))}, fault.Corrupt},
	} {
		if got, err := c.track.Codecs(); fault.KindOf(err) != c.want {
			t.Errorf("%s: %q, %v; want %v", name, got, err, c.want)
		}
	}
}

func FuzzCodecs(f *testing.F) {
	f.Add("soun", appendBox(nil, "mp4a", append(make([]byte, 28), appendBox(nil, "esds", []byte{0, 0, 0, 0, 3, 25, 0, 1, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x11, 0x90})...)))
	f.Add("vide", appendBox(nil, "avc1", append(make([]byte, 78), appendBox(nil, "avcC", []byte{1, 100, 0, 40})...)))
	f.Add("vide", appendBox(nil, "hvc1", append(make([]byte, 78), appendBox(nil, "hvcC", make([]byte, 23))...)))
	f.Fuzz(func(_ *testing.T, handler string, entry []byte) {
		track := Track{Handler: handler, Entry: entry}
		_, _ = track.Codecs()
		track.VideoRange()
		track.Colour()
	})
}
