package isobmff_test

import (
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

func TestCodecsHaveTheNamesThatBrowsersKnow(t *testing.T) {
	const hdr = " -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv"
	for name, c := range map[string]struct{ args, want, dynamicRange string }{
		"H.264 high":      {mediatest.Picture("0.2") + " -c:v libx264 -profile:v high -level 4.0 -pix_fmt yuv420p", "avc1.640028", "SDR"},
		"H.264 baseline":  {mediatest.Picture("0.2") + " -c:v libx264 -profile:v baseline -level 3.0 -pix_fmt yuv420p", "avc1.42C01E", "SDR"},
		"HEVC":            {mediatest.Picture("0.2") + " -c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p -x265-params log-level=none:level-idc=4.1:high-tier=0", "hvc1.1.6.L123.90", "SDR"},
		"HEVC, PQ":        {mediatest.Picture("0.2") + " -c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le -x265-params log-level=none:level-idc=5.1:high-tier=1" + hdr, "hvc1.2.4.H153.90", "PQ"},
		"AV1":             {mediatest.Picture("0.2") + " -c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p", "av01.0.00M.08", "SDR"},
		"AV1, PQ":         {mediatest.Picture("0.2") + " -c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le" + hdr, "av01.0.00M.10.0.110.09.16.09.0", "PQ"},
		"AV1, HLG":        {mediatest.Picture("0.2") + " -c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc", "av01.0.00M.10.0.110.09.18.09.0", "HLG"},
		"VP9":             {mediatest.Picture("0.2") + " -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p", "vp09.00.10.08", "SDR"},
		"VP9 of ten bits": {mediatest.Picture("0.2") + " -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p10le" + hdr, "vp09.02.10.10.01.09.16.09.00", "PQ"},
		"AAC":             {mediatest.Tone("0.2") + " -c:a aac", "mp4a.40.2", "SDR"},
		"MP3":             {mediatest.Tone("0.2") + " -c:a libmp3lame", "mp4a.6B", "SDR"},
		"Opus":            {mediatest.Tone("0.2") + " -c:a libopus", "opus", "SDR"},
		"AC-3":            {mediatest.Tone("0.2") + " -c:a ac3", "ac-3", "SDR"},
		"E-AC-3":          {mediatest.Tone("0.2") + " -c:a eac3", "ec-3", "SDR"},
		"FLAC":            {mediatest.Tone("0.2") + " -c:a flac -strict -2", "fLaC", "SDR"},
		"ALAC":            {mediatest.Tone("0.2") + " -c:a alac", "alac", "SDR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			mediatest.FFmpeg(t, c.args+" "+chunktest.Fragmented, path)
			f, size := mediatest.Open(t, path)
			chunk, _, err := isobmff.ReadFragments(f, size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := chunk.Track.Codecs()
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
			if got := chunk.Track.VideoRange(); got != c.dynamicRange {
				t.Errorf("dynamic range %s, want %s", got, c.dynamicRange)
			}
		})
	}
}

func TestUnknownAndBrokenEntriesHaveNoCodecName(t *testing.T) {
	for name, c := range map[string]struct {
		track isobmff.Track
		want  fault.Kind
	}{
		"unknown":          {isobmff.Track{Handler: "vide", Entry: chunktest.Entry("mp4v")}, fault.Unsupported},
		"none":             {isobmff.Track{Handler: "vide"}, fault.Unsupported},
		"no avcC":          {isobmff.Track{Handler: "vide", Entry: chunktest.Entry("avc1")}, fault.Corrupt},
		"a truncated esds": {isobmff.Track{Handler: "soun", Entry: box.Append(nil, "mp4a", append(make([]byte, 28), box.Append(nil, "esds", []byte{0, 0, 0, 0, 3, 200})...))}, fault.Corrupt},
		"an esds without a complete decoder descriptor": {isobmff.Track{Handler: "soun", Entry: box.Append(nil, "mp4a", append(make([]byte, 28), box.Append(nil, "esds", []byte{0, 0, 0, 0, 3, 5, 0, 0, 0, 4, 9})...))}, fault.Corrupt},
	} {
		if got, err := c.track.Codecs(); fault.KindOf(err) != c.want {
			t.Errorf("%s: %q, %v; want %v", name, got, err, c.want)
		}
	}
}
