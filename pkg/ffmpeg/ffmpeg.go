// Package ffmpeg is everything mapreel does with the programs ffmpeg and ffprobe, 5.1 or newer.
//
// Tools are the two programs as found on this machine. An Input is one source as they may open it: a location, the
// demuxer that we chose from its first bytes (Sniff), and the protocols that it may use. Probe tells what an Input
// holds. VideoArgs, AudioArgs, SplitArgs and RemuxArgs are pure: they turn a description of the work into the exact
// argument list. Run runs such a list, with progress, limits and a clean end, and turns a failing exit into an error
// of a fault kind.
//
// Encoding the frames from tick 12800 up to, not including, tick 135680 of stream 0:
//
//	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
//	args := ffmpeg.VideoArgs(ffmpeg.Video{
//		Input: ffmpeg.Input{Location: "/in/film.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 12800},
//		Seek: new(int64(12800)), Start: new(int64(12800)), End: new(int64(135680)), Threads: 2,
//		Renditions: []ffmpeg.Rendition{{Codec: "h264", CRF: 21, Preset: "medium", Path: "/scratch/0001.mp4"}},
//	})
//	var frames ffmpeg.FrameLog
//	usage, err := ffmpeg.Run(ctx, tools.FFmpeg, args, ffmpeg.RunOptions{Pipe: &frames})
//	fmt.Println(frames.PTS(), usage.CPU)
//
// Times are integers: ticks of a stream's own timebase where a media.Rational says so, microseconds elsewhere.
package ffmpeg

import (
	"fmt"
)

// seconds writes microseconds as ffmpeg's time options take them: "-1.000023".
func seconds(us int64) string {
	sign := ""
	magnitude := uint64(us)
	if us < 0 {
		sign, magnitude = "-", -magnitude
	}
	return fmt.Sprintf("%s%d.%06d", sign, magnitude/1_000_000, magnitude%1_000_000)
}
