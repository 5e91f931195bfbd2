package encode

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// The bytes that a single-pass encode spends on the first frame and on the end of a segment depend
// on the frames before and after it. A segment that is encoded alone must spend the same.
func TestASegmentSpendsAsManyBytesAsASinglePass(t *testing.T) {
	tools := ffmpegtest.Find(t)
	film := ffmpegtest.Clip(t, "film.mp4", 3, "-vf", "gblur=2,rotate=t/4", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
	stream, err := probe.Inspect(t.Context(), tools, ffmpeg.Input{Location: film, Demuxer: "mov"})
	if err != nil {
		t.Fatal(err)
	}
	tb, rate := stream.Streams[0].Timebase, stream.Streams[0].AverageRate
	second := tb.Den / tb.Num
	start, end := second, 2*second
	for _, c := range []struct {
		codec, encoder, preset string
		crf                    float64
		end                    bool // the encoder looks past the end, too
	}{{"h264", "libx264", "medium", 21, true}, {"h265", "libx265", "ultrafast", 24, false}} {
		onePass := filepath.Join(t.TempDir(), "one.mp4")
		private := map[string]string{
			"h264": "sync-lookahead=0", "h265": "log-level=error:open-gop=0:pools=2:frame-threads=1:lookahead-slices=0",
		}[c.codec]
		ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-i", film, "-c:v", c.encoder, "-preset", c.preset, "-crf", fmt.Sprint(c.crf),
			"-threads", "2", "-"+strings.TrimPrefix(c.encoder, "lib")+"-params", private,
			"-force_key_frames", "1,2", "-forced-idr", "1", "-pix_fmt", "yuv420p", onePass)
		alone := func(contextFrames bool) []int {
			path := filepath.Join(t.TempDir(), fmt.Sprint(contextFrames, ".mp4"))
			v := Video{
				Input: ffmpeg.Input{Location: film, Demuxer: "mov"}, Timebase: tb, Start: &start, End: &end, Threads: 2, ContextFrames: contextFrames, Frames: 25,
				Renditions: []Rendition{{Codec: c.codec, CRF: c.crf, Preset: c.preset, PixelFormat: "yuv420p", FrameRate: rate, Path: path}},
			}
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &ffmpeg.FrameLog{}, Limits: process.Unlimited()}); err != nil {
				t.Fatal(err)
			}
			return sizes(t, path, ffmpeg.Offset+1, ffmpeg.Offset+2)
		}
		want, got, cold := sizes(t, onePass, 1, 2), alone(true), alone(false)
		if len(want) != 25 || len(got) != 25 {
			t.Fatalf("%s: %d frames in a single pass, %d in the segment; want 25", c.codec, len(want), len(got))
		}
		check := func(where string, from, to int) {
			ratio := func(list []int) float64 { return float64(sum(list[from:to])) / float64(sum(want[from:to])) }
			t.Logf("%s, %s: %.3f of a single pass's bytes, %.3f without padding", c.codec, where, ratio(got), ratio(cold))
			if off(ratio(got)) > 0.03 || off(ratio(got)) > off(ratio(cold))/2 {
				t.Errorf("%s, %s: %.3f of a single pass's bytes; %.3f without padding", c.codec, where, ratio(got), ratio(cold))
			}
		}
		check("first frame", 0, 1)
		if c.end {
			check("second half", 13, 25)
		}
	}
}

func off(ratio float64) float64 { return max(ratio-1, 1-ratio) }

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

