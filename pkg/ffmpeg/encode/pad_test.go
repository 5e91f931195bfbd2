package encode

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// Black is 16 in limited range and 0 in full range.
func TestBarsAreBlackInTheRangeOfThePicture(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	for _, c := range []struct {
		rangeName string
		black     byte
	}{{"tv", 16}, {"pc", 0}} {
		t.Run(c.rangeName, func(t *testing.T) {
			t.Parallel()
			const width, height, bar = 160, 90, 15
			path := ffmpegtest.Clip(t, c.rangeName+".mp4", 1, "-vf", "scale=160:90:out_range="+c.rangeName+",format="+map[string]string{"tv": "yuv420p", "pc": "yuvj420p"}[c.rangeName],
				"-c:v", "libx264", "-preset", "ultrafast")
			in, stream := ffmpegtest.Stream(t, tools, path, "mov", "video")
			out := filepath.Join(t.TempDir(), "out.mp4")
			args := VideoArgs(Video{
				Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2,
				Renditions: []Rendition{{
					Codec: "h264", CRF: 0, Preset: "ultrafast", FrameRate: stream.AverageRate, Width: width, Height: height,
					Frame: media.Size{Width: width, Height: height + 2*bar + 2}, PixelFormat: "yuv420p", Color: media.Color{Range: c.rangeName}, Path: out,
				}},
			})
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, args, ffmpeg.RunOptions{Pipe: &ffmpeg.FrameLog{}, Limits: process.Unlimited()}); err != nil {
				t.Fatal(err)
			}
			luma := func(path string) []byte {
				raw := filepath.Join(t.TempDir(), "raw")
				ffmpegtest.Exec(t, tools.FFmpeg, "-v", "error", "-i", path, "-map", "0:v", "-frames:v", "1", "-f", "rawvideo", raw)
				data, err := os.ReadFile(raw)
				if err != nil {
					t.Fatal(err)
				}
				return data[:len(data)*2/3]
			}
			source, padded := luma(path), luma(out)
			if top := padded[:width*bar]; !bytes.Equal(top, bytes.Repeat([]byte{c.black}, len(top))) {
				t.Errorf("the bar begins with luma %d, want %d", top[0], c.black)
			}
			if picture := padded[width*(bar+1):][:len(source)]; !bytes.Equal(picture, source) {
				t.Error("the picture is changed")
			}
		})
	}
}
