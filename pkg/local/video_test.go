package local_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

// frameHashes returns the hashes of a file's frames after an ffmpeg filter, in one pass.
func frameHashes(t *testing.T, path, filter string) []string {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", "0:v:0", "-vf", filter,
		"-fps_mode", "passthrough", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("decoding %s: %v", path, err)
	}
	var hashes []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); !strings.HasPrefix(line, "#") && len(fields) > 0 {
			hashes = append(hashes, fields[len(fields)-1])
		}
	}
	return hashes
}

// Filters that read neighbouring frames must not see the boundaries of segments: encoded without loss, the frames are those
// of the same filter in one pass.
func TestFiltersDoNotSeeSegmentBoundaries(t *testing.T) {
	t.Parallel()
	const deinterlace = "bwdif=mode=send_frame:deint=interlaced"
	still := func(rate string) string { return "setpts=PTS-STARTPTS,fps=" + rate }
	moving := func(rate, seconds string) []string {
		return []string{"-f", "lavfi", "-i", "testsrc2=size=128x72:rate=" + rate + ":duration=" + seconds}
	}
	x264 := []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "2"}
	fields := args(moving("50", "5"), []string{"-vf", "interlace=scan=tff"})
	whole := clip(t, "24.mp4", args(moving("24", "5"), x264)...)
	for _, c := range []struct {
		name, source string
		video        film.Video
		filter       string
	}{
		{"fields in MPEG-TS", clip(t, "i.ts", args(fields, []string{"-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", "12", "-bf", "2", "-q:v", "3"})...), film.Video{}, deinterlace},
		{"fields in Matroska", clip(t, "i.mkv", args(fields, x264, []string{"-flags", "+ildct+ilme"})...), film.Video{}, deinterlace},
		{"fields that are kept", clip(t, "k.mp4", args(fields, x264, []string{"-flags", "+ildct+ilme"})...), film.Video{Interlaced: film.KeepInterlaced}, "null"},
		{"24 to 30", whole, film.Video{FrameRate: film.FrameRate{Num: 30, Den: 1}}, still("30")},
		{"24 to 30000/1001 in MPEG-TS", clip(t, "24.ts", "-i", whole, "-c", "copy"), film.Video{FrameRate: film.FrameRate{Num: 30000, Den: 1001}}, still("30000/1001")},
		{"60 to 25", clip(t, "60.mkv", args(moving("60", "4"), x264)...), film.Video{FrameRate: film.FrameRate{Num: 25, Den: 1}}, still("25")},
		{"variable with a hole to 24", clip(t, "vfr.mkv", args(moving("24", "6"), []string{
			"-vf", "select='not(eq(mod(n,7),3))*not(between(n,50,100))'", "-fps_mode", "vfr",
		}, x264)...), film.Video{FrameRate: film.FrameRate{Num: 24, Den: 1}}, still("24")},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := t.TempDir()
			req := request(c.source, out, "mp4")
			c.video.CRF, c.video.Preset = new(0), "ultrafast"
			req.Outputs[0].Video = []film.Video{c.video}
			report, err := run(t.Context(), req, t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if report.Units["video"] < 2 {
				t.Fatalf("%d segment has no boundary", report.Units["video"])
			}
			result := filepath.Join(out, "out.mp4")
			got, want := frameHashes(t, result, "null"), frameHashes(t, c.source, c.filter)
			if !slices.Equal(got, want) {
				t.Errorf("%d frames are not those of one pass, which has %d", len(got), len(want))
			}
			if rate := c.video.FrameRate; rate.Num > 0 {
				times, _ := pts(t, result)
				for i, at := range times {
					if d := at - float64(int64(i)*rate.Den)/float64(rate.Num); d > 2e-6 || d < -2e-6 {
						t.Fatalf("frame %d is shown at %.6f s", i, at)
					}
				}
			}
		})
	}
}

// appearance returns what ffprobe reports of a video's dimensions and colour.
func appearance(t *testing.T, path string) map[string]string {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
		"stream=width,height,pix_fmt,sample_aspect_ratio,field_order,color_range,color_space,color_transfer,color_primaries:stream_side_data",
		"-of", "json", "file:"+path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	var answer struct{ Streams []map[string]any }
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Streams) != 1 {
		t.Fatalf("%s: %v", out, err)
	}
	reported := map[string]string{}
	for key, v := range answer.Streams[0] {
		data, _ := json.Marshal(v)
		reported[key] = strings.Trim(string(data), `"`)
	}
	return reported
}

