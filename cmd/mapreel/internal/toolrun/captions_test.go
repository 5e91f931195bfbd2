package toolrun_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
)

// TestMain lets the test binary stand for mapreel where it confines a tool.
func TestMain(m *testing.M) {
	if code, ok := toolrun.Confined(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// sentences are what a voice says, one after the other.
var sentences = []string{
	"people come from the city to walk along the water",
	"nobody knows how long the house has been empty",
	"the children play in the garden behind the church",
	"we had dinner at the table near the window",
	"tomorrow the train will leave at seven",
}

// speech writes a WAV file in which ffmpeg's flite says the sentences, each after a pause. It returns when each begins, in seconds.
func speech(t *testing.T) (path string, begins []float64) {
	t.Helper()
	const rate, pause = 16000, 0.8
	var all bytes.Buffer
	for _, s := range sentences {
		all.Write(make([]byte, 2*int(rate*pause)))
		begins = append(begins, float64(all.Len())/2/rate)
		cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "flite=voice=rms:text='"+s+"'", "-ar", "16000", "-ac", "1", "-f", "s16le", "-")
		var complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &all, &complaint
		if err := cmd.Run(); err != nil {
			t.Skipf("this ffmpeg has no flite: %v, %s", err, complaint.String())
		}
	}
	path = filepath.Join(t.TempDir(), "speech.wav")
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", path)
	cmd.Stdin = &all
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path, begins
}

// wordErrors returns how many words must be replaced, removed or added to make one text of another.
func wordErrors(a, b []string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i, x := range a {
		corner := row[0]
		row[0] = i + 1
		for k, y := range b {
			cost := corner
			if x != y {
				cost++
			}
			corner = row[k+1]
			row[k+1] = min(cost, row[k]+1, row[k+1]+1)
		}
	}
	return row[len(b)]
}

func TestTheExampleCaptionsSpeech(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"pocketsphinx_continuous", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	if _, err := os.Stat("/usr/share/pocketsphinx/model/en-us/en-us.lm.bin"); err != nil {
		t.Skipf("pocketsphinx has no model of English: %v", err)
	}
	source, begins := speech(t)
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	example := filepath.Join("..", "..", "..", "..", "examples", "captions", "tools.yaml")
	said := strings.Fields(strings.Join(sentences, " "))
	out := t.TempDir()
	job, err := toolrun.Run{Tools: example, Source: source, Output: out, Segment: 5 * time.Second}.Job(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := local.Run(t.Context(), job.Request, local.Options{Scratch: t.TempDir(), Jobs: 2, Registry: toolrun.Registry(tools)})
	if err != nil {
		t.Fatal(err)
	}
	if pieces := report.Units["tool/captions"]; pieces < 2 {
		t.Errorf("%d pieces, want several", pieces)
	}
	srt, err := os.ReadFile(filepath.Join(out, "captions.srt"))
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	var starts []float64
	for cue := range strings.SplitSeq(strings.TrimSpace(string(srt)), "\n\n") {
		lines := strings.Split(cue, "\n")
		if len(lines) < 3 {
			t.Fatalf("captions.srt is %q", srt)
		}
		var h, m, s, ms int
		if _, err := fmt.Sscanf(lines[1], "%d:%d:%d,%d -->", &h, &m, &s, &ms); err != nil {
			t.Fatalf("cue %q: %v", cue, err)
		}
		starts = append(starts, float64(h*3600+m*60+s)+float64(ms)/1000)
		for _, line := range lines[2:] {
			if len(line) > 42 {
				t.Errorf("the line %q is too long", line)
			}
			heard = append(heard, strings.Fields(line)...)
		}
	}
	if n := wordErrors(said, heard); n*100 > 15*len(said) {
		t.Errorf("%d of %d words are wrong: %s", n, len(said), strings.Join(heard, " "))
	}
	for i, begin := range begins {
		near := math.Inf(1)
		for _, s := range starts {
			near = min(near, math.Abs(s-begin))
		}
		if near > 0.3 {
			t.Errorf("no cue begins within 0.3 s of sentence %d, at %.2f s; they begin at %.2f", i+1, begin, starts)
		}
	}
	vtt, err := os.ReadFile(filepath.Join(out, "captions.vtt"))
	if err != nil || len(regexp.MustCompile(`(?m)^[\d:.]+ --> [\d:.]+$`).FindAll(vtt, -1)) != len(starts) || !bytes.HasPrefix(vtt, []byte("WEBVTT\n")) {
		t.Errorf("WebVTT has other cues than SRT: %s, %v", vtt, err)
	}
}
