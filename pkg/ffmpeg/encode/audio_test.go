package encode

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/process"
)

func TestAudioArgsAreExactlyThese(t *testing.T) {
	seek, start, end := int64(9_000_000), int64(480_000), int64(960_000)
	head := "-hide_banner -nostdin -loglevel warning -y -progress pipe:1 -nostats -copyts "
	mapped := "-map_metadata -1 -map_chapters -1 -vn -sn -dn "
	tail := " -fflags +bitexact -flags:a +bitexact -avoid_negative_ts disabled -output_ts_offset 10 "
	mp4 := "-use_editlist 0 -movflags delay_moov+default_base_moof+frag_discont -frag_duration 5000000 -f mp4 "
	for _, test := range []struct {
		name string
		a    Audio
		want string
	}{
		{
			"a copy",
			Audio{Input: ffmpeg.Input{Location: "/in/a.mkv", Demuxer: "matroska"}, Stream: 2, Codec: "copy", Threads: 2, Muxer: "mp4", Path: "/s/a.mp4"},
			head + ffmpegtest.AllocationLimits + " -threads 2 -protocol_whitelist file -f matroska -i file:/in/a.mkv -map 0:2 " + mapped +
				"-c:a copy -copytb 1 -strict experimental" + tail + mp4 + "file:/s/a.mp4",
		},
		{
			"a part as AAC",
			Audio{
				Input: ffmpeg.Input{Location: "http://127.0.0.1:9/a.mp4", Demuxer: "mov"}, Stream: 1, Codec: "aac", Bitrate: 160_000, Channels: 2,
				SampleRate: 48000, Seek: &seek, Start: &start, End: &end, Muxer: "mp4", Path: "a.mp4",
			},
			head + "-noaccurate_seek -seek_timestamp 1 -ss 9.000000 " + ffmpegtest.AllocationLimits + " -threads 1 -protocol_whitelist http,tcp -reconnect 1 " +
				"-reconnect_on_network_error 1 -reconnect_on_http_error 5xx -reconnect_delay_max 4 -rw_timeout 30000000 " +
				"-f mov -i http://127.0.0.1:9/a.mp4 -map 0:1 " + mapped +
				"-af aresample=48000:async=1:min_hard_comp=0.005,aformat=channel_layouts=mono|stereo|3.0|4.0|5.0|5.1|7.1,atrim=start_pts=480000:end_pts=960000 " +
				"-c:a aac -b:a 160000 -ac 2" + tail + mp4 + "file:a.mp4",
		},
		{
			"Opus for Matroska",
			Audio{Input: ffmpeg.Input{Location: "/a.ts", Demuxer: "mpegts"}, Codec: "opus", Bitrate: 96_000, Muxer: "matroska", Path: "a.mka"},
			head + ffmpegtest.AllocationLimits + " -threads 1 -protocol_whitelist file -f mpegts -i file:/a.ts -map 0:0 " + mapped +
				"-af aresample=48000:async=1:min_hard_comp=0.005,aformat=channel_layouts=mono|stereo|3.0|quad|5.0|5.1|6.1|7.1 -c:a libopus -b:a 96000" +
				tail + "-f matroska file:a.mka",
		},
	} {
		if diff := cmp.Diff(strings.Fields(test.want), AudioArgs(test.a)); diff != "" {
			t.Errorf("%s: arguments (-want +got):\n%s", test.name, diff)
		}
	}
}

