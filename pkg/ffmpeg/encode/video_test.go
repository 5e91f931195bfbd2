package encode

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

func TestVideoArgsAreExactlyThese(t *testing.T) {
	start, end, next := int64(12800), int64(135680), int64(38400)
	film := ffmpeg.Input{Location: "/in/a film: 100%.mp4", Demuxer: "mov"}
	hdr := media.HDR{
		Mastering: &media.Mastering{
			Red: [2]int64{35400, 14600}, Green: [2]int64{8500, 39850}, Blue: [2]int64{6550, 2300},
			White: [2]int64{15635, 16450}, Max: 10_000_000, Min: 50,
		},
		Light: &media.ContentLight{MaxCLL: 1000, MaxFALL: 400},
	}
	common := "-hide_banner -nostdin -loglevel warning -y -progress pipe:1 -nostats -copyts"
	mark := `metadata=mode=add:key=mapreel:value=1,metadata=mode=print:key=mapreel:file=pipe\\:3`
	out := func(timebase, scale string) (before, after string) {
		return "-map_metadata -1 -map_chapters -1 -fps_mode passthrough -enc_time_base " + timebase,
			"-fflags +bitexact -flags:v +bitexact -video_track_timescale " + scale + " -avoid_negative_ts disabled " +
				"-output_ts_offset 10 -use_editlist 0 -movflags empty_moov+default_base_moof+frag_discont+frag_keyframe -f mp4"
	}
	before, after := out("1:12800", "12800")
	oddBefore, oddAfter := out("1001:30000", "30000")
	for _, test := range []struct {
		name    string
		v       Video
		want    []string // split at spaces, with the replacements below
		replace map[string]string
	}{
		{
			name: "H.264 of a segment of an MP4",
			v: Video{
				Input: film, Stream: 1, Timebase: media.Rational{Num: 1, Den: 12800}, Seek: &start, Start: &start, End: &end, Threads: 2,
				Renditions: []Rendition{{
					Codec: "h264", CRF: 21, Preset: "medium", PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 24000, Den: 1001},
					SAR: media.Rational{Num: 16, Den: 15}, Color: media.Color{Range: "tv", Space: "bt709", Transfer: "unknown", Primaries: "bt709", ChromaLocation: "left"},
					Path: "0001.mp4",
				}},
			},
			want: []string{
				common, "-filter_complex_threads 2 -noaccurate_seek -seek_timestamp 1 -ss 1.000000 " + ffmpegtest.AllocationLimits + " -threads 2",
				"-protocol_whitelist file -f mov -i FILM -filter_complex",
				"[0:1]trim=start_pts=12800," + mark + ",trim=end_pts=135680,crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,format=yuv420p," +
					"setsar=sar=16/15:max=16,setparams=range=tv:color_primaries=bt709:colorspace=bt709[v0]",
				"-map [v0]", before,
				"-c:v libx264 -chroma_sample_location left -preset medium -crf 21 -threads 2 -x264-params sync-lookahead=0:fps=24000/1001",
				after, "file:0001.mp4",
			},
			replace: map[string]string{"FILM": "file:/in/a film: 100%.mp4"},
		},
		{
			name: "H.264 and AV1 with options of their own, and H.265 on a GPU",
			v: Video{
				Input: ffmpeg.Input{Location: "/in/a.avi", Demuxer: "avi"}, Timebase: media.Rational{Num: 1001, Den: 30000}, Threads: 4,
				Renditions: []Rendition{
					{Codec: "h264", CRF: 24, Preset: "slow", Options: "rc-lookahead=20:me=umh", Profile: "high", Level: "4.1", Width: 64, Path: "a.mp4"},
					{Codec: "av1", CRF: 30, Preset: "6", Options: "tune=0", Grain: 8, Width: 64, Path: "b.mp4"},
					{Codec: "h265", GPU: true, CRF: 30, Preset: "p5", Options: "spatial-aq=1:bf=2", Profile: "main10", PixelFormat: "p010le", Width: 64, Path: "c.mp4"},
					{Codec: "h264", CRF: 30, Preset: "fast", Options: "me=umh:keyint=48", Width: 64, Path: "d.mp4"},
				},
			},
			want: []string{
				common, "-filter_complex_threads 4 " + ffmpegtest.AllocationLimits + " -threads 4 -protocol_whitelist file -f avi -i file:/in/a.avi -filter_complex",
				"[0:0]" + mark + ",split=4[s0][s1][s2][s3];[s0]scale=64:-2:flags=bicubic[v0];[s1]scale=64:-2:flags=bicubic[v1];" +
					"[s2]scale=64:-2:flags=bicubic,format=p010le[v2];[s3]scale=64:-2:flags=bicubic[v3]",
				"-map [v0]", oddBefore, "-c:v libx264 -profile:v high -level:v 4.1 -preset slow -crf 24 -threads 4",
				"-x264-params sync-lookahead=0:rc-lookahead=20:me=umh", oddAfter, "file:a.mp4",
				"-map [v1]", oddBefore, "-c:v libsvtav1 -preset 6 -crf 30 -svtav1-params irefresh-type=2:lp=4:film-grain=8:tune=0", oddAfter, "file:b.mp4",
				"-map [v2]", oddBefore, "-c:v hevc_nvenc -preset p5 -rc vbr -cq 30 -b:v 0 -profile:v main10 -spatial-aq 1 -bf 2 -tag:v hvc1", oddAfter, "file:c.mp4",
				"-map [v3]", oddBefore, "-c:v libx264 -preset fast -crf 30 -threads 4 -x264-params sync-lookahead=0", oddAfter, "file:d.mp4",
			},
		},
		{
			name: "H.265 and AV1 with HDR10 from one decode, the whole of an AVI",
			v: Video{
				Input: ffmpeg.Input{Location: "/in/a.avi", Demuxer: "avi"}, Timebase: media.Rational{Num: 1001, Den: 30000}, Threads: 4,
				Renditions: []Rendition{
					{Codec: "h265", CRF: 24, Preset: "slow", PixelFormat: "yuv420p10le", Height: 1080, FrameRate: media.Rational{Num: 30000, Den: 1001}, HDR: hdr, Path: "a.mp4"},
					{Codec: "av1", CRF: 30, Preset: "6", Width: 640, Height: 360, FrameRate: media.Rational{Num: 30000, Den: 1001}, HDR: hdr, Path: "b.mp4"},
				},
			},
			want: []string{
				common, "-filter_complex_threads 4 " + ffmpegtest.AllocationLimits + " -threads 4 -protocol_whitelist file -f avi -i file:/in/a.avi -filter_complex",
				"[0:0]" + mark + ",split=2[s0][s1];[s0]scale=-2:1080:flags=bicubic,format=yuv420p10le[v0];[s1]scale=640:360:flags=bicubic[v1]",
				"-map [v0]", oddBefore, "-c:v libx265 -preset slow -crf 24 -tag:v hvc1 -x265-params",
				"log-level=warning:open-gop=0:pools=4:frame-threads=2:lookahead-slices=0:fps=30000/1001:" +
					"master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50):max-cll=1000,400",
				oddAfter, "file:a.mp4",
				"-map [v1]", oddBefore, "-c:v libsvtav1 -preset 6 -crf 30 -svtav1-params",
				"irefresh-type=2:lp=4:fps-num=30000:fps-denom=1001:mastering-display=G(0.17000,0.79700)B(0.13100,0.04600)" +
					"R(0.70800,0.29200)WP(0.31270,0.32900)L(1000.0000,0.0050):content-light=1000,400",
				oddAfter, "file:b.mp4",
			},
		},
		{
			name: "VP9, deinterlaced, from a Matroska URL",
			v: Video{
				Input: ffmpeg.Input{Location: "https://host/a.mkv?sig=x", Demuxer: "matroska"}, Stream: 0, Timebase: media.Rational{Num: 1, Den: 12800},
				Seek: &start, NextKeyframe: &next, Start: &start,
				Renditions: []Rendition{{Deinterlace: true, Codec: "vp9", CRF: 32, Preset: "2", PixelFormat: "yuv444p", Path: "/s/a.mp4"}},
			},
			want: []string{
				common, "-filter_complex_threads 1 -noaccurate_seek -seek_timestamp 1 -ss 1.130435 " + ffmpegtest.AllocationLimits + " -threads 1",
				"-protocol_whitelist https,tls,tcp -tls_verify 1 -reconnect 1 -reconnect_on_network_error 1",
				"-reconnect_on_http_error 5xx -reconnect_delay_max 4 -rw_timeout 30000000",
				"-f matroska -i https://host/a.mkv?sig=x -filter_complex",
				"[0:0]bwdif=mode=send_frame:deint=interlaced,settb=1/12800,trim=start_pts=12800," + mark + ",format=yuv444p[v0]",
				"-map [v0]", before,
				"-c:v libvpx-vp9 -crf 32 -b:v 0 -deadline good -cpu-used 2 -row-mt 1 -threads 1",
				after, "file:/s/a.mp4",
			},
		},
		{
			name: "interlaced, and a constant rate with tone mapping, from three source chunks",
			v: Video{
				Input:    ffmpeg.Input{Location: "b.mp4", Previous: []string{"a.mp4"}, Next: "c.mp4", Demuxer: "mov", TimestampOffset: ffmpeg.Offset},
				Timebase: media.Rational{Num: 1, Den: 12800}, Start: &start, End: &end, Threads: 2,
				Renditions: []Rendition{
					{
						Codec: "h264", CRF: 21, Preset: "ultrafast", Width: 160, Height: 88, Crop: media.Size{Width: 160, Height: 88}, PixelFormat: "yuv420p",
						Interlaced: "tff", Color: media.Color{Range: "pc"}, Path: "a.mp4",
					},
					{
						Codec: "av1", CRF: 30, Preset: "8", Width: 16, Height: 90, Frame: media.Size{Width: 64, Height: 90}, PixelFormat: "yuv420p10le", Deinterlace: true,
						FromRGB: true, ToneMap: &ToneMap{From: media.Color{Transfer: "smpte2084", Range: "tv"}, Peak: 1000},
						Grid: &Grid{Rate: media.Rational{Num: 30, Den: 1}, Origin: 12800, First: 3, End: new(int64(7)), Scale: 15360}, Path: "b.mp4",
					},
				},
			},
			want: []string{
				common, "-filter_complex_threads 2 " + ffmpegtest.AllocationLimits + " -threads 2 -protocol_whitelist file,concat -itsoffset -10 -f mov",
				"-i concat:file:a.mp4|file:b.mp4|file:c.mp4 -filter_complex",
				"[0:0]" + mark + ",split=2[s0][s1];" +
					"[s0]trim=start_pts=12800:end_pts=135680,crop=160:88:0:0,scale=160:88:flags=bicubic:in_range=pc:out_range=pc:interl=1," +
					"format=yuv420p,setparams=field_mode=tff:range=pc[v0];" +
					"[s1]bwdif=mode=send_frame:deint=interlaced,settb=1/12800,setpts=PTS-(12800),fps=fps=30/1:start_time=0:round=near," +
					"tpad=stop=-1:stop_mode=clone,trim=start_pts=3:end_pts=7," +
					"setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,zscale=t=linear:npl=203,format=gbrpf32le," +
					"zscale=p=bt709,tonemap=tonemap=mobius:desat=0:peak=4.92,zscale=t=bt709:m=bt709:r=tv:dither=ordered," +
					"scale=16:90:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p10le,pad=64:90:(ow-iw)/2:(oh-ih)/2[v1]",
				"-map [v0]", before, "-c:v libx264 -preset ultrafast -crf 21 -threads 2 -x264-params sync-lookahead=0",
				strings.Replace(after, "+bitexact -video", "+bitexact+ildct+ilme -video", 1), "file:a.mp4",
				"-map [v1]", strings.Replace(before, "1:12800", "1:30", 1), "-c:v libsvtav1 -preset 8 -crf 30 -g 4 -svtav1-params irefresh-type=2:lp=2",
				strings.Replace(after, "12800", "15360", 1), "file:b.mp4",
			},
			replace: map[string]string{},
		},
		{
			name: "NVENC from a source chunk and the one after it",
			v: Video{
				Input: ffmpeg.Input{Location: "/s/000001.mp4", Demuxer: "mov", Next: "/s/000002.mp4", TimestampOffset: ffmpeg.Offset}, Timebase: media.Rational{Num: 1, Den: 12800},
				Start: &start, End: &end, Threads: 4,
				Renditions: []Rendition{{Codec: "h265", GPU: true, CRF: 24, Preset: "p5", Width: 1280, Path: "a.mp4"}},
			},
			want: []string{
				common, "-filter_complex_threads 4 " + ffmpegtest.AllocationLimits + " -threads 4 -protocol_whitelist file,concat -itsoffset -10 -f mov",
				"-i concat:file:/s/000001.mp4|file:/s/000002.mp4 -filter_complex",
				"[0:0]trim=start_pts=12800," + mark + ",trim=end_pts=135680,scale=1280:-2:flags=bicubic[v0]",
				"-map [v0]", before, "-c:v hevc_nvenc -preset p5 -rc vbr -cq 24 -b:v 0 -tag:v hvc1", after, "file:a.mp4",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := strings.Fields(strings.Join(test.want, " "))
			for i := range want {
				if replaced, ok := test.replace[want[i]]; ok {
					want[i] = replaced
				}
			}
			if diff := cmp.Diff(want, VideoArgs(test.v)); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// A seek may land on the wanted keyframe or before it, whether or not ffmpeg subtracts seekMargin.
func TestSeekNeverLandsAfterTheKeyframe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		timebase := media.Rational{Num: rapid.Int64Range(1, 2000).Draw(t, "num"), Den: rapid.Int64Range(1, 1_000_000).Draw(t, "den")}
		key := rapid.Int64Range(0, 1<<32).Draw(t, "key")
		next := key + rapid.Int64Range(1, 1<<20).Draw(t, "gap")
		if (next-key)*timebase.Num*1_000_000 <= 2*timebase.Den {
			return // closer than frames can be
		}
		v := Video{Input: ffmpeg.Input{Demuxer: "matroska"}, Timebase: timebase, Seek: &key, NextKeyframe: &next}
		if rapid.Bool().Draw(t, "next unknown") {
			v.NextKeyframe = nil
		}
		us, ok := v.seek()
		if !ok {
			return // from the start of the file
		}
		// The tick that ffmpeg computes from microseconds: av_rescale rounds to the nearest.
		tick := (us*timebase.Den/timebase.Num + 500_000) / 1_000_000
		if us > 1<<42 {
			return // the line above would overflow
		}
		if tick >= next {
			t.Fatalf("-ss %d µs is tick %d, at or after the next keyframe %d (wanted %d)", us, tick, next, key)
		}
	})
}

