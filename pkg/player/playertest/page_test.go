package playertest

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/player"
)

// The page lists the choices, marks the chosen one, names a missing decoder, and begins where there is something to play.
func TestPageShowsChoicesAndProblems(t *testing.T) {
	modules, chromium := Browser(t)
	full := makePackage(t, false)
	text, err := os.ReadFile(filepath.Join(full, "film.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, full, "film.m3u8", strings.Replace(string(text), "DEFAULT=NO,AUTOSELECT=YES,URI=\"text", "DEFAULT=YES,AUTOSELECT=YES,URI=\"text", 1))
	dolby := t.TempDir()
	write(t, dolby, "film.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"dvh1.05.01\",RESOLUTION=16x16\nv.m3u8\n")
	single := t.TempDir()
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1", "-pix_fmt", "yuv420p", filepath.Join(single, "clip.mp4"))
	late := t.TempDir()
	if err := os.CopyFS(late, os.DirFS(full)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"audio-eng.m3u8", "audio-deu.m3u8"} {
		text, err := os.ReadFile(filepath.Join(late, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, late, name, regexp.MustCompile(`(#EXTINF.*\n.*\n){4}`).ReplaceAllString(string(text), "")) // four of six seconds
	}
	var pages []string
	for _, folder := range []string{full, dolby, single, late} {
		p, err := player.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(p)
		t.Cleanup(func() { server.Close(); _ = p.Close() })
		pages = append(pages, server.URL)
	}
	work := t.TempDir()
	arguments, err := json.Marshal(map[string]any{"chromium": chromium, "profile": filepath.Join(work, "profile"), "pages": pages, "modules": modules})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "page.mjs", string(arguments))
	cmd.WaitDelay = 10 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("open the pages: %v\n%s", err, stderr.String())
	}
	type choice struct {
		Options []string `json:"options"`
		Chosen  string   `json:"chosen"`
	}
	type shown struct {
		Title   string            `json:"title"`
		Problem string            `json:"problem"`
		Time    string            `json:"time"`
		Errors  []string          `json:"errors"`
		Choices map[string]choice `json:"choices"`
	}
	var got []shown
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	for i := range got { // without the bitrates, which depend on the encoder
		for _, c := range got[i].Choices {
			for n, o := range c.Options {
				if at := strings.LastIndex(o, ", "); at > 0 {
					c.Options[n] = o[:at]
				}
			}
		}
	}
	want := []shown{
		{Title: "film.m3u8", Time: "00:00 / 00:06", Errors: []string{}, Choices: map[string]choice{
			"levels":    {[]string{"automatic", "160×90, H.264", "320×180, H.264"}, "automatic"},
			"audio":     {[]string{"English", "Deutsch"}, "English"},
			"subtitles": {[]string{"off", "English"}, "English"},
		}},
		{Title: "film.m3u8", Errors: []string{}, Choices: map[string]choice{}},
		{Title: "clip.mp4", Time: "00:00 / 00:01", Errors: []string{}, Choices: map[string]choice{}},
	}
	want = append(want, want[0])
	want[3].Time = "00:04 / 00:06" // where there is sound
	if !strings.HasPrefix(got[1].Problem, "This browser lacks the decoders for this package") {
		t.Errorf("for Dolby Vision the page shows %q", got[1].Problem)
	}
	got[1].Problem = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
