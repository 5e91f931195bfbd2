// Package playertest tests packages with real players: hls.js and dash.js in headless Chromium play
// every rung to its end, seek, and switch rungs.
//
//	playertest.Play(t, "out", "film.m3u8", playertest.Options{})
//
// It needs Node, the development tools of package.json, and Chromium. If one is missing, the test is
// skipped with a message.
package playertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	_ "embed"

	"github.com/mapreel/mapreel/pkg/player"
)

// Options hold what a test expects of its package. A zero field is not compared.
type Options struct {
	// Frames is the number of video frames in each rung; 0 is not compared.
	Frames int
	// Duration is the presentation's length in seconds; 0 is not compared.
	Duration float64
	// Rate is the playback speed; 0 means 4. Software decodes small frames much faster than that, but
	// players refill their buffers only a few times per second.
	Rate float64
}

// Report is what the player observed.
type Report struct {
	Player         string   `json:"player"`
	Rungs          []string `json:"rungs"` // "640x360"
	AudioTracks    int      `json:"audioTracks"`
	SubtitleTracks int      `json:"subtitleTracks"`
	Plays          []Played `json:"plays"`
	Seeks          []Seek   `json:"seeks"`
	Switches       []Switch `json:"switches"`
	Problems       []string `json:"problems"` // errors of the player, fatal or not, and of requests
}

// Played describes the playback of one rung from start to end. Times are seconds of the presentation.
type Played struct {
	Rung       string  `json:"rung"`
	Size       string  `json:"size"` // of the last frame shown
	Ended      bool    `json:"ended"`
	Stalls     int     `json:"stalls"` // waits for media after the start
	Jumps      int     `json:"jumps"`  // seeks that the player made to skip a gap
	Start      float64 `json:"start"`  // of the buffered range
	Duration   float64 `json:"duration"`
	End        float64 `json:"end"`
	Gaps       int     `json:"gaps"`
	Buffered   string  `json:"buffered"`
	Frames     int     `json:"frames"` // decoded, whether shown or dropped
	Corrupted  int     `json:"corrupted"`
	FirstFrame float64 `json:"firstFrame"`
}

// Seek is a seek and its result.
type Seek struct {
	Target  float64 `json:"target"`
	At      float64 `json:"at"`
	Arrived bool    `json:"arrived"`
	Moved   bool    `json:"moved"` // played on from there
}

// Switch is a change to another rung.
type Switch struct {
	To string `json:"to"`
	OK bool   `json:"ok"`
}

// The programs that drive Chromium.
var (
	//go:embed browser.mjs
	browserProgram []byte
	//go:embed play.mjs
	playScript []byte
	//go:embed frames.mjs
	framesScript []byte
	//go:embed trick.mjs
	trickScript []byte
	//go:embed thumbnails.mjs
	thumbnailsScript []byte
	//go:embed rates.mjs
	ratesScript []byte
)

// libraries are the players' files in their npm packages.
var libraries = map[string]string{
	"hls": "hls.js/dist/hls.min.js", "dash": "dashjs/dist/modern/umd/dash.all.min.js", "shaka": "shaka-player/dist/shaka-player.compiled.js",
}

// seeks are the targets, as fractions of the duration: forwards and backwards, across segments, near
// both ends.
var seeks = []float64{0.53, 0.12, 0.87, 0.35, 0.02}

// Play plays the playlist of the package in folder, a .m3u8 with hls.js and a .mpd with dash.js. It
// fails the test for each stall, gap and error, and for each seek or switch that did not work. It
// returns the report for further checks.
func Play(t testing.TB, folder, playlist string, o Options) Report {
	t.Helper()
	kind := "hls"
	if strings.HasSuffix(playlist, ".mpd") {
		kind = "dash"
	}
	if o.Rate == 0 {
		o.Rate = 4
	}
	out := browse(t, playScript, folder, playlist, kind, map[string]any{"seeks": seeks, "rate": o.Rate})
	var report Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("play %s: %v in %q", playlist, err, out)
	}
	for _, problem := range check(report, o) {
		t.Errorf("%s: %s", playlist, problem)
	}
	return report
}

// Frames seeks to each of times, in seconds, in each rung of the playlist of the package in folder, and
// returns the numbers of the frames that it then shows, for each rung from the smallest. The player is
// "hls", "dash" or "shaka". A frame shows the lowest bits of its number, so many, in columns of equal
// width from the left: white for 1. -1 stands for a frame of another rung.
func Frames(t testing.TB, folder, playlist, player string, times []float64, bits int) [][]int {
	t.Helper()
	return readFrames(t, folder, playlist, player, map[string]any{"times": times, "bits": bits})
}

// DecryptedFrames does what Frames does, for a package that Shaka Player decrypts with keys: by their identifiers, in hexadecimal digits.
// Without any, it takes those that the playlist names.
func DecryptedFrames(t testing.TB, keys map[string]string, folder, playlist string, times []float64, bits int) [][]int {
	t.Helper()
	return readFrames(t, folder, playlist, "shaka", map[string]any{"times": times, "bits": bits, "clearKeys": keys, "screenshots": true})
}