// Found by the test above: with ticks of a quarter of a second, the margin was rounded up to the
// next keyframe.
func TestSeekKeepsHalfATickFree(t *testing.T) {
	key, next := int64(1), int64(2)
	v := Video{Input: ffmpeg.Input{Demuxer: "matroska"}, Timebase: media.Rational{Num: 2, Den: 8}, Seek: &key, NextKeyframe: &next}
	if got, _ := v.seek(); got != 250_000 {
		t.Errorf("-ss %d µs, want 250000", got)
	}
}

// If the next keyframe is known, a seek in Matroska starts at the wanted keyframe, not a whole GOP
// earlier.
func TestSeekInMatroskaReachesTheWantedKeyframe(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, bFrames := range []string{"3", "0"} {
		path := ffmpegtest.Clip(t, "a.mkv", 4, "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", bFrames)
		in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "video")
		keys := ffmpegtest.Keyframes(ffmpegtest.Packets(t, path, "v:0"))
		for i := 1; i < len(keys)-1; i++ {
			v := Video{
				Input: in, Stream: stream.Index, Timebase: stream.Timebase, Seek: &keys[i], NextKeyframe: &keys[i+1], Threads: 1,
				Renditions: []Rendition{{Codec: "h264", CRF: 30, Preset: "ultrafast", Path: filepath.Join(t.TempDir(), "a.mp4")}},
			}
			var frames ffmpeg.FrameLog
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
				t.Fatal(err)
			}
			if got := frames.PTS()[0]; got != keys[i] {
				t.Errorf("%s B-frames: decoding began at %d, want %d", bFrames, got, keys[i])
			}
		}
	}
}

