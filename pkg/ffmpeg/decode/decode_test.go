package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestArgsAreExactlyThese(t *testing.T) {
	in := ffmpeg.Input{Location: "/in/a.ts", Demuxer: "mpegts", Jumps: &ffmpeg.Jumps{Start: 1_400_000, Also: []int{1}, Decoded: []int{2}}}
	head := "-hide_banner -nostdin -loglevel level+warning -nostats "
	for _, test := range []struct {
		name string
		got  []string
		want string
	}{
		{
			"video", VideoArgs(Video{
				Input: ffmpeg.Input{Location: "/in/a.mp4", Demuxer: "mov"}, Stream: 1, Timebase: media.Rational{Num: 1, Den: 12800},
				Threads: 2, Deinterlace: true, CropWidth: 62, CropHeight: 34, Width: 32, Height: 18, PixelFormat: "yuv420p", Matrix: "bt470bg",
			}),
			head + "-copyts " + ffmpegtest.AllocationLimits + " -threads 2 -protocol_whitelist file -f mov -i file:/in/a.mp4 -filter_complex " +
				"[0:1]bwdif=mode=send_frame:deint=interlaced,settb=1/12800,metadata=mode=add:key=mapreel:value=1," +
				`metadata=mode=print:key=mapreel:file=pipe\\:3:direct=1,crop=62:34:0:0:exact=1,` +
				"scale=32:18:flags=bicubic:out_range=tv:out_color_matrix=bt470,format=yuv420p[v] " +
				"-map [v] -fps_mode passthrough -enc_time_base 1:12800 -f rawvideo pipe:1",
		},
		{
			"audio whose clock jumps", AudioArgs(in, 2, 44100, Part{}),
			head + ffmpegtest.AllocationLimits + " -protocol_whitelist file -f mpegts -i file:/in/a.ts -filter_complex " +
				"[0:2]aresample=44100,asettb=1/sr,astats=metadata=1:measure_overall=Number_of_samples:measure_perchannel=none," +
				`ametadata=mode=print:key=lavfi.astats.Overall.Number_of_samples:file=pipe\\:3:direct=1,` +
				"aformat=sample_fmts=s16:channel_layouts=mono,aresample=8000[a] -map [a] -f s16le pipe:1 " +
				"-map 0:1 -map 0:2 -c copy -c:a pcm_s16le -f null -",
		},
	} {
		if diff := cmp.Diff(strings.Fields(test.want), test.got); diff != "" {
			t.Errorf("%s: arguments (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestAudioLogFindsGaps(t *testing.T) {
	frame := -1
	line := func(pts, total string) string {
		frame++
		return fmt.Sprintf("frame:%d", frame) + "    pts:" + pts + "    pts_time:0\n" + sampleCount + "=" + total + "\n"
	}
	var log AudioLog
	text := line("-1024", "1024.000000") + line("60", "2048.000000") + line("50000", "3072.000000")
	if _, err := log.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	want := []SampleRun{{First: 0, PTS: -1024}, {First: 2048, PTS: 50000}}
	if diff := cmp.Diff(want, log.Runs); diff != "" || log.Total != 3072 {
		t.Errorf("%d samples, want 3072; runs (-want +got):\n%s", log.Total, diff)
	}
	var late AudioLog // by 448 samples, of one frame each
	text = line("0", "576") + line("1024", "1152") + line("1152", "2176") + line("2176", "2304") + line("2752", "3328") + line("3328", "3904") +
		line("4350", "4928") + line("5374", "5952")
	if _, err := late.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]SampleRun{{}, {First: 3904, PTS: 4350}}, late.Runs); diff != "" {
		t.Errorf("frames with a wrong time (-want +got):\n%s", diff)
	}
	frame = -1 // the parameters change: ffmpeg counts anew
	if _, err := log.Write([]byte(line("51024", "1152.000000") + line("52176", "2304.000000"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, log.Runs); diff != "" || log.Total != 5376 {
		t.Errorf("%d samples after a change, want 5376; runs (-want +got):\n%s", log.Total, diff)
	}
	for _, bad := range []string{"frame:0 pts:NOPTS\n", "frame:0\n", "x\n", sampleCount + "=x\n", sampleCount + "=-1\n"} {
		if _, err := (&AudioLog{}).Write([]byte(bad)); err == nil {
			t.Errorf("%q is accepted, want an error", bad)
		}
	}
}
