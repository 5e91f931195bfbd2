package ffmpeg

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sources are films that a cut by seconds gets wrong.
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

// Encoding the parts with a lossless codec must give the pictures of the whole, one for one.
func TestSegmentsPartitionTheFramesExactly(t *testing.T) {
	tools := found(t)
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			path := clip(t, source.name, 3, source.args...)
			in, stream := streamOf(t, tools, path, source.demuxer, "video")
			all := packets(t, path, "v:0")
			want := times(all)
			whole := pictures(t, "-i", "file:"+path, "-map", "0:v:0")

			var keys []int64
			for _, p := range all {
				if p.key {
					keys = append(keys, p.pts)
				}
			}
			if len(keys) < 3 {
				t.Fatalf("the clip has only %d keyframes", len(keys))
			}
			between := []int64{want[len(want)/5], want[len(want)/2] - 1, want[len(want)*4/5] + 1}
			for _, cut := range []struct {
				where string
				at    []int64
			}{{"at keyframes", keys[1:]}, {"between keyframes", between}} {
				var got []int64
				var parts []string
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
					var frames FrameLog
					if _, err := Run(t.Context(), tools.FFmpeg, VideoArgs(v), RunOptions{Pipe: &frames}); err != nil {
						t.Fatalf("%s, part %d: %v", cut.where, i, err)
					}
					part := packets(t, v.Renditions[0].Path, "v:0")
					var placed []int64
					for _, pts := range frames.PTS() {
						placed = append(placed, pts*stream.Timebase.Num+Offset*stream.Timebase.Den)
					}
					if diff := cmp.Diff(placed, times(part)); diff != "" {
						t.Errorf("%s, part %d: frames of the piece against frames taken (-taken +piece):\n%s", cut.where, i, diff)
					}
					got = append(got, frames.PTS()...)
					parts = append(parts, pictures(t, "-i", "file:"+v.Renditions[0].Path)...)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: timestamps (-source +parts):\n%s", cut.where, diff)
				}
				if !slices.Equal(parts, whole) {
					t.Errorf("%s: the pictures of the parts differ from those of the whole: %d and %d", cut.where, len(parts), len(whole))
				}
			}
		})
	}
}

// keyframes are the last keyframe at or before a tick, and the one after that.
func keyframes(keys []int64, at int64) (seek, next *int64) {
	for i, key := range keys {
		if key > at {
			return seek, &keys[i]
		}
		seek = &keys[i]
	}
	return seek, nil
}
