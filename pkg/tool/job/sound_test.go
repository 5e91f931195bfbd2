package job_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/fault"
)

// The sound of pieces is joined sample for sample, wherever it was cut.
func TestSoundOfPiecesIsJoined(t *testing.T) {
	t.Parallel()
	source := toytest.NoisyWAV(t, 16_000, 3) // 8,000 samples a second
	sound := func(path string) string { return ffmpegRun(t, "-i", path, "-f", "md5", "-") }
	want := sound(source)
	for _, c := range []struct {
		as      string
		seconds int
	}{{`"format": "wav"`, 1}, {`"format": "wav"`, 600}, {`"format": "flac"`, 1}, {`"cut": "silence"`, 1}} {
		b := newBench(t, source)
		b.seconds = c.seconds
		if _, err := b.run(t, fmt.Sprintf(`{"name": "same", "each": "sound", "as": {"rate": 8000, %s}, "command": ["sh", "-c", "cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR"],
			"outputs": [{"join": "audio", "path": "sounds"}]}`, c.as)); err != nil {
			t.Fatal(err)
		}
		if got := sound(filepath.Join(b.out, "sounds", "same.flac")); got != want {
			t.Errorf("%s, pieces of %d s: %s, want %s", c.as, c.seconds, got, want)
		}
	}
}

func TestAPieceOfOtherSoundIsNamed(t *testing.T) {
	t.Parallel()
	source := toytest.NoisyWAV(t, 16_000, 4)
	b := newBench(t, source)
	for name, args := range map[string][]string{"short": {"-t", "0.5"}, "fast": {"-t", "1", "-ar", "16000"}, "wide": {"-t", "1", "-ac", "2"}} {
		ffmpegRun(t, append(append([]string{"-i", source}, args...), filepath.Join(b.out, name+".wav"))...)
	}
	for file, want := range map[string]string{
		"short.wav":  "tool/same/00002: same left x.wav with 4000 samples, and got 8000",
		"fast.wav":   "tool/same/00002: same left x.wav with 16000 samples a second, and got 8000",
		"wide.wav":   "tool/same/00002: same left x.wav with 2 channels, and got 1",
		"absent.wav": "tool/same/00002: same left 0 files to join as sound",
	} {
		_, err := b.run(t, fmt.Sprintf(`{"name": "same", "each": "sound", "as": {"rate": 8000}, "outputs": [{"join": "audio"}], "command": ["sh", "-c",
			"if [ $MAPREEL_INDEX = 2 ]; then cp $MAPREEL_TOOLS_DIR/%s $TMP_OUTPUT_DIR/x.wav || exit 0; else cp $INPUT_FILE_PATH $TMP_OUTPUT_DIR/x.wav; fi"]}`, file))
		if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s: %v, want %q", file, fault.KindOf(err), err, want)
		}
	}
}
