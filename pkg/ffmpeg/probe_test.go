package ffmpeg

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
	"github.com/mapreel/mapreel/pkg/media"
)

func TestProbeTellsWhatASourceHolds(t *testing.T) {
	tools := found(t)
	dir := t.TempDir()
	chapters := filepath.Join(dir, "chapters")
	text := ";FFMETADATA1\ntitle=The = Film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two; \"é\"\n"
	if err := os.WriteFile(chapters, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// A name that means something to ffmpeg's options, protocols and patterns.
	path := filepath.Join(dir, "-a:b %03d 'x' #1?é.mkv")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=24000/1001:duration=2",
		"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2", "-i", chapters, "-map", "0", "-map", "1", "-map", "1",
		"-vf", "setsar=16/15,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc",
		"-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:max-cll=1000,400:"+
			"master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)",
		"-c:a", "aac", "-ac", "2", "-map_metadata", "2", "-metadata:s:a:0", "language=deu", "-metadata:s:a:0", "title=Ton",
		"-disposition:v", "default", "-disposition:a:0", "0", "-disposition:a:1", "default+forced", "file:"+path)

	probed, err := Probe(t.Context(), tools, Input{Location: path, Demuxer: "matroska"})
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
	if probed.Duration < 1_990_000 || probed.Duration > 2_100_000 || probed.Bitrate <= 0 {
		t.Errorf("duration %d µs at %d bit/s, want 2 s", probed.Duration, probed.Bitrate)
	}
	if diff := cmp.Diff([]media.Chapter{{Start: 0, End: 1_000_000, Title: "One"}, {Start: 1_000_000, End: 2_000_000, Title: `Two; "é"`}}, probed.Chapters); diff != "" {
		t.Errorf("chapters (-want +got):\n%s", diff)
	}
	if len(probed.Streams) != 3 {
		t.Fatalf("%d streams, want 3", len(probed.Streams))
	}
	video := probed.Streams[0]
	video.StartPTS, video.Tags, video.ExtradataSize = nil, nil, 0 // the encoder's own business
	want := Stream{
		Type: "video", Codec: "hevc", Tag: "[0][0][0][0]", Profile: "Main 10", Level: 60, Timebase: media.Rational{Num: 1, Den: 1000}, DurationTS: -1,
		Frames: -1, BitRate: -1, Width: 320, Height: 240, SAR: media.Rational{Num: 16, Den: 15}, PixelFormat: "yuv420p10le", BitDepth: 10,
		FieldOrder: "progressive", Color: media.Color{Range: "tv", Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020", ChromaLocation: "left"},
		HDR: media.HDR{
			Mastering: &media.Mastering{
				Red: [2]int64{35400, 14600}, Green: [2]int64{8500, 39850}, Blue: [2]int64{6550, 2300},
				White: [2]int64{15635, 16450}, Max: 10_000_000, Min: 50,
			},
			Light: &media.ContentLight{MaxCLL: 1000, MaxFALL: 400},
		},
		AverageRate: media.Rational{Num: 24000, Den: 1001}, BaseRate: media.Rational{Num: 24000, Den: 1001}, BFrames: true, Default: true,
	}
	if diff := cmp.Diff(want, video); diff != "" {
		t.Errorf("video (-want +got):\n%s", diff)
	}
	first, second := probed.Streams[1], probed.Streams[2]
	if first.Codec != "aac" || first.SampleRate != 48000 || first.Channels != 2 || first.ChannelLayout != "stereo" || first.FrameSize != 1024 ||
		first.Language != "deu" || first.Title != "Ton" || first.Default || first.Forced || first.ExtradataSize == 0 {
		t.Errorf("first sound %+v", first)
	}
	if second.Index != 2 || !second.Default || !second.Forced || second.Language != "" {
		t.Errorf("second sound %+v", second)
	}
}

func TestProbeTellsFieldsThatOnlyPicturesTellOf(t *testing.T) {
	tools := found(t)
	for name, c := range map[string]struct {
		demuxer, want string
		args          []string
	}{
		"bottom.dv":  {"dv", "bb", []string{"-s", "720x576", "-pix_fmt", "yuv420p", "-c:v", "dvvideo", "-ar", "48000", "-ac", "2"}},
		"fields.avi": {"avi", "tt", []string{"-vf", "setfield=tff", "-c:v", "mpeg4", "-flags", "+ilme+ildct", "-top", "1"}},
		"frames.avi": {"avi", "progressive", []string{"-c:v", "mpeg4"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := clip(t, name, 1, c.args...)
			if _, stream := streamOf(t, tools, path, c.demuxer, "video"); stream.FieldOrder != c.want {
				t.Errorf("field order %q, want %q", stream.FieldOrder, c.want)
			}
		})
	}
}

func TestProbeTellsRotationAndCovers(t *testing.T) {
	tools := found(t)
	path := clip(t, "plain.mp4", 1, "-c:v", "libx264", "-preset", "ultrafast")
	plain, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const identity = "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"
	track := bytes.LastIndex(plain, []byte(identity)) // the first one is the film's, the last one the track's
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
		if _, stream := streamOf(t, tools, turned, "mov", "video"); stream.Rotation != turn.clockwise {
			t.Errorf("%d degrees clockwise, want %d", stream.Rotation, turn.clockwise)
		}
		// It must be the turn that ffmpeg makes by itself.
		if got, want := pictures(t, "-i", turned), pictures(t, "-noautorotate", "-i", turned, "-vf", turn.filter); !slices.Equal(got, want) {
			t.Errorf("%d degrees: ffmpeg does not turn the pictures by %s", turn.clockwise, turn.filter)
		}
	}

	cover := filepath.Join(t.TempDir(), "cover.png")
	sh(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1", cover)
	song := filepath.Join(t.TempDir(), "song.m4a")
	sh(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-i", cover, "-map", "0", "-map", "1",
		"-c:v", "copy", "-disposition:v", "attached_pic", "-f", "mp4", song)
	if _, stream := streamOf(t, tools, song, "mov", "video"); !stream.AttachedPic {
		t.Errorf("the cover is not marked: %+v", stream)
	}
}

func TestSourcesAreReadOverHTTP(t *testing.T) {
	tools := found(t)
	path := clip(t, "a.mp4", 1, "-c:v", "libx264", "-preset", "ultrafast")
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // once, as S3 does when it is asked too often
			return
		}
		http.ServeFile(w, r, path)
	}))
	defer server.Close()
	media, err := Probe(t.Context(), tools, Input{Location: server.URL + "/film?sig=a%20b", Demuxer: "mov"})
	if err != nil || len(media.Streams) != 1 {
		t.Errorf("%d streams, %v", len(media.Streams), err)
	}
}

