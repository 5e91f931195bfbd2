package verify

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A gap in the audio may be kept or filled; nothing else may change its length.
func TestGapsMayBeFilled(t *testing.T) {
	dir := t.TempDir()
	whole, source := makeClip(t, dir, "whole.mkv", "4", "-map", "0", "-map", "1", "-crf", "14", "-c:a", "pcm_s16le"), filepath.Join(dir, "source.mkv")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", whole, "-c", "copy", "-bsf:a", "noise=drop=gt(pts\\,1500)*lt(pts\\,2200)", source)
	for _, c := range []struct {
		name string
		args []string
		want []string // the checks that fail
	}{
		{"kept", []string{"-c", "copy", "-f", "matroska"}, []string{}},
		{"filled", with("-af", "aresample=async=1:min_hard_comp=0.02"), []string{}},
		{"closed", with("-af", "asetpts=N/SR/TB"), []string{"audio offset"}},
		{"filled and cut", with("-af", "aresample=async=1:min_hard_comp=0.02,atrim=end=3.9"), []string{"audio length"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := verifyFiles(t, source, encodeTo(t, source, "output.mp4", c.args...))
			if got := failedChecks(r); !slices.Equal(got, c.want) {
				t.Errorf("checks that failed: %q, want %q\n%s", got, c.want, formatReport(r))
			}
		})
	}
}

// makeTones makes a clip whose audio is the given lavfi graph.
func makeTones(t *testing.T, graph string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tones.mkv")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=5:duration=4", "-f", "lavfi", "-i", graph,
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", path)
	return path
}

func TestPeriodicAudio(t *testing.T) {
	const late = "adelay=20:all=1,atrim=end=4"
	const slack = 1.1 // ms: one period of the tone, which a beep over it or its onset may fail to distinguish
	for _, c := range []struct {
		name, graph string
		codec       []string
		filter      string
		want        Verdict
		offset      float64 // ms
		contains    string
	}{
		{"a tone", "sine=f=440:r=48000:d=4", []string{"-c:a", "aac"}, "anull", Note, 0, "+0.0 ms at its beginning; after that it cannot be measured"},
		{"a tone of low quality", "sine=f=1000:r=48000:d=4", []string{"-c:a", "aac", "-b:a", "24k"}, "anull", Note, 0, "cannot be measured"},
		{"a low tone in Opus", "sine=f=60:r=48000:d=4", []string{"-c:a", "libopus", "-b:a", "16k"}, "anull", Note, 0, "cannot be measured"},
		{"a tone that begins late", "sine=f=1000:r=48000:d=4", []string{"-c:a", "aac"}, late, Bad, 20, "ms at its beginning; after that it cannot be measured"},
		{"beeps over a tone", "sine=f=500:b=4:r=48000:d=4", []string{"-c:a", "aac"}, "anull", Good, 0, "+0.0 ms at the start, +0.0 at the end"},
		{"beeps over a tone, late", "sine=f=500:b=4:r=48000:d=4", []string{"-c:a", "aac"}, late, Bad, 20, "worst"},
		{"beeps", "sine=f=1000:r=48000:d=4,volume=0:enable=gte(mod(t+0.5\\,1)\\,0.1)", []string{"-c:a", "aac"}, "anull", Good, 0, "+0.0 ms at the start, +0.0 at the end"},
		{"beeps, late", "sine=f=1000:r=48000:d=4,volume=0:enable=gte(mod(t+0.5\\,1)\\,0.1)", []string{"-c:a", "aac"}, late, Bad, 20, "+20.0 at the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := makeTones(t, c.graph)
			r := verifyFiles(t, source, encodeTo(t, source, "output.mp4", append([]string{"-c:v", "copy", "-af", c.filter}, c.codec...)...))
			for _, check := range r.Checks {
				if check.Name == "audio offset" && (check.Verdict != c.want || !strings.Contains(check.Figure, c.contains)) {
					t.Errorf("%s: %s, want %s with %q", check.Verdict, check.Figure, c.want, c.contains)
				}
			}
			for _, p := range r.Audio[0].Places {
				if p.Ambiguity <= maxAudioOffset.Seconds() && math.Abs(1000*p.Offset-c.offset) > slack {
					t.Errorf("at %.2f s: offset %.2f ms, want %.1f", p.At, 1000*p.Offset, c.offset)
				}
			}
			t.Log(figure(r, "audio offset"))
		})
	}
}

func TestOffsetsAreJudged(t *testing.T) {
	good, faint, other := Place{Match: 0.9}, Place{Match: 0.2, Offset: 0.001}, Place{Match: 0.2, Offset: 0.3}
	late, tone, lateTone := Place{Match: 0.9, Offset: 0.02}, Place{Match: 1, Ambiguity: 0.9}, Place{Match: 1, Offset: 0.008, Ambiguity: 0.98}
	onset, lateOnset := Place{Match: 1, Onset: true}, Place{Match: 1, Onset: true, Offset: 0.02}
	for _, c := range []struct {
		name     string
		places   []Place
		want     Verdict
		contains string
	}{
		{"all good", []Place{good, good, good}, Good, "worst +0.0"},
		{"an encoder's noise", []Place{good, other, good, good}, Good, "worst +0.0"},
		{"noise at the right place", []Place{faint, faint, faint}, Good, "worst +1.0"},
		{"different audio from a place on", []Place{good, good, good, other, other}, Bad, "not the source's audio at"},
		{"different audio", []Place{good, other, other}, Bad, "not the source's audio: 1 of 3"},
		{"late once", []Place{good, late, good}, Bad, "worst +20.0"},
		{"a tone", []Place{tone, tone}, Note, "cannot be measured"},
		{"a tone at a wrong offset", []Place{tone, lateTone}, Bad, "worst +8.0"},
		{"a tone that begins in time", []Place{onset, tone, tone}, Note, "+0.0 ms at its beginning"},
		{"a tone that begins late", []Place{lateOnset, tone, tone}, Bad, "+20.0 ms at its beginning"},
		{"a tone in other audio", []Place{good, tone, good}, Good, "at 1 place it cannot be measured"},
		{"a tone in late audio", []Place{late, tone, tone}, Bad, "worst +20.0"},
	} {
		got := offsetCheck("audio", Audio{Places: c.places, SourceSamples: 1, OutputSamples: 1}, true)
		if got.Verdict != c.want || !strings.Contains(got.Figure, c.contains) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, got.Verdict, got.Figure, c.want, c.contains)
		}
	}
}