// encodeOne runs VideoArgs for one rendition and returns the bytes of the chunk.
func encodeOne(ctx context.Context, t *testing.T, tools ffmpeg.Tools, v Video) []byte {
	t.Helper()
	v.Renditions = slices.Clone(v.Renditions)
	v.Renditions[0].Path = filepath.Join(t.TempDir(), "chunk.mp4")
	if _, err := ffmpeg.Run(ctx, tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(v.Renditions[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var everyCodec = []Rendition{
	{Codec: "h264", CRF: 28, Preset: "veryfast", PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 25, Den: 1}},
	{Codec: "h265", CRF: 30, Preset: "ultrafast", PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 25, Den: 1}},
	{Codec: "vp9", CRF: 40, Preset: "5", PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 25, Den: 1}},
	{Codec: "av1", CRF: 45, Preset: "12", PixelFormat: "yuv420p", FrameRate: media.Rational{Num: 25, Den: 1}},
}

// Merging joins the segments of a rendition under one sample description, so all must have the
// same.
func TestSegmentsOfARenditionHaveTheSameSampleDescription(t *testing.T) {
	tools := ffmpegtest.Find(t)
	// Missing frames make ffmpeg guess different frame rates for the two halves.
	path := ffmpegtest.Clip(t, "a.mp4", 4, "-vf", "select='lt(n,50)+not(mod(n,2))'", "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
	in, stream := ffmpegtest.Stream(t, tools, path, "mov", "video")
	middle := 2 * stream.Timebase.Den
	for _, r := range everyCodec {
		t.Run(r.Codec, func(t *testing.T) {
			r.FrameRate = stream.AverageRate
			v := Video{Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2, Renditions: []Rendition{r}}
			first, second := v, v
			first.End = &middle
			second.Seek, second.Start = &middle, &middle
			a, b := sampleDescription(t, encodeOne(t.Context(), t, tools, first)), sampleDescription(t, encodeOne(t.Context(), t, tools, second))
			if a != b {
				t.Errorf("the sample descriptions differ:\n%x\n%x", a, b)
			}
		})
	}
}

// sampleDescription returns the stsd box of a chunk.
func sampleDescription(t *testing.T, chunk []byte) string {
	t.Helper()
	at := strings.Index(string(chunk), "stsd")
	if at < 4 {
		t.Fatal("the chunk has no stsd box")
	}
	size := int(chunk[at-4])<<24 | int(chunk[at-3])<<16 | int(chunk[at-2])<<8 | int(chunk[at-1])
	return string(chunk[at-4 : at-4+size])
}

func TestRenditionsOfOneDecodeHaveTheSameFrames(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "odd.mkv", 2, "-vf", "crop=319:179:0:0,format=yuv444p", "-c:v", "ffv1")
	in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "video")
	dir := t.TempDir()
	start, end := int64(400), int64(1400)
	v := Video{
		Input: in, Stream: stream.Index, Timebase: stream.Timebase, Start: &start, End: &end, Threads: 2,
		Renditions: []Rendition{
			{Codec: "h264", CRF: 30, Preset: "ultrafast", PixelFormat: "yuv420p", Path: filepath.Join(dir, "source's size.mp4")},
			{Codec: "h264", CRF: 30, Preset: "ultrafast", PixelFormat: "yuv420p", Height: 90, SAR: media.Rational{Num: 1, Den: 1}, Path: filepath.Join(dir, "a'b:%d,[x];.mp4")},
		},
	}
	var frames ffmpeg.FrameLog
	if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	sizes := [][2]int{{318, 178}, {160, 90}}
	for i, r := range v.Renditions {
		if got := len(ffmpegtest.Packets(t, r.Path, "v:0")); got != 25 || len(ffmpegtest.Before(frames.PTS(), v.End)) != 25 {
			t.Errorf("%s: %d frames, and %d in the log, want 25", r.Path, got, len(ffmpegtest.Before(frames.PTS(), v.End)))
		}
		_, made := ffmpegtest.Stream(t, tools, r.Path, "mov", "video")
		if got := [2]int{made.Width, made.Height}; got != sizes[i] {
			t.Errorf("%s: size %v, want %v", r.Path, got, sizes[i])
		}
	}
}