func TestProbeOfSomethingElseSaysWhatIsWrong(t *testing.T) {
	tools := found(t)
	path := filepath.Join(t.TempDir(), "text.mp4")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no film\n"), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		in   Input
		kind fault.Kind
	}{
		{Input{Location: path, Demuxer: "mov"}, fault.Corrupt},
		{Input{Location: path + ".none", Demuxer: "mov"}, fault.NotFound},
	} {
		_, err := Probe(t.Context(), tools, test.in)
		if fault.KindOf(err) != test.kind || !strings.Contains(err.Error(), "ffprobe") {
			t.Errorf("%s: error %v of kind %q, want %q", test.in.Location, err, fault.KindOf(err), test.kind)
		}
	}
}

func TestNumbersOfProbeAreReadWithoutFloatingPoint(t *testing.T) {
	for text, want := range map[string]int64{
		"0.000000": 0, "1.5": 1_500_000, "-0.023000": -23_000, "36000.700000": 36_000_700_000, "7": 7_000_000, "1.0000019": 1_000_001,
	} {
		if got, ok := micros(text); !ok || got != want {
			t.Errorf("micros(%q) = %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "N/A", "-", "1e6", "--1", "1.x", "99999999999999999999", ".5", "+1", "1.+5"} {
		if got, ok := micros(text); ok {
			t.Errorf("micros(%q) = %d, want nothing", text, got)
		}
	}
	for format, want := range map[string]int{
		"yuv420p": 8, "yuv420p10le": 10, "yuv422p12be": 12, "gray16le": 16, "p010le": 10, "p216le": 16, "yuvj420p": 8, "nv12": 8, "gbrp9le": 9, "": 0,
	} {
		if got := bitDepth("", format); got != want {
			t.Errorf("bitDepth(%q) = %d, want %d", format, got, want)
		}
	}
}

func FuzzProbe(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":0,"codec_type":"video","time_base":"1/12800","start_pts":-512,"side_data_list":[{"side_data_type":"Display Matrix","rotation":-90},` +
		`{"side_data_type":"Mastering display metadata","red_x":"35400/50000","red_y":"1/0"}],"tags":{"LANGUAGE":"und"}}],"chapters":[{"start_time":"1","end_time":"0"}],"format":{"duration":"N/A"}}`))
	f.Add([]byte(`{"streams":[{"index":0,"codec_type":"audio","sample_rate":"99999999999"}]}`))
	f.Add([]byte(`{"streams":[{"side_data_list":[{"side_data_type":"Display Matrix","rotation":"1e400"}]}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		probed, err := parseProbe(text)
		if err != nil {
			if fault.KindOf(err) != fault.Corrupt {
				t.Errorf("error %v of kind %q", err, fault.KindOf(err))
			}
			return
		}
		if probed.Duration < -1 || probed.Size < -1 || probed.Bitrate < -1 {
			t.Errorf("out of range: %+v", probed)
		}
		for _, s := range probed.Streams {
			if s.Timebase != (media.Rational{}) && !s.Timebase.Known() || s.Width < 0 || s.Height < 0 || s.SampleRate < 0 || s.Channels < 0 ||
				s.DurationTS < -1 || s.Rotation%90 != 0 || s.Rotation < 0 || s.Rotation > 270 || s.Index < 0 {
				t.Errorf("out of range: %+v", s)
			}
		}
		for _, c := range probed.Chapters {
			if c.Start > c.End {
				t.Errorf("a chapter that ends before it starts: %+v", c)
			}
		}
	})
}
