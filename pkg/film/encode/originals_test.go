package encode_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/encode"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
)

// A chunk that was encoded from frames that were kept has the bytes of one that was encoded from the source, and what was measured of it is
// the same. The segment is in the middle of the film, so that it is encoded with frames before and after it.
func TestKeptFramesGiveTheSameChunk(t *testing.T) {
	t.Parallel()
	const noise = "testsrc2=s=160x90:r=25:d=3,noise=alls=8:all_seed=1"
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "25", "-keyint_min", "25"}
	for name, c := range map[string]struct {
		name      string
		args      []string
		target    float64
		captions  bool
		rendition film.Rendition
	}{
		"h264": {"film.mp4", append([]string{"-f", "lavfi", "-i", noise}, x264...), 36, false, film.Rendition{Codec: film.H264, PixelFormat: "yuv420p"}},
		"h265": {"film.mp4", append([]string{"-f", "lavfi", "-i", noise}, x264...), 36, false, film.Rendition{Codec: film.H265, PixelFormat: "yuv420p10le"}},
		"av1":  {"film.mp4", append([]string{"-f", "lavfi", "-i", noise}, x264...), 36, false, film.Rendition{Codec: film.AV1, PixelFormat: "yuv420p"}},
		"uneven times": {
			"film.mkv", append([]string{"-f", "lavfi", "-i", noise + ",select='mod(n,5)-mod(n,3)'", "-fps_mode", "vfr"}, x264...), 36, false,
			film.Rendition{Codec: film.H264, PixelFormat: "yuv420p10le"},
		},
		"another rate": {
			"film.mp4", append([]string{"-f", "lavfi", "-i", noise}, x264...), 36, false,
			film.Rendition{Codec: film.H264, PixelFormat: "yuv420p", Rate: media.Rational{Num: 30000, Den: 1001}},
		},
		"colours and wide pixels": {
			"film.mp4", append([]string{"-f", "lavfi", "-i", noise + ",setsar=4/3", "-color_range", "pc", "-colorspace", "bt470bg", "-color_trc", "bt709", "-color_primaries", "bt709"}, x264...),
			36, false,
			film.Rendition{Codec: film.H265, PixelFormat: "yuv420p", SampleAspect: media.Rational{Num: 4, Den: 3}},
		},
		"full chroma": {"film.mp4", append([]string{"-f", "lavfi", "-i", noise + ",format=yuv444p"}, x264...), 36, false, film.Rendition{Codec: film.H265, PixelFormat: "yuv420p"}},
		"captions":    {"film.mp4", []string{"-f", "h264", "-framerate", "25", "-i", captioned(t, noise), "-c", "copy"}, 36, true, film.Rendition{Codec: film.H264, PixelFormat: "yuv420p"}},
		"two views in a frame": {
			"film.mp4", append([]string{"-f", "lavfi", "-i", noise, "-x264-params", "frame-packing=3"}, x264...), 36, false,
			film.Rendition{Codec: film.H264, PixelFormat: "yuv420p"},
		},
		"without a draft": {"film.mp4", append([]string{"-f", "lavfi", "-i", noise}, x264...), 33, false, film.Rendition{Codec: film.H264, PixelFormat: "yuv420p", Preset: "veryfast"}},
	} {
		found, files := filmtest.Source(t, c.name, c.args...)
		v := found.Source.Video
		tick := func(seconds media.Ticks) media.Ticks {
			return v.Start + media.Rescale(seconds, media.Rational{Num: 1, Den: 1}, v.Timebase)
		}
		run := func(kind encode.Kind) (film.Chunk, []byte) {
			r := c.rendition
			if r.Preset == "" {
				r.Preset = map[film.VideoCodec]string{film.H264: "medium", film.H265: "medium", film.AV1: "8"}[r.Codec]
			}
			r.Width, r.Height, r.Quality = 128, 72, target.Quality{Target: c.target}.Normalise(r.Codec.QualityRange())
			job := film.Job{
				ID: filmtest.Job, Source: found.Source, Renditions: []film.Rendition{r}, Segments: 3,
				Request: film.Request{Compute: film.Compute{Threads: 2}}, Outputs: []film.OutputPlan{{Name: "a", Container: film.MP4}},
			}
			var facts film.SegmentFacts
			scratch := filmtest.Store(t)
			filmtest.RunSpec(t, kind, job, film.VideoUnit(1),
				film.Segment{Index: 1, Start: tick(1), End: tick(2), Seek: v.Start, LeadSync: v.Start, MidScene: true}, files, scratch, &facts)
			return facts.Chunks[0], content(t, scratch, facts.Chunks[0].Key)
		}
		kind := encode.Kind{Tools: filmtest.Tools(t)}
		kept, bytesOf := run(kind)
		if q := kept.Quality; len(q.Probes) < 2 || q.Probe == q.Probes[0] {
			t.Errorf("%s: %+v, want the first probe to be followed by a better one", name, q)
		} else if math.Abs(q.Mean-c.target) > 1 {
			t.Errorf("%s: %v dB are measured of the best chunk, want about %v", name, q.Mean, c.target)
		}
		decoded, want := run(kind.WithoutOriginals())
		if diff := cmp.Diff(decoded.Quality, kept.Quality); diff != "" || !bytes.Equal(bytesOf, want) {
			t.Errorf("%s: a chunk of %d bytes without and %d with frames that are kept; quality (-without +with):\n%s", name, len(want), len(bytesOf), diff)
		}
		if bytes.Contains(bytesOf, []byte("GA94")) != c.captions {
			t.Errorf("%s: captions: %v, want %v", name, !c.captions, c.captions)
		}
	}
}

// captioned makes a stream of H.264 whose frames have captions.
func captioned(t *testing.T, filter string) string {
	t.Helper()
	stream, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", filter, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10",
		"-g", "25", "-bf", "0", "-threads", "1", "-f", "h264", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	message := append([]byte("\x00\x00\x00\x01\x06\x04\x0e\xb5\x00\x31GA94\x03\x41\xff\xfc\x94\x2c\xff"), 0x80)
	var out []byte
	for i, part := range bytes.Split(stream, []byte{0, 0, 1}) {
		if i == 0 {
			continue
		}
		if kind := part[0] & 31; kind == 1 || kind == 5 {
			out = append(out, message...)
		}
		out = append(append(out, 0, 0, 0, 1), bytes.TrimRight(part, "\x00")...)
	}
	path := filepath.Join(t.TempDir(), "captions.h264")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