// Encoded audio is ffmpeg.Offset seconds late, preceded by its priming, in frames without gaps.
func TestEncodedAudioKeepsItsTimeAndPriming(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, test := range []struct {
		codec          string
		priming, frame int64
	}{{"aac", 1024, 1024}, {"opus", 312, 960}} {
		for _, source := range []struct {
			name    string
			offset  string
			samples int64 // where the audio begins
		}{{"on time", "0", 0}, {"half a second late", "0.5", 24000}} {
			path := ffmpegtest.Tone(t, "a.mkv", "3", "-c:a", "pcm_s16le", "-output_ts_offset", source.offset)
			in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "audio")
			a := Audio{Input: in, Stream: stream.Index, Codec: test.codec, Bitrate: 64000, Muxer: "mp4", Path: filepath.Join(t.TempDir(), "a.mp4")}
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
				t.Fatalf("%s, %s: %v", test.codec, source.name, err)
			}
			pts := ffmpegtest.PTS(ffmpegtest.Packets(t, a.Path, "a:0"))
			if want := ffmpeg.Offset*48000 + source.samples - test.priming; pts[0] != want {
				t.Errorf("%s, %s: the first packet is at sample %d, want %d", test.codec, source.name, pts[0], want)
			}
			for i := 1; i < len(pts); i++ {
				if pts[i]-pts[i-1] != test.frame {
					t.Fatalf("%s, %s: packet %d comes %d samples after the one before, want %d", test.codec, source.name, i, pts[i]-pts[i-1], test.frame)
				}
			}
			if covered := int64(len(pts))*test.frame - test.priming; covered < 3*48000 || covered >= 3*48000+2*test.frame {
				t.Errorf("%s, %s: packets cover %d samples of %d", test.codec, source.name, covered, 3*48000)
			}
		}
	}
}

// The samples of parts, selected by Start and End after a seek, must be those of a single pass,
// whatever the resampler's phase and the resolution of the source's clock.
func TestAudioPartsHaveExactlyTheirSamples(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, c := range []struct {
		name, demuxer string
		grid          bool
		args          []string
	}{
		{"aac.mp4", "mov", false, []string{"-ar", "44100", "-c:a", "aac", "-aac_pns", "0"}}, // no noise substitution, which differs in each run
		{"late.mp4", "mov", false, []string{"-ar", "44100", "-c:a", "aac", "-aac_pns", "0", "-output_ts_offset", "0.777"}},
		{"pcm.mov", "mov", false, []string{"-ar", "44100", "-c:a", "pcm_s16le"}},
		{"96k.wav", "wav", false, []string{"-ar", "96000", "-c:a", "pcm_s16le"}},
		{"aac.mkv", "matroska", true, []string{"-ar", "44100", "-c:a", "aac", "-aac_pns", "0"}},
		{"mp3.mkv", "matroska", true, []string{"-ar", "44100", "-c:a", "libmp3lame"}},
		{"late.mkv", "matroska", true, []string{"-ar", "44100", "-c:a", "mp2", "-output_ts_offset", "3.5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ffmpegtest.Tone(t, c.name, "9", c.args...)
			in, stream := ffmpegtest.Stream(t, tools, path, c.demuxer, "audio")
			// PCM shows the samples that the encoder gets.
			whole := Audio{Input: in, Stream: stream.Index, Codec: "pcm_s16le", SampleRate: 48000, Muxer: "matroska", Path: filepath.Join(t.TempDir(), "w.mka")}
			var paths []string // of the whole, and of the parts
			encode := func(a Audio) {
				if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
					t.Fatal(err)
				}
				paths = append(paths, a.Path)
			}
			encode(whole)
			if stream.StartPTS == nil { // WAV
				stream.StartPTS = new(int64)
			}
			in0 := (*stream.StartPTS*stream.Timebase.Num*int64(stream.SampleRate) + stream.Timebase.Den/2) / stream.Timebase.Den
			out0 := (in0*48000 + int64(stream.SampleRate)/2) / int64(stream.SampleRate)
			period := int64(map[int]int{44100: 147, 48000: 1, 96000: 2}[stream.SampleRate])
			bounds := []int64{0, 1024 * 200, 1024 * 310, 8 * 48000}
			for i := range len(bounds) - 1 {
				part := whole
				part.Path = filepath.Join(t.TempDir(), "p.mka")
				part.Start, part.End = new(out0+bounds[i]), new(out0+bounds[i+1])
				if i > 0 {
					first := in0 + (bounds[i]-9600)*int64(stream.SampleRate)/48000/period*period
					part.First, part.Seek = &first, new((first-2*int64(stream.SampleRate))*1_000_000/int64(stream.SampleRate))
					if c.grid {
						part.Grid = &in0
					}
				}
				encode(part)
			}
			decoded := waves(t, paths)
			want, got := decoded[0], ""
			for i, samples := range decoded[1:] {
				if wanted := int(bounds[i+1]-bounds[i]) * 2; len(samples) != wanted {
					t.Errorf("part %d has %d bytes of samples, want %d", i, len(samples), wanted)
				}
				got += samples
			}
			worst := 0
			for i := 0; i+1 < min(len(got), len(want)); i += 2 {
				at := func(s string) int { return int(int16(uint16(s[i]) | uint16(s[i+1])<<8)) }
				worst = max(worst, at(got)-at(want), at(want)-at(got))
			}
			if worst > 1 {
				t.Errorf("the samples of the parts differ from those of a single pass by up to %d", worst)
			}
		})
	}
}

