package audio

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
)

// ffmpeg reads the layout and the number of samples from the header of a joined track, and finds a sample by its number.
func TestFFmpegReadsTheHeaderOfAJoinedTrack(t *testing.T) {
	t.Parallel()
	tools := filmtest.Tools(t)
	for layout, channels := range map[string]int{"mono": 1, "stereo": 2, "5.1": 6, "6.1(back)": 7, "7.1": 8} {
		const samples = 4800
		header, err := waveHeader(film.AudioTrack{Layout: layout, Channels: channels, SampleRate: 48000}, samples)
		if err != nil || len(header) != headerSize {
			t.Fatalf("%d bytes, %v", len(header), err)
		}
		path := filepath.Join(t.TempDir(), "a.wav")
		if err := os.WriteFile(path, append(header, make([]byte, samples*channels*sampleBytes)...), 0o600); err != nil {
			t.Fatal(err)
		}
		var log, first bytes.Buffer
		args := []string{"-v", "info", "-f", "wav", "-i", path, "-af", "atrim=start_pts=4000", "-frames:a", "1", "-f", "framecrc", "pipe:3"}
		if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, args, ffmpeg.RunOptions{Dir: t.TempDir(), Pipe: &first, Stderr: &log, Limits: budget.Probe()}); err != nil {
			t.Fatal(err)
		}
		if want := "48000 Hz, " + layout + ","; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "Duration: 00:00:00.10") {
			t.Errorf("no %q of 0.1 s in:\n%s", want, log.String())
		}
		if !strings.Contains(first.String(), " 4000,") {
			t.Errorf("%s: the first sample is not number 4000:\n%s", layout, first.String())
		}
	}
	if _, err := waveHeader(film.AudioTrack{Layout: "22.2", Channels: 24, SampleRate: 48000}, 1); err == nil {
		t.Error("a layout without a mask is accepted")
	}
}