func TestDeinterlacingKeepsFramesAndTimes(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "fields.mkv", 2, "-vf", "interlace", "-c:v", "libx264", "-preset", "ultrafast", "-flags", "+ilme+ildct", "-g", "12")
	in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "video")
	if stream.FieldOrder != "tt" && stream.FieldOrder != "tb" {
		t.Fatalf("the clip's field order is %q", stream.FieldOrder)
	}
	want := ffmpegtest.PTS(ffmpegtest.Packets(t, path, "v:0"))
	v := Video{
		Input: in, Stream: stream.Index, Timebase: stream.Timebase, Start: &want[6], End: &want[18],
		Renditions: []Rendition{{Deinterlace: true, Codec: "h264", CRF: 30, Preset: "ultrafast", Path: filepath.Join(t.TempDir(), "a.mp4")}},
	}
	var frames ffmpeg.FrameLog
	if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: &frames, Limits: process.Unlimited()}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[6:18], ffmpegtest.Before(frames.PTS(), v.End)); diff != "" {
		t.Errorf("timestamps (-source +log):\n%s", diff)
	}
	if _, made := ffmpegtest.Stream(t, tools, v.Renditions[0].Path, "mov", "video"); made.FieldOrder != "progressive" {
		t.Errorf("field order %q after deinterlacing, want progressive", made.FieldOrder)
	}
}

