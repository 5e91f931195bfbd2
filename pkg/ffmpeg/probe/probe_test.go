package probe_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestInspectDescribesASource(t *testing.T) {
	tools := ffmpegtest.Find(t)
	dir := t.TempDir()
	chapters := filepath.Join(dir, "chapters")
	text := ";FFMETADATA1\ntitle=The = Film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two; \"é\"\n"
	if err := os.WriteFile(chapters, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// A name with a meaning in ffmpeg's options, protocols and patterns.
	path := filepath.Join(dir, "-a:b %03d 'x' #1?é.mkv")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=24000/1001:duration=2",
		"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2", "-i", chapters, "-map", "0", "-map", "1", "-map", "1",
		"-vf", "setsar=16/15,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc",
		"-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:max-cll=1000,400:"+
			"master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)",
		"-c:a", "aac", "-ac", "2", "-map_metadata", "2", "-metadata:s:a:0", "language=deu", "-metadata:s:a:0", "title=Ton",
		"-disposition:v", "default", "-disposition:a:0", "0", "-disposition:a:1", "default+forced", "file:"+path)

	probed, err := probe.Inspect(t.Context(), tools, ffmpeg.Input{Location: path, Demuxer: "matroska"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if probed.Format != "matroska,webm" || probed.Size != info.Size() || probed.Tags["title"] != "The = Film" || !probed.HasStart {
		t.Errorf("media %+v", probed)
	}
	if probed.Duration < 1_990_000 || probed.Duration > 2_100_000 {
		t.Errorf("duration %d µs, want 2 s", probed.Duration)
	}
	if diff := cmp.Diff([]media.Chapter{{Start: 0, End: 1_000_000, Title: "One"}, {Start: 1_000_000, End: 2_000_000, Title: `Two; "é"`}}, probed.Chapters); diff != "" {
		t.Errorf("chapters (-want +got):\n%s", diff)
	}
	if len(probed.Streams) != 3 {
		t.Fatalf("%d streams, want 3", len(probed.Streams))
	}
	video := probed.Streams[0]
	video.StartPTS, video.Tags = nil, nil // they depend on the encoder
	want := probe.Stream{
		Type: "video", Codec: "hevc", Tag: "[0][0][0][0]", Timebase: media.Rational{Num: 1, Den: 1000}, DurationTS: -1,
		Frames: -1, BitRate: -1, Width: 320, Height: 240, SAR: media.Rational{Num: 16, Den: 15}, PixelFormat: "yuv420p10le", BitDepth: 10, Reordered: 2,
		FieldOrder: "progressive", Color: media.Color{Range: "tv", Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020", ChromaLocation: "left"},
		HDR: media.HDR{
			Mastering: &media.Mastering{
				Red: [2]int64{35400, 14600}, Green: [2]int64{8500, 39850}, Blue: [2]int64{6550, 2300},
				White: [2]int64{15635, 16450}, Max: 10_000_000, Min: 50,
			},
			Light: &media.ContentLight{MaxCLL: 1000, MaxFALL: 400},
		},
		AverageRate: media.Rational{Num: 24000, Den: 1001}, BaseRate: media.Rational{Num: 24000, Den: 1001}, Default: true,
	}
	if diff := cmp.Diff(want, video); diff != "" {
		t.Errorf("video (-want +got):\n%s", diff)
	}
	first, second := probed.Streams[1], probed.Streams[2]
	if first.Codec != "aac" || first.SampleRate != 48000 || first.Channels != 2 || first.ChannelLayout != "stereo" || first.FrameSize != 1024 ||
		first.Language != "deu" || first.Title != "Ton" || first.Default || first.Forced {
		t.Errorf("first audio stream %+v", first)
	}
	if second.Index != 2 || !second.Default || !second.Forced || second.Language != "" {
		t.Errorf("second audio stream %+v", second)
	}
}

func TestInspectFindsFieldOrderByDecoding(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for name, c := range map[string]struct {
		demuxer, want string
		args          []string
	}{
		"bottom.dv":  {"dv", "bb", []string{"-s", "720x576", "-pix_fmt", "yuv420p", "-c:v", "dvvideo", "-ar", "48000", "-ac", "2"}},
		"fields.avi": {"avi", "tt", []string{"-vf", "setfield=tff", "-c:v", "mpeg4", "-flags", "+ilme+ildct", "-top", "1"}},
		"frames.avi": {"avi", "progressive", []string{"-c:v", "mpeg4"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := ffmpegtest.Clip(t, name, 1, c.args...)
			if _, stream := ffmpegtest.Stream(t, tools, path, c.demuxer, "video"); stream.FieldOrder != c.want {
				t.Errorf("field order %q, want %q", stream.FieldOrder, c.want)
			}
		})
	}
}

// The packets before the first frame shown are marked to be discarded.
func TestInspectFindsFieldOrderBehindAnEditList(t *testing.T) {
	tools := ffmpegtest.Find(t)
	whole := ffmpegtest.Clip(t, "fields.mp4", 2, "-vf", "setfield=tff", "-c:v", "mpeg4", "-flags", "+ilme+ildct", "-top", "1", "-g", "48")
	cut := filepath.Join(t.TempDir(), "cut.mp4")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-ss", "0.7", "-i", whole, "-c", "copy", "-avoid_negative_ts", "disabled", cut)
	if _, stream := ffmpegtest.Stream(t, tools, cut, "mov", "video"); stream.FieldOrder != "tt" {
		t.Errorf("field order %q, want tt", stream.FieldOrder)
	}
}

func TestInspectReportsRotationAndCovers(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "plain.mp4", 1, "-c:v", "libx264", "-preset", "ultrafast")
	plain, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const identity = "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"
	track := bytes.LastIndex(plain, []byte(identity)) // the first one is the movie's, the last one the track's
	// The matrix of ISO/IEC 14496-12, 8.3.2: a b u c d, in 16.16.
	const one, minus, zero = "\x00\x01\x00\x00", "\xff\xff\x00\x00", "\x00\x00\x00\x00"
	for _, turn := range []struct {
		matrix    string
		clockwise int
		filter    string
	}{
		{one + zero + zero + zero + one, 0, "null"},
		{zero + one + zero + minus + zero, 90, "transpose=clock"},
		{minus + zero + zero + zero + minus, 180, "hflip,vflip"},
		{zero + minus + zero + one + zero, 270, "transpose=cclock"},
	} {
		turned := filepath.Join(t.TempDir(), "turned.mp4")
		data := bytes.Clone(plain)
		copy(data[track:], turn.matrix)
		if err := os.WriteFile(turned, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, stream := ffmpegtest.Stream(t, tools, turned, "mov", "video"); stream.Rotation != turn.clockwise {
			t.Errorf("%d degrees clockwise, want %d", stream.Rotation, turn.clockwise)
		}
		// It must be the rotation that ffmpeg applies by default.
		if got, want := ffmpegtest.Frames(t, "-i", turned), ffmpegtest.Frames(t, "-noautorotate", "-i", turned, "-vf", turn.filter); !slices.Equal(got, want) {
			t.Errorf("%d degrees: ffmpeg does not rotate the frames by %s", turn.clockwise, turn.filter)
		}
	}

	cover := filepath.Join(t.TempDir(), "cover.png")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1", cover)
	song := filepath.Join(t.TempDir(), "song.m4a")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-i", cover, "-map", "0", "-map", "1",
		"-c:v", "copy", "-disposition:v", "attached_pic", "-f", "mp4", song)
	if _, stream := ffmpegtest.Stream(t, tools, song, "mov", "video"); !stream.AttachedPic {
		t.Errorf("the cover is not reported as such: %+v", stream)
	}
}

func TestInspectReadsOverHTTP(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "a.mp4", 1, "-c:v", "libx264", "-preset", "ultrafast")
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // once, as S3 does at a high request rate
			return
		}
		http.ServeFile(w, r, path)
	}))
	defer server.Close()
	media, err := probe.Inspect(t.Context(), tools, ffmpeg.Input{Location: server.URL + "/film?sig=a%20b", Demuxer: "mov"})
	if err != nil || len(media.Streams) != 1 {
		t.Errorf("%d streams, %v", len(media.Streams), err)
	}
}

func TestInspectOfANonVideoIsAnError(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := filepath.Join(t.TempDir(), "text.mp4")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no film\n"), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		in   ffmpeg.Input
		kind fault.Kind
	}{
		{ffmpeg.Input{Location: path, Demuxer: "mov"}, fault.Corrupt},
		{ffmpeg.Input{Location: path + ".none", Demuxer: "mov"}, fault.NotFound},
	} {
		_, err := probe.Inspect(t.Context(), tools, test.in)
		if fault.KindOf(err) != test.kind || !strings.Contains(err.Error(), "ffprobe") {
			t.Errorf("%s: error %v of kind %q, want %q", test.in.Location, err, fault.KindOf(err), test.kind)
		}
	}
}
