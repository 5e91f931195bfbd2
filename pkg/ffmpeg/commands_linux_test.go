package ffmpeg_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// A valid frame of 17,000 x 9,000 pixels is refused for its size alone: its 230 MB would fit the
// limit of an allocation, and a file of 1 MB can contain it.
func TestAFrameAboveMaxPixelsIsNotDecoded(t *testing.T) {
	const width, height = 17_000, 9_000
	if width*height <= ffmpeg.MaxPixels {
		t.Fatal("the frame is within the limit")
	}
	tools := ffmpegtest.Find(t)
	file := filepath.Join(t.TempDir(), "large.avi")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("color=black:size=%dx%d:rate=25", width, height), "-frames:v", "1",
		"-c:v", "mjpeg", "-pix_fmt", "yuvj420p", file)
	in := ffmpeg.Input{Location: file, Demuxer: "avi"}
	for name, args := range map[string][]string{
		"an encode": encode.VideoArgs(encode.Video{
			Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Threads: 1,
			Renditions: []encode.Rendition{{Codec: "h264", CRF: 30, Preset: "ultrafast", Width: 64, Height: 36, Path: filepath.Join(t.TempDir(), "out.mp4")}},
		}),
		"a decode": decode.VideoArgs(decode.Video{Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Width: 64, Height: 36, PixelFormat: "yuv420p"}),
	} {
		usage, err := ffmpeg.Run(t.Context(), tools.FFmpeg, args, ffmpeg.RunOptions{Pipe: &ffmpeg.FrameLog{}, Stdout: io.Discard, Limits: process.Unlimited()})
		if kind := fault.KindOf(err); kind != fault.Unsupported && kind != fault.Corrupt {
			t.Errorf("%s: error %v of kind %q, want Unsupported or Corrupt", name, err, kind)
		}
		if usage.MaxRSS > 200<<20 {
			t.Errorf("%s: ffmpeg used %d MiB", name, usage.MaxRSS>>20)
		}
	}
}
