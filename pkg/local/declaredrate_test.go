package local_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Players and parsers take the frame rate from the parameter sets where the container rounds times to milliseconds.
func TestOutputsDeclareTheirFrameRate(t *testing.T) {
	t.Parallel()
	picture := []string{"-f", "lavfi", "-i", "testsrc2=size=192x108:rate=24000/1001:duration=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "24"}
	film := clip(t, "film.mkv", picture...)
	variable := args(picture, []string{"-vf", "select='gte(t,2)+not(mod(n,5))'", "-fps_mode", "vfr"})
	uneven := args(picture, []string{"-vf", "settb=1/90000,setpts='PTS+gt(mod(N,5),2)*1000'", "-fps_mode", "vfr", "-enc_time_base", "1:90000"}) // Matroska's index lists sync frames only
	for name, c := range map[string]struct{ source, video, units, scale string }{
		"H.264":                    {film, `{"preset": "ultrafast"}`, "1001", "48000"},
		"H.264 of MP4":             {clip(t, "film.mp4", picture...), `{"preset": "ultrafast"}`, "1001", "48000"},
		"H.264 of TS":              {clip(t, "film.ts", picture...), `{"preset": "ultrafast"}`, "1001", "48000"},
		"H.264, variable":          {clip(t, "variable.mkv", uneven...), `{"preset": "ultrafast"}`, "", ""},
		"H.264, variable, of MP4":  {clip(t, "variable.mp4", variable...), `{"preset": "ultrafast"}`, "", ""},
		"H.264, variable, of TS":   {clip(t, "variable.ts", variable...), `{"preset": "ultrafast"}`, "", ""},
		"H.264, variable to 25":    {clip(t, "variable2.mkv", variable...), `{"preset": "ultrafast", "frameRate": 25}`, "1", "50"},
		"H.265":                    {film, `{"codec": "h265", "preset": "ultrafast"}`, "1001", "24000"},
		"H.265, variable":          {clip(t, "variable3.mkv", uneven...), `{"codec": "h265", "preset": "ultrafast"}`, "", ""},
		"H.265, variable, to 50/3": {clip(t, "variable4.mp4", variable...), `{"codec": "h265", "preset": "ultrafast", "frameRate": "50/3"}`, "3", "50"},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if _, err := run(context.Background(), packageRequest(t, c.source, out, `{"name": "out", "video": [`+c.video+`]}`), t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
			text, err := exec.Command("ffmpeg", "-v", "trace", "-i", filepath.Join(out, "out.mp4"), "-frames:v", "1", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-").CombinedOutput()
			if err != nil {
				t.Fatal(err)
			}
			field := func(name string) string {
				found := regexp.MustCompile(`\s(?:vui_)?` + name + `\s.* = ([0-9]+)\n`).FindSubmatch(text)
				if found == nil {
					return ""
				}
				return string(found[1])
			}
			present := "0"
			if c.units != "" {
				present = "1"
			}
			if got := field("timing_info_present_flag"); got != present {
				t.Errorf("timing_info_present_flag is %q, want %s", got, present)
			}
			if units, scale := field("num_units_in_tick"), field("time_scale"); units != c.units || scale != c.scale {
				t.Errorf("a tick is %s/%s s, want %s/%s", units, scale, c.units, c.scale)
			}
		})
	}
}
