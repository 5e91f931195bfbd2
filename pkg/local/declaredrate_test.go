package local_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Players and parsers take the frame rate from the parameter sets where the container rounds times to milliseconds.
func TestOutputsDeclareTheirFrameRate(t *testing.T) {
	t.Parallel()
	picture := []string{"-f", "lavfi", "-i", "testsrc2=size=192x108:rate=24000/1001:duration=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "24"}
	variable := args(picture, []string{"-vf", "select='gte(t,2)+not(mod(n,5))'", "-fps_mode", "vfr"})
	uneven := args(picture, []string{"-vf", "settb=1/90000,setpts='PTS+gt(mod(N,5),2)*1000'", "-fps_mode", "vfr", "-enc_time_base", "1:90000"}) // Matroska's index lists sync frames only
	const x264, x265 = `"preset": "ultrafast"`, `"codec": "h265", "preset": "ultrafast"`
	type output struct{ name, video, units, scale string }
	for _, c := range []struct {
		source  string
		outputs []output
	}{
		{clip(t, "film.mkv", picture...), []output{{"H.264", x264, "1001", "48000"}, {"H.265", x265, "1001", "24000"}}},
		{clip(t, "film.mp4", picture...), []output{{"H.264 of MP4", x264, "1001", "48000"}}},
		{clip(t, "film.ts", picture...), []output{{"H.264 of TS", x264, "1001", "48000"}}},
		{clip(t, "uneven.mkv", uneven...), []output{{"H.264, variable", x264, "", ""}, {"H.265, variable", x265, "", ""}}},
		{clip(t, "variable.mp4", variable...), []output{{"H.264, variable, of MP4", x264, "", ""}, {"H.265, variable, to 50/3", x265 + `, "frameRate": "50/3"`, "3", "50"}}},
		{clip(t, "variable.ts", variable...), []output{{"H.264, variable, of TS", x264, "", ""}}},
		{clip(t, "variable.mkv", variable...), []output{{"H.264, variable to 25", x264 + `, "frameRate": 25`, "1", "50"}}},
	} {
		var wanted []string
		for i, o := range c.outputs {
			wanted = append(wanted, fmt.Sprintf(`{"name": "out%d", "video": [{%s}]}`, i, o.video))
		}
		out := t.TempDir()
		if _, err := run(t.Context(), packageRequest(t, c.source, out, strings.Join(wanted, ", ")), t.TempDir(), nil); err != nil {
			t.Fatalf("%s: %v", c.source, err)
		}
		for i, o := range c.outputs {
			text, err := exec.Command("ffmpeg", "-v", "trace", "-i", filepath.Join(out, fmt.Sprintf("out%d.mp4", i)), "-frames:v", "1", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-").CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v", o.name, err)
			}
			field := func(name string) string {
				found := regexp.MustCompile(`\s(?:vui_)?` + name + `\s.* = ([0-9]+)\n`).FindSubmatch(text)
				if found == nil {
					return ""
				}
				return string(found[1])
			}
			present := "0"
			if o.units != "" {
				present = "1"
			}
			if got := field("timing_info_present_flag"); got != present {
				t.Errorf("%s: timing_info_present_flag is %q, want %s", o.name, got, present)
			}
			if units, scale := field("num_units_in_tick"), field("time_scale"); units != o.units || scale != o.scale {
				t.Errorf("%s: a tick is %s/%s s, want %s/%s", o.name, units, scale, o.units, o.scale)
			}
		}
	}
}