func TestEncodersWriteHDR10Metadata(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "a.mkv", 1, "-pix_fmt", "yuv420p10le", "-c:v", "ffv1")
	in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "video")
	hdr := media.HDR{
		Mastering: &media.Mastering{
			Red: [2]int64{35400, 14600}, Green: [2]int64{8500, 39850}, Blue: [2]int64{6550, 2300},
			White: [2]int64{15635, 16450}, Max: 10_000_000, Min: 50,
		},
		Light: &media.ContentLight{MaxCLL: 1000, MaxFALL: 400},
	}
	color := media.Color{Range: "tv", Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020", ChromaLocation: "topleft"}
	for _, r := range []Rendition{
		{Codec: "h264", CRF: 30, Preset: "ultrafast"},
		{Codec: "h265", CRF: 30, Preset: "ultrafast"},
		{Codec: "av1", CRF: 40, Preset: "12"},
	} {
		r.PixelFormat, r.FrameRate, r.HDR, r.Color = "yuv420p10le", media.Rational{Num: 25, Den: 1}, hdr, color
		r.Path = filepath.Join(t.TempDir(), "a.mp4")
		v := Video{Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2, Renditions: []Rendition{r}}
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
			t.Fatalf("%s: %v", r.Codec, err)
		}
		_, made := ffmpegtest.Stream(t, tools, r.Path, "mov", "video")
		if r.Codec == "h264" { // ffprobe 5.1 does not parse this SEI message of H.264, so search for green's coordinates
			data, err := os.ReadFile(r.Path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), "\x21\x34\x9b\xaa") {
				t.Error("h264: the stream has no mastering metadata")
			}
		} else if diff := cmp.Diff(hdr, made.HDR); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", r.Codec, diff)
		}
		if diff := cmp.Diff(color, made.Color); diff != "" {
			t.Errorf("%s: colour (-want +got):\n%s", r.Codec, diff)
		}
		if made.BitDepth != 10 {
			t.Errorf("%s: %d bits, want 10", r.Codec, made.BitDepth)
		}
	}
}

