package encode

import (
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// No frame waits in memory until a picture after it is made.
func TestPicturesThatAreFarApartTakeNoMemory(t *testing.T) {
	tools := ffmpegtest.Find(t)
	size := media.Size{Width: 1280, Height: 720}
	path := ffmpegtest.Clip(t, "a.mp4", 5, "-vf", "scale=1280:720", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-an")
	in, stream := ffmpegtest.Stream(t, tools, path, "mov", "video")
	second := stream.Timebase.Den
	rate := media.Rational{Num: 25, Den: 1}
	for _, grid := range []*Grid{nil, {Rate: rate, First: 25, End: new(int64(125)), Scale: 1}} {
		var peak [2]int64
		for i, apart := range []int64{1, 4} {
			dir := t.TempDir()
			v := Video{
				Input: in, Stream: stream.Index, Timebase: stream.Timebase, Seek: &second, Start: &second, End: new(5 * second), Frames: 100, Threads: 1, ContextFrames: true,
				Renditions: []Rendition{{Codec: "h264", CRF: 30, Preset: "ultrafast", PixelFormat: "yuv420p", FrameRate: rate, Grid: grid, Path: filepath.Join(dir, "a.mp4")}},
				Pictures:   []Pictures{{Rate: media.Rational{Num: 1, Den: apart}, Shown: true, End: 4, Scaled: size, Size: size, Format: "jpg", Path: filepath.Join(dir, "%d.jpg")}},
			}
			used, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Limits: process.Unlimited()})
			if err != nil {
				t.Fatal(err)
			}
			peak[i] = used.MaxRSS
			if got := len(ffmpegtest.Packets(t, v.Renditions[0].Path, "v:0")); got != leadFrames+100 {
				t.Errorf("%d frames, want %d", got, leadFrames+100)
			}
		}
		frame := int64(size.Width * size.Height * 3 / 2)
		if peak[1]-peak[0] > 20*frame {
			t.Errorf("with a grid: %v: %d frames more are in memory with a picture every 4 s than with one a second", grid != nil, (peak[1]-peak[0])/frame)
		}
	}
}