// waves returns the samples of files, by one start of ffmpeg.
func waves(t *testing.T, paths []string) (list []string) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-v", "error", "-nostdin"}
	for _, path := range paths {
		args = append(args, "-i", "file:"+path)
	}
	for i := range paths {
		args = append(args, "-map", strconv.Itoa(i)+":a", "-f", "s16le", filepath.Join(dir, strconv.Itoa(i)))
	}
	ffmpegtest.Exec(t, "ffmpeg", args...)
	for i := range paths {
		data, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(data))
	}
	return list
}

// A gap in the source's audio becomes silence, so that what follows stays in sync.
func TestAGapInTheAudioBecomesSilence(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Tone(t, "a.mkv", "4", "-af", "aselect='not(between(t,1,2))'", "-c:a", "pcm_s16le")
	in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "audio")
	a := Audio{Input: in, Stream: stream.Index, Codec: "aac", Bitrate: 64000, Muxer: "mp4", Path: filepath.Join(t.TempDir(), "a.mp4")}
	if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	pts := ffmpegtest.PTS(ffmpegtest.Packets(t, a.Path, "a:0"))
	if last := pts[len(pts)-1] - ffmpeg.Offset*48000; last < 4*48000-2048 {
		t.Errorf("the last packet is at sample %d, so the gap was closed", last)
	}
	if got := int64(len(pts)-1) * 1024; pts[len(pts)-1]-pts[0] != got {
		t.Errorf("the packets do not follow each other: %d samples in %d packets", pts[len(pts)-1]-pts[0], len(pts))
	}
}

func TestSurroundLayoutsBecomeThoseOfTheCodec(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Tone(t, "a.wav", "1", "-af", "aformat=channel_layouts=5.1(side)", "-c:a", "pcm_s16le")
	in, stream := ffmpegtest.Stream(t, tools, path, "wav", "audio")
	if stream.ChannelLayout != "5.1(side)" {
		t.Fatalf("the clip's layout is %q", stream.ChannelLayout)
	}
	for _, codec := range []string{"aac", "opus"} {
		a := Audio{Input: in, Stream: stream.Index, Codec: codec, Muxer: "mp4", Path: filepath.Join(t.TempDir(), "a.mp4")}
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if _, made := ffmpegtest.Stream(t, tools, a.Path, "mov", "audio"); made.ChannelLayout != "5.1" {
			t.Errorf("%s: layout %q, want 5.1", codec, made.ChannelLayout)
		}
	}
}

func TestALayoutIsEncodedAsAsked(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	for _, c := range []struct {
		codec, layout string
		channels      int
	}{{"aac", "7.1", 8}, {"aac", "", 8}, {"aac", "7.1(wide)", 8}, {"aac", "6.1", 7}, {"aac", "2.1", 3}, {"opus", "7.1", 8}, {"opus", "", 8}} {
		source := c.layout
		if source == "" {
			source = "7.1"
		}
		path := ffmpegtest.Tone(t, "a.wav", "0.5", "-af", "aformat=channel_layouts="+source, "-c:a", "pcm_s16le")
		in, stream := ffmpegtest.Stream(t, tools, path, "wav", "audio")
		a := Audio{Input: in, Stream: stream.Index, Codec: c.codec, Layout: c.layout, Muxer: "mp4", Path: filepath.Join(t.TempDir(), "a.mp4")}
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
			t.Fatalf("%s %s: %v", c.codec, c.layout, err)
		}
		if _, made := ffmpegtest.Stream(t, tools, a.Path, "mov", "audio"); made.Channels != c.channels {
			t.Errorf("%s %q: %d channels, want %d", c.codec, c.layout, made.Channels, c.channels)
		}
	}
}