func TestVideoKeepsItsDimensionsAndColour(t *testing.T) {
	t.Parallel()
	small := []string{"-f", "lavfi", "-i", "testsrc2=size=161x91:rate=10:duration=2"}
	hdr := clip(t, "hdr.mkv", args(small, []string{
		"-vf", "scale=160:90,format=yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
		"log-level=error:keyint=10:master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50):max-cll=1000,400",
		"-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv",
	})...)
	light := []string{"35400/50000", "1000", "400"} // red's x, and the light levels
	pq := map[string]string{"pix_fmt": "yuv420p10le", "color_transfer": "smpte2084", "color_primaries": "bt2020", "color_space": "bt2020nc", "color_range": "tv"}
	lossless := func(name string, more ...string) string {
		return clip(t, name, args(small, more, []string{"-c:v", "ffv1", "-g", "10"})...)
	}
	odd := lossless("odd.mkv", "-pix_fmt", "yuv422p10le")
	tagged := clip(t, "tagged.mp4", args(small, []string{
		"-vf", "scale=160:96,setsar=64/45", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-color_primaries", "bt470bg",
		"-color_trc", "gamma28", "-colorspace", "bt470bg", "-color_range", "pc",
	})...)
	looks := map[string]string{
		"width": "160", "height": "96", "sample_aspect_ratio": "64:45", "color_range": "pc", "color_space": "bt470bg", "color_transfer": "bt470bg",
		"color_primaries": "bt470bg", "field_order": "progressive",
	}
	if reported := appearance(t, tagged); reported["color_transfer"] != "" {
		looks["color_transfer"] = reported["color_transfer"]
	}
	turned := clip(t, "turned.mp4", "-i", tagged, "-c", "copy", "-metadata:s:v", "rotate=90")
	type output struct {
		name, source, file string
		video              film.Video
		want               map[string]string
		side               []string
		warns              bool
	}
	outputsOf := map[string][]output{}
	for _, c := range []output{
		{"HDR10 in HEVC in MP4", hdr, "mp4", film.Video{Codec: film.H265, Preset: "ultrafast"}, pq, light, false},
		{"HDR10 in AV1 in MP4", hdr, "mp4", film.Video{Codec: film.AV1, Preset: "12"}, pq, light, false},
		{"HDR10 in VP9 in WebM", hdr, "webm", film.Video{Codec: film.VP9, Preset: "8"}, pq, []string{"177/250", "1000", "400"}, false},
		{"HDR10 in H.264", hdr, "mp4", film.Video{Preset: "ultrafast"}, map[string]string{
			"pix_fmt": "yuv420p", "color_transfer": "bt709", "color_primaries": "bt709", "color_space": "bt709", "color_range": "tv",
		}, nil, true},
		{"colour and shape", tagged, "mp4", film.Video{Preset: "ultrafast"}, looks, nil, false},
		{"shape in Matroska, smaller", tagged, "mkv", film.Video{Preset: "ultrafast", Height: 48}, map[string]string{
			"width": "80", "height": "48", "sample_aspect_ratio": "64:45", "color_range": "pc",
		}, nil, false},
		{"turned", turned, "mp4", film.Video{Preset: "ultrafast"}, map[string]string{"width": "96", "height": "160", "sample_aspect_ratio": "45:64"}, nil, false},
		{"odd in H.264", odd, "mp4", film.Video{Preset: "ultrafast"}, map[string]string{"width": "160", "height": "90", "pix_fmt": "yuv420p"}, nil, true},
		{"odd in HEVC", odd, "mp4", film.Video{Codec: film.H265, Preset: "ultrafast"}, map[string]string{"width": "160", "height": "90", "pix_fmt": "yuv420p10le"}, nil, true},
		{"a row of RGB in HEVC", lossless("row.mkv", "-vf", "format=gbrp,crop=63:1"), "mp4", film.Video{Codec: film.H265, Preset: "ultrafast"}, map[string]string{
			"width": "64", "height": "64", "color_space": "bt709", "color_range": "tv",
		}, nil, true},
		{"a row in VP9", lossless("row4.mkv", "-vf", "format=yuv444p,crop=63:1"), "webm", film.Video{Codec: film.VP9, Preset: "8"}, map[string]string{"width": "62", "height": "2"}, nil, true},
	} {
		outputsOf[c.source] = append(outputsOf[c.source], c)
	}
	for source, list := range outputsOf {
		out := t.TempDir()
		req := request(source, out, "mp4")
		req.Outputs = nil
		for i, c := range list {
			req.Outputs = append(req.Outputs, film.Output{Name: fmt.Sprintf("out%d", i), Container: film.Container(c.file), Video: []film.Video{c.video}})
		}
		report, err := run(t.Context(), req, t.TempDir(), nil)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		for i, c := range list {
			name := fmt.Sprintf("out%d.%s", i, c.file)
			reported := appearance(t, filepath.Join(out, name))
			side := reported["side_data_list"]
			got := map[string]string{}
			for key := range c.want {
				got[key] = reported[key]
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			for _, part := range c.side {
				if !strings.Contains(side, part) {
					t.Errorf("%s: %s is missing in %s", c.name, part, side)
				}
			}
			if c.side == nil && side != "" {
				t.Errorf("%s: side data %s", c.name, side)
			}
			if warned := slices.ContainsFunc(report.Warnings, func(w string) bool { return strings.HasPrefix(w, name+":") }); warned != c.warns {
				t.Errorf("%s: warnings %q", c.name, report.Warnings)
			}
		}
	}
}
