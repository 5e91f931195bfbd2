// Package ffmpeg finds and runs ffmpeg and ffprobe, 5.1 or newer.
//
// Tools holds the two programs found on this machine. Input is a source as they may open it: a
// location, a forced demuxer and the protocols it may use. Run runs an argument list with progress,
// limits and a clean end, and turns a failing exit into an error of a fault kind.
//
// The argument lists, and the parsers of what the programs write, are in the packages below this
// one:
//
//   - probe: which container a file is, and which streams it holds
//   - encode: encode a segment of a video track or a part of an audio track
//   - remux: copy streams: split a source, write Matroska, extract subtitles, covers and
//     attachments
//   - decode: decode whole streams to raw frames and samples
//
// Encoding the frames from tick 12800 up to, not including, tick 135680 of stream 0:
//
//	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
//	args := encode.VideoArgs(encode.Video{
//		Input: ffmpeg.Input{Location: "/in/film.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 12800},
//		Seek: new(int64(12800)), Start: new(int64(12800)), End: new(int64(135680)), Threads: 2,
//		Renditions: []encode.Rendition{{Codec: "h264", CRF: 21, Preset: "medium", Path: "/scratch/0001.mp4"}},
//	})
//	var frames ffmpeg.FrameLog
//	limits := budget.Worker{}.Limit(ctx, budget.Video{Width: 1920, Height: 1080, Frames: 250}.Limits())
//	usage, err := ffmpeg.Run(ctx, tools.FFmpeg, args, ffmpeg.RunOptions{Pipe: &frames, Limits: limits})
//	fmt.Println(frames.PTS(), usage.CPU)
//
// Times are integers: ticks of a stream's timebase where a media.Rational states it, microseconds
// elsewhere.
package ffmpeg