// sizes returns the bytes of each frame with from ≤ time < to, in seconds, in the order of
// presentation.
func sizes(t *testing.T, path string, from, to float64) (list []int) {
	t.Helper()
	out := ffmpegtest.Exec(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,size", "-of", "csv=p=0", "file:"+path)
	type frame struct {
		at   float64
		size int
	}
	var frames []frame
	for line := range strings.Lines(out) {
		var f frame
		if _, err := fmt.Sscanf(line, "%f,%d", &f.at, &f.size); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if f.at > from-0.001 && f.at < to-0.001 {
			frames = append(frames, f)
		}
	}
	slices.SortFunc(frames, func(a, b frame) int { return int(1000 * (a.at - b.at)) })
	for _, f := range frames {
		list = append(list, f.size)
	}
	return list
}

func TestABranchGetsOnlyTheFramesItsEncoderNeeds(t *testing.T) {
	start, end := int64(1000), int64(2000)
	args := strings.Join(VideoArgs(Video{
		Input: ffmpeg.Input{Location: "/a.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 1000}, Start: &start, End: &end, ContextFrames: true, Frames: 300,
		Renditions: []Rendition{
			{Codec: "h264", CRF: 21, Preset: "medium", PixelFormat: "yuv444p", FrameRate: media.Rational{Num: 25, Den: 1}, Path: "a.mp4"},
			{Codec: "vp9", CRF: 31, Preset: "4", PixelFormat: "yuv444p", FrameRate: media.Rational{Num: 25, Den: 1}, Path: "b.mp4"},
		},
	}), " ")
	for _, want := range []string{
		",trim=end_pts=3600,split=2", // 40 frames of 40 ticks
		"[s0]format=yuv444p,split[a0][b0];[a0]trim=end_frame=1,loop=loop=11:size=1:start=0,setpts=520+N*40[c0];[c0][b0]interleave,settb=1/1000[v0]",
		"[s1]trim=end_pts=2000,format=yuv444p[v1]",
		":zones=312,2147483647,q=51,subme=0,me=dia,ref=1,trellis=0 -force_key_frames 1.000000,2.000000 -forced-idr 1",
		"-g 100", // a single pass sets three in its first 300 frames
	} {
		if !strings.Contains(args, want) {
			t.Errorf("arguments lack %q:\n%s", want, args)
		}
	}
}

// A single-pass encode sets a keyframe at each interval. Segments that begin elsewhere must have as
// many in total: more cost bytes, fewer cost quality.
func TestSegmentsHaveAsManyIntervalKeyframesAsASinglePass(t *testing.T) {
	const interval = 128
	keyframes := func(p padding, before int64) int {
		args := p.evenKeyframes(before, interval)
		group, err := strconv.Atoi(args[1])
		if err != nil || args[0] != "-g" {
			t.Fatalf("options %q", args)
		}
		if group >= 2*interval {
			t.Errorf("%d frames after %d: a keyframe every %d frames", p.frames, before, group)
		}
		return (p.frames + group - 1) / group
	}
	for _, c := range []struct {
		segments []int // frames
		want     int
	}{
		{[]int{285, 268, 167}, 6}, // 720 frames: 0, 128, …, 640
		{[]int{256, 256, 256}, 6},
		{[]int{285, 195}, 4}, // only 384 in the second
		{[]int{165, 165, 165, 165}, 6},
		{[]int{100, 100, 100, 100}, 4}, // each begins with one
		{[]int{240, 240, 240, 240}, 8},
		{[]int{1}, 1},
	} {
		got, before := 0, int64(0)
		for _, frames := range c.segments {
			got += keyframes(padding{frames: frames}, before)
			before += int64(frames)
		}
		if got != c.want {
			t.Errorf("segments of %v frames have %d keyframes, want %d", c.segments, got, c.want)
		}
	}
	if args := (padding{}).evenKeyframes(0, interval); args != nil {
		t.Errorf("an unknown number of frames gives %q", args)
	}
}

func TestCopiesBeforeAMidSceneKeyframeAreEncodedWorse(t *testing.T) {
	start, end := int64(1000), int64(2000)
	for _, c := range []struct {
		midScene bool
		end      *int64
		want     string
	}{
		{false, &end, ":zones=312,"},
		{true, &end, ":zones=0,11,b=0.75/312,"},
		{true, nil, ":zones=0,11,b=0.75 "},
		{false, nil, ""},
	} {
		args := strings.Join(VideoArgs(Video{
			Input: ffmpeg.Input{Location: "/a.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 1000}, Start: &start, End: c.end, ContextFrames: true,
			Frames: 300, MidScene: c.midScene,
			Renditions: []Rendition{{Codec: "h264", CRF: 21, Preset: "medium", FrameRate: media.Rational{Num: 25, Den: 1}, Path: "a.mp4"}},
		}), " ")
		if c.want == "" && strings.Contains(args, "zones=") || !strings.Contains(args, c.want) {
			t.Errorf("mid scene %v: arguments lack %q:\n%s", c.midScene, c.want, args)
		}
	}
}