func TestThePixelAspectIsExact(t *testing.T) {
	t.Parallel()
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "a.mkv", 1, "-vf", "scale=160:96", "-c:v", "libx264", "-preset", "ultrafast")
	in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "video")
	for _, c := range []struct {
		codec, preset string
		sar           media.Rational
	}{
		{"h264", "ultrafast", media.Rational{Num: 853, Den: 720}},
		{"h264", "ultrafast", media.Rational{Num: 110, Den: 109}},
		{"h265", "ultrafast", media.Rational{Num: 720, Den: 853}},
		{"av1", "12", media.Rational{Num: 853, Den: 720}},
	} {
		v := Video{
			Input: in, Stream: stream.Index, Timebase: stream.Timebase, Renditions: []Rendition{{
				Codec: c.codec, CRF: 40, Preset: c.preset, Width: 160, Height: 96, PixelFormat: "yuv420p", SAR: c.sar,
				Path: filepath.Join(t.TempDir(), "a.mp4"),
			}},
		}
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, VideoArgs(v), ffmpeg.RunOptions{Pipe: io.Discard, Limits: process.Unlimited()}); err != nil {
			t.Fatal(err)
		}
		if _, made := ffmpegtest.Stream(t, tools, v.Renditions[0].Path, "mov", "video"); made.SAR != c.sar {
			t.Errorf("%s: pixel aspect %v, want %v", c.codec, made.SAR, c.sar)
		}
	}
}
