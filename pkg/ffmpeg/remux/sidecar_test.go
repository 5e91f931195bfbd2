package remux

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/process"
)

func TestTextArgsAreExactlyThese(t *testing.T) {
	got := SidecarArgs(Sidecar{
		Input: ffmpeg.Input{Location: "/in/film.mkv", Demuxer: "matroska", Origin: 23_000},
		Subtitles: []SubtitleOutput{
			{Stream: 2, Codec: "mov_text", Muxer: "mp4", Path: "/t/0"},
			{Stream: 3, Codec: "copy", Muxer: "matroska", Path: "/t/1"},
		},
		Cover:       &CopiedStream{5, "/t/cover"},
		Attachments: []CopiedStream{{4, "/t/a0"}},
	})
	common := " -map_metadata -1 -map_chapters -1 -fflags +bitexact -avoid_negative_ts disabled "
	want := strings.Fields("-hide_banner -nostdin -loglevel warning -y -progress pipe:1 -nostats -copyts " +
		"-dump_attachment:4 file:/t/a0 " + ffmpegtest.AllocationLimits + " -protocol_whitelist file -itsoffset -23000us -f matroska -i file:/in/film.mkv " +
		"-map 0:2 -c mov_text" + common + "-output_ts_offset 10 -movflags delay_moov+default_base_moof -f mp4 file:/t/0 " +
		"-map 0:2 -c mov_text" + common + "-f framecrc file:/t/0.log " +
		"-map 0:2 -c mov_text" + common + "-f data file:/t/0.data " +
		"-map 0:3 -c copy" + common + "-bsf:s noise=drop='lt(pts,0)' -f matroska file:/t/1 " +
		"-map 0:3 -c copy" + common + "-bsf:s noise=drop='lt(pts,0)' -f framecrc file:/t/1.log " +
		"-map 0:5 -c copy -frames:v 1 -f data file:/t/cover")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestSubtitlesAreExtractedWithTheirTimes(t *testing.T) {
	tools, dir := ffmpegtest.Find(t), t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	srt := "1\n00:00:01,001 --> 00:00:02,500\nHällo\n\n2\n00:00:02,000 --> 00:00:02,750\n<i>over</i>\n"
	if err := os.WriteFile(path("a.srt"), []byte(srt), 0o600); err != nil {
		t.Fatal(err)
	}
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1", "-i", path("a.srt"),
		"-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "ultrafast", "-c:s", "srt", "-attach", path("a.srt"),
		"-metadata:s:t", "mimetype=font/ttf", path("a.mkv"))
	texts := Sidecar{
		Input: ffmpeg.Input{Location: path("a.mkv"), Demuxer: "matroska", Origin: 1_500_000},
		Subtitles: []SubtitleOutput{
			{Stream: 1, Codec: "mov_text", Muxer: "mp4", Path: path("0")},
			{Stream: 1, Codec: "webvtt", Muxer: "matroska", Path: path("1")},
		},
		Attachments: []CopiedStream{{2, path("font")}},
	}
	if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, SidecarArgs(texts), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]SubtitleEvent{
		{{-499_000, 1_499_000, 8}, {500_000, 750_000, 28}},
		{{500_000, 750_000, 11}},
	} {
		log, err := os.ReadFile(texts.Subtitles[i].Log())
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := ReadSubtitleLog(bytes.NewReader(log)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("track %d: %v, %v, want %v", i, got, err, want)
		}
	}
	data, err := os.ReadFile(texts.Subtitles[0].Data())
	if want := "\x00\x06Hällo\x00\x04over"; err != nil || !strings.HasPrefix(string(data), want) {
		t.Errorf("data %q, %v", data, err)
	}
	if font, err := os.ReadFile(path("font")); err != nil || string(font) != srt {
		t.Errorf("the attachment is %q, %v", font, err)
	}
}

func FuzzReadTextLog(f *testing.F) {
	f.Add([]byte("#tb 0: 1/1000\n#media_type 0: subtitle\n0,        524,        524,     1001,       16, 0x2e5f05a7\n"))
	f.Add([]byte("0, 1, 1, 1, 1, 0x0\n"))
	f.Add([]byte("#tb 0: 0/0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tb, events, err := ReadSubtitleLog(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		var total int64
		for _, e := range events {
			if total += e.Size; e.Size < 0 || total > maxSubtitleBytes {
				t.Fatalf("sizes of %v", events)
			}
		}
		if len(events) > 0 && !tb.Known() {
			t.Fatal("events without a timebase")
		}
	})
}
