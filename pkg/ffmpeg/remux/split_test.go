package remux

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

func TestSplitArgsAreExactlyThese(t *testing.T) {
	got := SplitArgs(Split{
		Input: ffmpeg.Input{Location: "/in/a.avi", Demuxer: "avi"}, Stream: 1, Timebase: media.Rational{Num: 1001, Den: 30000}, Start: -1_500_000, Seconds: 10,
	})
	want := strings.Fields("-hide_banner -nostdin -loglevel warning -y -progress pipe:1 -nostats -copyts -fflags +genpts " + ffmpegtest.AllocationLimits +
		" -protocol_whitelist file -f avi -i file:/in/a.avi -map 0:1 -map_metadata -1 -map_chapters -1 -c:v copy -copyinkf -copytb 1 " +
		"-fflags +bitexact -avoid_negative_ts disabled -output_ts_offset 2 -f segment -segment_format mp4 -segment_format_options " +
		"movflags=empty_moov+default_base_moof+frag_discont+frag_keyframe:video_track_timescale=30000:use_editlist=0:" +
		"fflags=bitexact:avoid_negative_ts=disabled:output_ts_offset=8 " +
		"-segment_time 10 -segment_list_type csv -segment_list pipe:3 %06d.mp4")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// A packet of AV1 that cannot be parsed is left out, and no other.
func TestSplitLeavesOutWhatCannotBeParsed(t *testing.T) {
	got := SplitArgs(Split{Input: ffmpeg.Input{Location: "/in/a.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 25}, Seconds: 10, Parsed: true})
	if at := slices.Index(got, "trace_headers"); at < 0 || got[at-1] != "-bsf:v" || at > slices.Index(got, "segment") {
		t.Errorf("arguments %q", got)
	}
}

// unindexed are sources without an index, or without random access. genpts marks those whose
// packets lack times.
var unindexed = []struct {
	name, demuxer string
	args          []string
	genpts        bool
}{
	{name: "h264.ts", demuxer: "mpegts", args: []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3"}},
	{name: "hours-late.ts", demuxer: "mpegts", args: []string{
		"-c:v", "libx264", "-preset", "veryfast", "-output_ts_offset", "36000.5",
		"-x264-params", "open-gop=1:keyint=25:min-keyint=25:bframes=3:b-adapt=0",
	}},
	{name: "hevc.ts", demuxer: "mpegts", args: []string{
		"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:open-gop=1:keyint=25:min-keyint=25:bframes=3:b-adapt=0",
	}},
	{name: "mpeg2.ts", demuxer: "mpegts", args: []string{"-c:v", "mpeg2video", "-g", "15", "-bf", "2"}},
	{name: "h264.flv", demuxer: "flv", args: []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3"}},
	{name: "fragmented.mp4", demuxer: "mov", args: []string{
		"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3", "-movflags", "frag_keyframe+empty_moov",
	}},
	{name: "live.mkv", demuxer: "matroska", args: []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3", "-live", "1"}},
	{name: "mpeg4.avi", demuxer: "avi", args: []string{"-c:v", "mpeg4", "-g", "25", "-bf", "2"}, genpts: true},
	{name: "ntsc.avi", demuxer: "avi", args: []string{"-r", "30000/1001", "-c:v", "mpeg4", "-g", "25", "-bf", "2"}, genpts: true},
	{name: "mjpeg.avi", demuxer: "avi", args: []string{"-c:v", "mjpeg"}},
	{name: "mpeg2.mpg", demuxer: "mpeg", args: []string{"-c:v", "mpeg2video", "-g", "15", "-bf", "2"}, genpts: true},
	{name: "mpeg2.mxf", demuxer: "mxf", args: []string{"-c:v", "mpeg2video", "-g", "15", "-bf", "2"}},
}

// Split into source chunks and encoded by ticks, a source must give every frame at its own time.
func TestSourceChunksHaveEveryFrameAtItsTime(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, source := range unindexed {
		t.Run(source.name, func(t *testing.T) {
			path := ffmpegtest.Clip(t, source.name, 5, source.args...)
			in, stream := ffmpegtest.Stream(t, tools, path, source.demuxer, "video")
			probed, err := probe.Inspect(t.Context(), tools, in)
			if err != nil {
				t.Fatal(err)
			}
			if !Splittable(source.demuxer, stream) {
				t.Fatal("not splittable")
			}
			dir := t.TempDir()
			split := Split{Input: in, Stream: stream.Index, Timebase: stream.Timebase, Start: probed.Start, Seconds: 2}
			var chunks []SourceChunk
			log := &SourceChunkLog{Split: split, Each: func(p SourceChunk) error {
				if info, err := os.Stat(filepath.Join(dir, p.Name)); err != nil || info.Size() < 1000 {
					t.Errorf("%s was announced before it was complete", p.Name)
				}
				chunks = append(chunks, p)
				return nil
			}}
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, SplitArgs(split), ffmpeg.RunOptions{Dir: dir, Pipe: log, Limits: process.Unlimited()}); err != nil {
				t.Fatal(err)
			}
			if len(chunks) < 2 || len(chunks) > 3 {
				t.Fatalf("%d source chunks of 2 s in 5 s: %v", len(chunks), chunks)
			}

			decode := []string{"-copyts"}
			if source.genpts {
				decode = append(decode, "-fflags", "+genpts")
			}
			whole := ffmpegtest.Frames(t, append(decode, "-i", "file:"+path, "-map", "0:v:0")...)
			want := frameTimes(t, path, source.genpts, stream.Timebase)

			var got []int64
			var shown []string
			timebase := media.Rational{Num: 1, Den: split.Timebase.Den}
			bound := func(i int) *int64 {
				tick := (chunks[i].Start*timebase.Den + 500_000) / 1_000_000
				return &tick
			}
			for i := range chunks {
				v := encode.Video{
					Input:    ffmpeg.Input{Location: filepath.Join(dir, chunks[i].Name), Demuxer: "mov", TimestampOffset: ffmpeg.Offset},
					Timebase: timebase, Threads: 1,
					Renditions: []encode.Rendition{{Codec: "h264", CRF: 0, Preset: "ultrafast", Path: filepath.Join(t.TempDir(), "a.mp4")}},
				}
				if i > 0 {
					v.Start = bound(i)
				}
				if i < len(chunks)-1 {
					v.End, v.Input.Next = bound(i+1), filepath.Join(dir, chunks[i+1].Name)
				}
				var frames ffmpeg.FrameLog
				if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, encode.VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
					t.Fatalf("source chunk %d: %v", i, err)
				}
				got = append(got, ffmpegtest.Before(frames.PTS(), v.End)...)
				if stream.PixelFormat == "yuv420p" { // lossless only where H.264's format is the source's
					shown = append(shown, ffmpegtest.Frames(t, "-i", "file:"+v.Renditions[0].Path)...)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("timestamps (-source +source chunks):\n%s", diff)
			}
			if stream.PixelFormat == "yuv420p" && !slices.Equal(whole, shown) {
				t.Errorf("the frames of the source chunks differ from those of the source: %d and %d", len(shown), len(whole))
			}
		})
	}
}

// frameTimes returns ffprobe's timestamps of the decoded frames, in ticks of 1/Den.
func frameTimes(t *testing.T, path string, genpts bool, timebase media.Rational) []int64 {
	t.Helper()
	args := []string{"-v", "error"}
	if genpts {
		args = append(args, "-fflags", "+genpts")
	}
	out := ffmpegtest.Exec(t, "ffprobe", append(args, "-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp", "-of", "csv=p=0", "file:"+path)...)
	var ticks []int64
	for line := range strings.Lines(out) {
		text := strings.Trim(strings.TrimSpace(line), ",")
		if text == "" {
			continue
		}
		n := output.Count(text, -1)
		if n < 0 {
			t.Fatalf("ffprobe %s: frame without timestamp", path)
		}
		ticks = append(ticks, n*timebase.Num)
	}
	return ticks
}

// A source that cannot be split exactly must still be encodable as a whole.
func TestUnsplittableSourcesCanBeEncodedWhole(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, source := range []struct {
		name, demuxer string
		args          []string
	}{
		{"h264.avi", "avi", []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3"}},
		{"wmv2.wmv", "asf", []string{"-c:v", "wmv2"}},
		{"theora.ogv", "ogg", []string{"-c:v", "libtheora"}},
	} {
		path := ffmpegtest.Clip(t, source.name, 2, source.args...)
		in, stream := ffmpegtest.Stream(t, tools, path, source.demuxer, "video")
		if Splittable(source.demuxer, stream) {
			t.Errorf("%s: splittable", source.name)
		}
		v := encode.Video{
			Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2,
			Renditions: []encode.Rendition{{Codec: "h264", CRF: 40, Preset: "ultrafast", Path: filepath.Join(t.TempDir(), "a.mp4")}},
		}
		var frames ffmpeg.FrameLog
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, encode.VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
			t.Fatalf("%s: %v", source.name, err)
		}
		pts := frames.PTS()
		if !slices.IsSorted(pts) || len(slices.Compact(slices.Clone(pts))) != 50 {
			t.Errorf("%s: want 50 timestamps in ascending order, got: %v", source.name, pts)
		}
	}
}

// parse returns the source chunks of a list that SplitArgs wrote.
func parse(s Split, list string) ([]SourceChunk, error) {
	var chunks []SourceChunk
	log := SourceChunkLog{Split: s, Each: func(c SourceChunk) error { chunks = append(chunks, c); return nil }}
	_, err := log.Write([]byte(list))
	return chunks, err
}

func TestSplitLogParsesTheList(t *testing.T) {
	got, err := parse(Split{Start: 3600_500_000}, "000000.mp4,0.000000,2.083333\n000001.mp4,2.083333,3.5\n")
	want := []SourceChunk{{"000000.mp4", 3600_000_000, 3602_083_333}, {"000001.mp4", 3602_083_333, 3603_500_000}}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chunks (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"x\n", "a.mp4,1\n", "a.mp4,1,x\n", "../a.mp4,1,2\n", ",1,2\n", "\"a\n"} {
		if got, err := parse(Split{}, bad); err == nil {
			t.Errorf("%q gave %v, want an error", bad, got)
		}
	}
}

func FuzzSplitLog(f *testing.F) {
	f.Add("000000.mp4,0.000000,2.083333\n000001.mp4,2.083333,3.083333\n")
	f.Add("\"a,b\",-1.5,2\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		chunks, err := parse(Split{}, text)
		if err != nil {
			return
		}
		for _, p := range chunks {
			if p.Name == "" || strings.Contains(p.Name, "/") {
				t.Errorf("accepted a source chunk named %q", p.Name)
			}
		}
	})
}

func TestASourceWhoseClockJumpsIsReadWithAllStreams(t *testing.T) {
	t.Parallel()
	in := ffmpeg.Input{Location: "/in.ts", Demuxer: "mpegts", Jumps: &ffmpeg.Jumps{Start: 11_376_778, Also: []int{1}, Decoded: []int{2}}}
	split := strings.Join(SplitArgs(Split{Input: in, Timebase: media.Rational{Num: 1, Den: 90000}, Start: 11_376_778, Seconds: 2}), " ")
	audio := strings.Join(encode.AudioArgs(encode.Audio{Input: in, Stream: 1, Codec: "copy", Muxer: "mp4", Path: "/out"}), " ")
	for name, args := range map[string]string{"split": split, "audio": audio} {
		if strings.Contains(args, "-copyts") || !strings.Contains(args, "21376778us") ||
			!strings.HasSuffix(args, " -map 0:1 -map 0:2 -c copy -c:a pcm_s16le -f null -") {
			t.Errorf("%s: %s", name, args)
		}
	}
}
