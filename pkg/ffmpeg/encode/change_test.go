package encode

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// joined makes a Matroska file of recordings that follow each other, each a second long, with its
// own size, format and aspect.
func joined(t *testing.T, recordings ...string) string {
	t.Helper()
	dir := t.TempDir()
	var stream []byte
	for i, args := range recordings {
		name := filepath.Join(dir, fmt.Sprintf("%d.ts", i))
		all := strings.Fields("-v error -nostdin -y -f lavfi -i testsrc2=size=320x180:rate=25:duration=1 -g 25 " + args)
		ffmpegtest.Exec(t, "ffmpeg", append(all, "-output_ts_offset", fmt.Sprint(1+i), "-f", "mpegts", "file:"+name)...)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, data...)
	}
	ts, mkv := filepath.Join(dir, "all.ts"), filepath.Join(dir, "all.mkv")
	if err := os.WriteFile(ts, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+ts, "-c", "copy", "file:"+mkv)
	return mkv
}

// Wherever segments begin, their frames have the size, format and aspect of the first frame of the
// source, and are those of a single pass.
func TestFramesOfAnotherSizeOrFormatAreConvertedAsInASinglePass(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	const h264, h265 = "-c:v libx264 -preset ultrafast", "-c:v libx265 -preset ultrafast -x265-params log-level=error:repeat-headers=1"
	for _, c := range []struct {
		name, pixelFormat string
		recordings        []string
	}{
		{"another size", "yuv420p", []string{h264 + " -vf scale=160:90", h264 + " -vf scale=240:136", h264 + " -vf scale=160:90"}},
		{"another aspect", "yuv420p", []string{h264 + " -vf scale=160:90,setsar=1", h264 + " -vf scale=120:90,setsar=4/3", h264 + " -vf scale=160:90,setsar=1"}},
		{"8 to 10 bits", "yuv420p", []string{h265 + " -vf scale=160:90,format=yuv420p", h265 + " -vf scale=160:90,format=yuv420p10le"}},
		{"10 to 8 bits", "yuv420p10le", []string{h265 + " -vf scale=160:90,format=yuv420p10le", h265 + " -vf scale=160:90,format=yuv420p"}},
		{"4:2:0 to 4:4:4", "yuv420p", []string{h264 + " -vf scale=160:90,format=yuv420p", h264 + " -vf scale=160:90,format=yuv444p"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := joined(t, c.recordings...)
			in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "video")
			times := ffmpegtest.PTS(ffmpegtest.Packets(t, path, "v:0"))
			pass := filepath.Join(t.TempDir(), "pass.mkv")
			ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-fps_mode", "passthrough", "-pix_fmt", c.pixelFormat, "-c:v", "ffv1", "file:"+pass)
			_, want := ffmpegtest.Stream(t, tools, pass, "matroska", "video")
			whole := ffmpegtest.Frames(t, "-i", "file:"+pass)
			if len(whole) != len(times) || want.Width != 160 || want.Height != 90 {
				t.Fatalf("a single pass gives %d frames of %dx%d", len(whole), want.Width, want.Height)
			}
			var got []string
			var logged []int64
			cuts := []int64{times[len(times)/3], times[len(times)*2/3+3]}
			for i := range len(cuts) + 1 {
				v := Video{
					Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2, ContextFrames: true,
					Size: media.Size{Width: stream.Width, Height: stream.Height}, PixelFormat: stream.PixelFormat,
					Renditions: []Rendition{{
						Codec: "h264", CRF: 0, Preset: "ultrafast", Width: 160, Height: 90, PixelFormat: c.pixelFormat, SAR: stream.SAR,
						FrameRate: stream.AverageRate, Path: filepath.Join(t.TempDir(), "a.mp4"),
					}},
				}
				if i > 0 {
					v.Start, v.Seek = &cuts[i-1], &times[len(times)/len(c.recordings)*min(i, len(c.recordings)-1)]
					if *v.Seek > *v.Start {
						v.Seek = nil
					}
				}
				if i < len(cuts) {
					v.End = &cuts[i]
				}
				var frames ffmpeg.FrameLog
				if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
					t.Fatal(err)
				}
				logged = append(logged, ffmpegtest.Before(frames.PTS(), v.End)...)
				shown := ffmpegtest.Frames(t, "-i", "file:"+v.Renditions[0].Path)
				lead := v.padding(v.Renditions[0]).lead
				got = append(got, shown[min(lead, len(shown)):]...)
				if _, made := ffmpegtest.Stream(t, tools, v.Renditions[0].Path, "mov", "video"); made.SAR != want.SAR || made.PixelFormat != want.PixelFormat {
					t.Errorf("segment %d has pixels of %v in %s, want %v in %s", i, made.SAR, made.PixelFormat, want.SAR, want.PixelFormat)
				}
			}
			if diff := cmp.Diff(times, logged); diff != "" {
				t.Errorf("timestamps (-source +segments):\n%s", diff)
			}
			if c.pixelFormat != "yuv420p" {
				return // x264 is not lossless there
			}
			if !slices.Equal(got, whole) {
				t.Errorf("the frames of the segments differ from those of a single pass: %d and %d", len(got), len(whole))
			}
		})
	}
}

func TestARawStreamGetsTheTimesOfItsRate(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	for _, c := range []struct{ demuxer, codec, args string }{{"h264", "libx264", "-bf 3"}, {"hevc", "libx265", "-x265-params log-level=error"}} {
		path := ffmpegtest.Clip(t, "a."+c.demuxer, 1, append(strings.Fields("-c:v "+c.codec+" -preset ultrafast "+c.args), "-f", c.demuxer)...)
		rate := media.Rational{Num: 30000, Den: 1001}
		v := Video{
			Input: ffmpeg.Input{Location: path, Demuxer: c.demuxer, Rate: rate}, Timebase: media.Rational{Num: rate.Den, Den: rate.Num},
			Size: media.Size{Width: 320, Height: 180}, PixelFormat: "yuv420p", Threads: 2,
			Renditions: []Rendition{{
				Codec: "h264", CRF: 30, Preset: "ultrafast", Width: 320, Height: 180, PixelFormat: "yuv420p", FrameRate: rate, Path: filepath.Join(t.TempDir(), "a.mp4"),
			}},
		}
		var frames ffmpeg.FrameLog
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
			t.Fatalf("%s: %v", c.demuxer, err)
		}
		var want, chunk []int64
		for n := range int64(25) {
			want, chunk = append(want, n), append(chunk, n*rate.Den+ffmpeg.Offset*rate.Num)
		}
		if diff := cmp.Diff(want, frames.PTS()); diff != "" {
			t.Errorf("%s: frames (-want +got):\n%s", c.demuxer, diff)
		}
		if diff := cmp.Diff(chunk, ffmpegtest.PTS(ffmpegtest.Packets(t, v.Renditions[0].Path, "v:0"))); diff != "" {
			t.Errorf("%s: chunk (-want +got):\n%s", c.demuxer, diff)
		}
	}
}