func readFrames(t testing.TB, folder, playlist, player string, more map[string]any) [][]int {
	t.Helper()
	out := browse(t, framesScript, folder, playlist, player, more)
	var numbers [][]int
	if err := json.Unmarshal(out, &numbers); err != nil {
		t.Fatalf("seek in %s: %v in %q", playlist, err, out)
	}
	return numbers
}

// TrickPlay seeks to each of times, in seconds, as players do while they play fast: with "shaka" in the
// package's renditions for trick play, with "hls" in an I-frame playlist. It returns the numbers of the
// frames that it shows, which are those of Frames, and the addresses that were requested.
func TrickPlay(t testing.TB, folder, playlist, player string, times []float64, bits int) (numbers []int, files []string) {
	t.Helper()
	out := browse(t, trickScript, folder, playlist, player, map[string]any{"times": times, "bits": bits})
	var r struct {
		Shown []int    `json:"shown"`
		Files []string `json:"files"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("play %s fast: %v in %q", playlist, err, out)
	}
	return r.Shown, r.Files
}

// Thumbnails asks the player "dash", "shaka" or "mapreel", which is the page of mapreel play, for the thumbnails of a package at each of times, in
// seconds, or "hls" for those of its I-frame playlist of images; Shaka is asked for both. It returns the numbers of the frames that they show, which are those of Frames.
func Thumbnails(t testing.TB, folder, playlist, player string, times []float64, bits int) (numbers []int) {
	t.Helper()
	out := browse(t, thumbnailsScript, folder, playlist, player, map[string]any{"times": times, "bits": bits})
	if err := json.Unmarshal(out, &numbers); err != nil {
		t.Fatalf("thumbnails of %s: %v in %q", playlist, err, out)
	}
	return numbers
}

// browse runs a program that drives Chromium with a page that has a player, and returns its output.
func browse(t testing.TB, script []byte, folder, playlist, kind string, more map[string]any) []byte {
	t.Helper()
	modules, chromium := Browser(t)
	p, err := player.Open(filepath.Join(folder, playlist))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	library := filepath.Join(modules, libraries[kind])
	if _, err := os.Stat(library); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not installed: no browser test (run make setup)", libraries[kind])
	}
	mux := http.NewServeMux()
	mux.Handle("/media/", p)
	mux.Handle("/own/", http.StripPrefix("/own", p))
	mux.HandleFunc("/library.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, library) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><video width=320 height=180></video><script src="/library.js"></script>`))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	work := t.TempDir()
	program := filepath.Join(work, "program.mjs")
	for name, text := range map[string][]byte{program: script, filepath.Join(work, "browser.mjs"): browserProgram} {
		if err := os.WriteFile(name, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	values := map[string]any{
		"chromium": chromium, "profile": filepath.Join(work, "profile"), "page": server.URL, "player": kind, "media": server.URL + "/media/" + playlist, "modules": modules,
	}
	maps.Copy(values, more)
	arguments, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", program, string(arguments))
	cmd.WaitDelay = 10 * time.Second
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("play %s in %s: %v\n%s", playlist, kind, err, stderr.Bytes())
	}
	return out.Bytes()
}

// check returns what is wrong with a report.
func check(r Report, o Options) []string {
	out := slices.Clone(r.Problems)
	report := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, p := range r.Plays {
		where := "rung " + p.Rung
		switch {
		case !p.Ended:
			report("%s did not end: at %.3f of %.3f s", where, p.End, p.Duration)
		case p.Stalls > 0:
			report("%s stalled %d times", where, p.Stalls)
		case p.Jumps > 0:
			report("%s: the player jumped %d times over a gap", where, p.Jumps)
		case p.Gaps > 0:
			report("%s has gaps: %s", where, p.Buffered)
		case p.Corrupted > 0:
			report("%s had %d frames that could not be decoded", where, p.Corrupted)
		case p.Rung != "sound" && p.Size != p.Rung:
			report("%s showed %s", where, p.Size)
		case o.Frames > 0 && p.Frames != o.Frames:
			report("%s has %d frames, want %d", where, p.Frames, o.Frames)
		case p.Start > 0.05:
			report("%s starts at %.3f s", where, p.Start)
		case o.Duration > 0 && math.Abs(p.Duration-o.Duration) > 0.1:
			report("%s lasts %.3f s, want %.3f", where, p.Duration, o.Duration)
		}
	}
	if len(r.Plays) == 0 {
		report("nothing was played")
	}
	for _, s := range r.Seeks {
		if !s.Arrived || !s.Moved {
			report("seek to %.3f s: arrived %v, played on %v, at %.3f", s.Target, s.Arrived, s.Moved, s.At)
		}
	}
	for _, s := range r.Switches {
		if !s.OK {
			report("no switch to %s", s.To)
		}
	}
	return out
}

// Browser returns the folder of the npm packages and the path of Chromium, or skips the test.
func Browser(t testing.TB) (modules, chromium string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("Node is not installed: no browser test (run make setup)")
	}
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("runtime.Caller does not know this file")
	}
	modules = filepath.Join(filepath.Dir(here), "..", "..", "..", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "playwright-core")); errors.Is(err, os.ErrNotExist) {
		t.Skip("playwright-core is not installed: no browser test (run make setup)")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return modules, found
		}
	}
	t.Skip("Chromium is not installed: no browser test (run make setup)")
	return "", ""
}
