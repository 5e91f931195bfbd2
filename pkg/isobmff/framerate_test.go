package isobmff_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
	"github.com/mapreel/mapreel/pkg/media"
)

// parseSPS returns the first sequence parameter set of a sample entry, read by other code than rewrote it.
func parseSPS(t testing.TB, entry []byte) *avc.SPS {
	t.Helper()
	at := bytes.Index(entry, []byte("avcC"))
	if at < 0 {
		t.Fatal("the entry has no avcC")
	}
	config, err := avc.DecodeAVCDecConfRec(entry[at+4:])
	if err != nil {
		t.Fatal(err)
	}
	sps, err := avc.ParseSPSNALUnit(config.SPSnalus[0], true)
	if err != nil {
		t.Fatal(err)
	}
	return sps
}

func TestWithFrameRateReplacesTheTickRateOnly(t *testing.T) {
	for name, options := range map[string]string{
		"progressive":    "",
		"interlaced":     "-flags +ildct+ilme -x264-params tff=1",
		"4:4:4, HRD":     "-pix_fmt yuv444p -x264-params nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900",
		"baseline":       "-pix_fmt yuv420p -profile:v baseline",
		"colour, aspect": "-vf setsar=16/15 -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv -chroma_sample_location left",
		"matrices":       "-x264-params cqm=jvt",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			mediatest.FFmpeg(t, mediatest.Picture("0.2")+" -c:v libx264 -preset ultrafast "+options+" "+chunktest.Fragmented, path)
			f, size := mediatest.Open(t, path)
			chunk, _, err := isobmff.ReadFragments(f, size)
			if err != nil {
				t.Fatal(err)
			}
			before := parseSPS(t, chunk.Track.Entry)
			ignore := cmpopts.IgnoreFields(avc.VUIParameters{}, "TimingInfoPresentFlag", "NumUnitsInTick", "TimeScale", "FixedFrameRateFlag")
			counts := cmpopts.IgnoreFields(avc.SPS{}, "NrBytesRead")
			for _, rate := range []media.Rational{{Num: 24000, Den: 1001}, {}, {Num: 50, Den: 1}} {
				entry := isobmff.WithFrameRate(chunk.Track.Entry, rate)
				after := parseSPS(t, entry)
				if diff := cmp.Diff(before, after, ignore, counts); diff != "" {
					t.Errorf("%v: other fields changed (-before +after):\n%s", rate, diff)
				}
				v := after.VUI
				if v.TimingInfoPresentFlag != rate.Known() || int64(v.TimeScale) != 2*rate.Num || int64(v.NumUnitsInTick) != rate.Den {
					t.Errorf("%v: got timing %v, %d ticks of %d units", rate, v.TimingInfoPresentFlag, v.TimeScale, v.NumUnitsInTick)
				}
				if again := isobmff.WithFrameRate(entry, rate); !bytes.Equal(again, entry) {
					t.Errorf("%v: a second call changes the entry", rate)
				}
			}
		})
	}
}

// ffmpeg reads the rewritten parameter set, and decodes the same frames with it.
func TestFramesDecodeWithARewrittenParameterSet(t *testing.T) {
	for suffix, codec := range map[string]string{
		"h264": "-c:v libx264 -bf 2",
		"hevc": "-vf crop=70:66 -c:v libx265 -preset ultrafast -tag:v hvc1 -chroma_sample_location left -x265-params log-level=none",
	} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			checkRewritten(t, suffix, codec)
		})
	}
}

func checkRewritten(t *testing.T, suffix, codec string) {
	path := filepath.Join(t.TempDir(), "worker.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+codec+" "+chunktest.Fragmented, path)
	f, size := mediatest.Open(t, path)
	chunk, extents, err := isobmff.ReadFragments(f, size)
	if err != nil {
		t.Fatal(err)
	}
	chunk.Track.Entry = isobmff.WithFrameRate(chunk.Track.Entry, media.Rational{Num: 30000, Den: 1001})
	var file bytes.Buffer
	if err := chunk.Write(&file, isobmff.Payload(f, extents)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "chunk.mp4")
	if err := os.WriteFile(out, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mediatest.FrameHashes(t, path, "v:0"), mediatest.FrameHashes(t, out, "v:0")); diff != "" {
		t.Errorf("frames differ: -before +after\n%s", diff)
	}
	raw := filepath.Join(t.TempDir(), "raw."+suffix) // has no times but those of the parameter set
	mediatest.Run(t, "ffmpeg", "-v", "error", "-i", out, "-c", "copy", raw)
	got := mediatest.Run(t, "ffprobe", "-v", "error", "-show_entries", "stream=r_frame_rate", "-of", "csv=p=0", raw)
	if want := "30000/1001"; strings.TrimSpace(string(got)) != want {
		t.Errorf("ffprobe reads %s frames a second, want %s", got, want)
	}
	none := isobmff.WithFrameRate(chunk.Track.Entry, media.Rational{})
	if with := isobmff.WithFrameRate(none, media.Rational{Num: 30000, Den: 1001}); len(none) >= len(with) || !bytes.Equal(with, chunk.Track.Entry) {
		t.Error("a rate that was removed and declared again gives another entry")
	}
}

func FuzzWithFrameRate(f *testing.F) {
	f.Add(chunktest.Entry("avc1"), int64(24000), int64(1001))
	f.Fuzz(func(t *testing.T, entry []byte, num, den int64) {
		got := isobmff.WithFrameRate(entry, media.Rational{Num: num, Den: den})
		if again := isobmff.WithFrameRate(got, media.Rational{Num: num, Den: den}); !bytes.Equal(again, got) {
			t.Errorf("a second call gives %x, the first %x", again, got)
		}
	})
}
