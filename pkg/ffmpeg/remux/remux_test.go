package remux

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

func TestArgsAreExactlyThese(t *testing.T) {
	got := Args(Output{
		Inputs: []Input{
			{Input: ffmpeg.Input{Location: "/s/video.mp4", Demuxer: "mov"}, Streams: []Stream{{Default: true}}},
			{Input: ffmpeg.Input{Location: "/s/audio.mp4", Demuxer: "mov", TimestampOffset: ffmpeg.Offset}, Streams: []Stream{{Language: "deu", Title: "Ton 1", Forced: true, From: new(int64(-42_500))}}},
			{Input: ffmpeg.Input{Location: "/in/film.mp4", Demuxer: "mov"}, Streams: []Stream{{Index: 3, Codec: "subrip", Flags: []string{"comment"}}}, Sparse: true},
		},
		Tags: []media.Tag{{Name: "title", Value: "Film"}}, Chapters: "/s/chapters", Attachments: []Attachment{{"/s/0", "a.ttf", "font/ttf"}}, Muxer: "matroska", Path: "/out/film.mkv",
	})
	want := strings.Fields("-hide_banner -nostdin -loglevel warning -y -progress pipe:1 -nostats -copyts " +
		ffmpegtest.AllocationLimits + " -protocol_whitelist file -f mov -i file:/s/video.mp4 " +
		ffmpegtest.AllocationLimits + " -protocol_whitelist file -itsoffset -10 -f mov -i file:/s/audio.mp4 " +
		ffmpegtest.AllocationLimits + " -protocol_whitelist file -f mov -i file:/in/film.mp4 " +
		"-protocol_whitelist file -f ffmetadata -i file:/s/chapters " +
		"-map_metadata:g -1 -map_metadata:s -1 -map_chapters 3 -c copy -map 0:0 -disposition:0 +default " +
		"-map 1:0 -metadata:s:1 language=deu -metadata:s:1 TITLE -bsf:1 noise=drop='lt(pts*tb,-0.042500)' -disposition:1 +forced " +
		"-map 2:3 -c:2 subrip -disposition:2 +comment -metadata title=Film " +
		"-attach file:/s/0 -metadata:s:t:0 mimetype=font/ttf -metadata:s:t:0 filename=a.ttf " +
		"-fflags +bitexact -max_interleave_delta 30000000 -cues_to_front 1 -f matroska file:/out/film.mkv")
	want[slices.Index(want, "TITLE")] = "title=Ton 1"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestRemuxKeepsTimesAndNamesAndIsDeterministic(t *testing.T) {
	tools := ffmpegtest.Find(t)
	dir := t.TempDir()
	subtitles := filepath.Join(dir, "a.srt")
	if err := os.WriteFile(subtitles, []byte("1\n00:00:01,000 --> 00:00:02,000\nHello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, late := range []int64{0, 400} { // milliseconds by which the audio begins after the video
		source := filepath.Join(dir, "source.mkv")
		ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4",
			"-itsoffset", strconv.FormatInt(late, 10)+"ms", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=3", "-i", subtitles,
			"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "flac", "-c:s", "srt", source)
		remuxAndCheck(t, tools, dir, ffmpeg.Input{Location: source, Demuxer: "matroska"}, late)
	}
}

func remuxAndCheck(t *testing.T, tools ffmpeg.Tools, dir string, in ffmpeg.Input, late int64) {
	probed, err := probe.Inspect(t.Context(), tools, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []struct {
		muxer, video, audio, subtitle string
		preset                        string
		priming                       int64 // samples
	}{
		{"matroska", "h264", "aac", "subrip", "ultrafast", 1024},
		{"matroska", "h264", "copy", "copy", "ultrafast", 0},
		// ffmpeg keeps Opus' priming in the blocks' times and also declares it as CodecDelay, in
		// every file it writes. So the audio is 6.5 ms early, far below what is perceptible.
		{"webm", "vp9", "opus", "webvtt", "8", 2 * 312},
	} {
		video, audio := filepath.Join(dir, "video.mp4"), filepath.Join(dir, "audio.mp4")
		v := encode.Video{
			Input: in, Stream: 0, Timebase: probed.Streams[0].Timebase, Threads: 2,
			Renditions: []encode.Rendition{{Codec: target.video, CRF: 40, Preset: target.preset, Path: video}},
		}
		a := encode.Audio{Input: in, Stream: 1, Codec: target.audio, Bitrate: 64000, Muxer: "mp4", Path: audio}
		for _, args := range [][]string{encode.VideoArgs(v), encode.AudioArgs(a)} {
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, args, ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
				t.Fatal(err)
			}
		}
		remux := func(name string) string {
			r := Output{
				Inputs: []Input{
					{Input: ffmpeg.Input{Location: video, Demuxer: "mov", TimestampOffset: ffmpeg.Offset}, Streams: []Stream{{Default: true}}},
					{Input: ffmpeg.Input{Location: audio, Demuxer: "mov", TimestampOffset: ffmpeg.Offset}, Streams: []Stream{{Language: "deu", Title: "Der Ton", Default: true}}},
					{Input: in, Streams: []Stream{{Index: 2, Codec: target.subtitle, Language: "eng"}}},
				},
				Tags: []media.Tag{{Name: "title", Value: "Film"}}, Muxer: target.muxer, Path: filepath.Join(dir, name),
			}
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, Args(r), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
				t.Fatalf("%s: %v", target.muxer, err)
			}
			return r.Path
		}
		one, two := remux("one"), remux("two")
		first, err := os.ReadFile(one)
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(two)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s: two runs differ", target.muxer)
		}
		cues, cluster := bytes.Index(first, []byte("\x1c\x53\xbb\x6b")), bytes.Index(first, []byte("\x1f\x43\xb6\x75"))
		if rest := first[cluster:]; cues < 0 || cues > cluster && bytes.Contains(rest, []byte("\x1c\x53\xbb\x6b")) {
			t.Errorf("%s: the index, at %d, is not before the media, at %d", target.muxer, cues, cluster)
		}

		frames, packets := ffmpegtest.PTS(ffmpegtest.Packets(t, one, "v:0")), ffmpegtest.PTS(ffmpegtest.Packets(t, one, "a:0"))
		if len(frames) != 100 {
			t.Errorf("%s: %d frames, want 100", target.muxer, len(frames))
		}
		// The muxer may shift all streams together so that none begins before 0; the distance must
		// not change.
		want := late - target.priming*1000/48000
		if distance := packets[0] - frames[0]; distance < want-2 || distance > want+2 {
			t.Errorf("%s, %s: the first audio packet is %d ms after the first frame, want %d", target.muxer, target.audio, distance, want)
		}
		_, opened := ffmpegtest.Stream(t, tools, one, "matroska", "audio")
		if opened.Language != "deu" || opened.Title != "Der Ton" || !opened.Default {
			t.Errorf("%s: audio %+v", target.muxer, opened)
		}
		_, text := ffmpegtest.Stream(t, tools, one, "matroska", "subtitle")
		if text.Codec != "subrip" && text.Codec != target.subtitle || text.Language != "eng" || text.Default {
			t.Errorf("%s: subtitle %+v", target.muxer, text)
		}
	}
}
