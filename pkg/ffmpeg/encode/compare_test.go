package encode

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
)

// The encoder's copies of the first frame and the frames after the segment are not compared, and neither is anything encoded.
func TestCompareArgs(t *testing.T) {
	t.Parallel()
	v := Video{
		Input: ffmpeg.Input{Location: "/in.mp4", Demuxer: "mov"}, Timebase: media.Rational{Num: 1, Den: 12800}, Threads: 2, ContextFrames: true,
		Seek: new(int64(0)), Start: new(int64(12800)), End: new(int64(25600)), Packets: "packets.txt",
		Renditions: []Rendition{{
			Codec: "h264", Preset: "medium", Width: 320, Height: 180, PixelFormat: "yuv420p",
			FrameRate: media.Rational{Num: 25, Den: 1}, Path: "/work/0.mp4",
		}},
		Pictures: []Pictures{{Path: "picture-0-%d.jpg"}},
	}
	c := Comparison{From: new(int64(140800)), To: new(int64(153600)), Timebase: media.Rational{Num: 1, Den: 12800}}
	head := "-hide_banner -nostdin -loglevel warning -nostats -copyts -filter_complex_threads 2 " + ffmpegtest.AllocationLimits +
		" -threads 2 -protocol_whitelist file -f mov -i file:/in.mp4 -threads 2 " + strings.Replace(ffmpegtest.AllocationLimits, "142606336", "9437184", 1) + " -f mov -i file:/work/0.mp4 -filter_complex "
	graph := `[0:0]trim=start_pts=12800,metadata=mode=add:key=mapreel:value=1,metadata=mode=print:key=mapreel:file=pipe\\:3,trim=end_pts=25600,` +
		"scale=320:180:flags=bicubic,format=yuv420p[v0];[v0]settb=1/25,setpts=N,setsar=1[original];" +
		"[1:v:0]settb=1/12800,trim=start_pts=140800:end_pts=153600,format=yuv420p,settb=1/25,setpts=N,setsar=1[encoded];"
	for measure, want := range map[Measure]string{
		EncodedFrames: "-hide_banner -nostdin -loglevel warning -nostats -copyts -threads 2 " + strings.Replace(ffmpegtest.AllocationLimits, "142606336", "9437184", 1) +
			" -f mov -i file:/work/0.mp4 -filter_complex [0:v:0]settb=1/12800,trim=start_pts=140800:end_pts=153600,format=yuv420p,settb=1/25,setpts=N[encoded] " +
			"-map [encoded] -fps_mode passthrough -f rawvideo pipe:1",
		RawFrames: head + graph + "[original][encoded]vstack=shortest=1[compared] -map [compared] -fps_mode passthrough -f rawvideo pipe:1",
		MeasureSSIM: head + graph + `[encoded][original]ssim=shortest=1,metadata=mode=print:key=lavfi.ssim.All:file=pipe\\:1[compared] ` +
			"-map [compared] -fps_mode passthrough -f null -",
		MeasureVMAF: head + graph + "[encoded][original]libvmaf=shortest=1:log_fmt=json:log_path=vmaf.json[compared] " +
			"-map [compared] -fps_mode passthrough -f null -",
	} {
		c.Measure = measure
		if diff := cmp.Diff(strings.Fields(want), CompareArgs(v, c)); diff != "" {
			t.Errorf("measure %d (-want +got):\n%s", measure, diff)
		}
	}
}
