package encode

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/process"
)

// sources are videos that cannot be cut correctly by seconds.
var sources = []struct {
	name, demuxer string
	args          []string
}{
	{"B-frames.mp4", "mov", []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3"}},
	{"open-GOP.mp4", "mov", []string{
		"-c:v", "libx264", "-preset", "veryfast", "-x264-params", "open-gop=1:keyint=25:min-keyint=25:bframes=3:b-adapt=0",
	}},
	{"HEVC-open-GOP.mp4", "mov", []string{
		"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:open-gop=1:keyint=25:min-keyint=25:bframes=3:b-adapt=0",
	}},
	{"variable-rate.mkv", "matroska", []string{
		"-vf", "select='not(eq(mod(n,7),3))*not(between(n,30,41))'", "-fps_mode", "vfr",
		"-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-bf", "2",
	}},
	{"B-frames.mkv", "matroska", []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3"}},
	{"open-GOP.mkv", "matroska", []string{
		"-c:v", "libx264", "-preset", "veryfast", "-x264-params", "open-gop=1:keyint=25:min-keyint=25:bframes=3:b-adapt=0",
	}},
	{"late-start.mkv", "matroska", []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-output_ts_offset", "3.5"}},
	{"edit-list.mp4", "mov", []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-output_ts_offset", "0.72"}},
	{"odd-rate.mp4", "mov", []string{
		"-vf", "fps=30000/1001", "-c:v", "libx264", "-preset", "veryfast", "-g", "25",
	}},
}

// Encoding the segments with a lossless codec must give the frames of the whole source, one for
// one.
func TestSegmentsCoverTheFramesExactly(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			path := ffmpegtest.Clip(t, source.name, 3, source.args...)
			in, stream := ffmpegtest.Stream(t, tools, path, source.demuxer, "video")
			film := ffmpegtest.Videos(t, path)[0]
			want, keys := ffmpegtest.PTS(film.Packets), ffmpegtest.Keyframes(film.Packets)
			if len(keys) < 3 {
				t.Fatalf("the clip has only %d keyframes", len(keys))
			}
			between := []int64{want[len(want)/5], want[len(want)/2] - 1, want[len(want)*4/5] + 1}
			for _, cut := range []struct {
				where string
				at    []int64
			}{{"at keyframes", keys[1:]}, {"between keyframes", between}} {
				var got []int64
				var chunks []string
				var logs [][]int64 // of the chunks
				for i := range len(cut.at) + 1 {
					v := Video{
						Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2,
						Renditions: []Rendition{{
							Codec: "h264", CRF: 0, Preset: "ultrafast", FrameRate: stream.AverageRate,
							Path: filepath.Join(t.TempDir(), strconv.Itoa(i)+".mp4"),
						}},
					}
					if i > 0 {
						v.Start = &cut.at[i-1]
						v.Seek, v.NextKeyframe = keyframes(keys, cut.at[i-1])
					}
					if i < len(cut.at) {
						v.End = &cut.at[i]
					}
					var frames ffmpeg.FrameLog
					if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
						t.Fatalf("%s, segment %d: %v", cut.where, i, err)
					}
					logged := ffmpegtest.Before(frames.PTS(), v.End)
					if v.End != nil && len(logged) == len(frames.PTS()) {
						t.Errorf("%s, segment %d: the log does not have the frame after the segment", cut.where, i)
					}
					got = append(got, logged...)
					chunks, logs = append(chunks, v.Renditions[0].Path), append(logs, logged)
				}
				var shown []string
				for i, chunk := range ffmpegtest.Videos(t, chunks...) {
					var expected []int64
					for _, pts := range logs[i] {
						expected = append(expected, pts*stream.Timebase.Num+ffmpeg.Offset*stream.Timebase.Den)
					}
					if diff := cmp.Diff(expected, ffmpegtest.PTS(chunk.Packets)); diff != "" {
						t.Errorf("%s, segment %d: timestamps (-frame log +chunk):\n%s", cut.where, i, diff)
					}
					shown = append(shown, chunk.Frames...)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: timestamps (-source +segments):\n%s", cut.where, diff)
				}
				if !slices.Equal(shown, film.Frames) {
					t.Errorf("%s: the frames of the segments differ from those of the source: %d and %d", cut.where, len(shown), len(film.Frames))
				}
			}
		})
	}
}

// keyframes returns the last keyframe at or before a tick, and the one after that.
func keyframes(keys []int64, at int64) (seek, next *int64) {
	for i, key := range keys {
		if key > at {
			return seek, &keys[i]
		}
		seek = &keys[i]
	}
	return seek, nil
}
