package toolrun_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

var all = flag.Bool("all", false, "caption all sentences, cut into twelve parts")

// sentences are what a voice says, one after the other. Without -all, it says the first of them.
var sentences = []string{
	"people come from the city to walk along the water",
	"nobody knows how long the house has been empty",
	"the children play in the garden behind the church",
	"we had dinner at the table near the window",
	"tomorrow the train will leave at seven",
	"the old man wrote a letter to his daughter",
	"she opened the door and looked at the street",
	"the company will build a new school next year",
	"it was a cold morning in the middle of winter",
	"they talked about the weather and the price of bread",
	"my brother works in a small office downtown",
	"the doctor said that the results were very good",
	"we should take the second road on the left",
}

const fewSentences = 5

// speech writes a WAV file in which a voice of ffmpeg's flite says sentences, each after a pause. It returns when each begins, in seconds.
func speech(t *testing.T, voice string, sentences []string) (path string, begins []float64) {
	t.Helper()
	const rate, pause = 16000, 0.8
	var all bytes.Buffer
	for _, s := range sentences {
		all.Write(make([]byte, 2*int(rate*pause)))
		begins = append(begins, float64(all.Len())/2/rate)
		filter := "flite=voice=" + voice + ":text='" + s + "'"
		cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", filter, "-ar", "16000", "-ac", "1", "-f", "s16le", "-")
		var complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &all, &complaint
		if err := cmd.Run(); err != nil {
			t.Skipf("SKIPPED: this ffmpeg has no flite: %v, %s", err, complaint.String())
		}
	}
	path = filepath.Join(t.TempDir(), "speech.wav")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", path)
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

// requireRecogniser skips a test where the programs of the example are missing.
func requireRecogniser(t *testing.T) {
	t.Helper()
	for _, program := range []string{"pocketsphinx_batch", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: %s is not installed", program)
		}
	}
	if _, err := os.Stat("/usr/share/pocketsphinx/model/en-us/en-us.lm.bin"); err != nil {
		t.Skipf("SKIPPED: pocketsphinx has no model of English: %v", err)
	}
}

// shown is a cue: when it begins, in seconds, its times as they are written, and its lines.
type shown struct {
	start float64
	times string
	lines []string
}

// caption runs the example over pieces of a length, and returns the cues and the number of pieces.
func caption(t *testing.T, source string, segment time.Duration) (cues []shown, pieces int) {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	example := filepath.Join("..", "..", "..", "..", "examples", "captions", "tools.yaml")
	out := t.TempDir()
	job, err := toolrun.Run{Tools: example, Source: source, Output: out, Segment: segment}.Job(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := local.Run(t.Context(), job.Request, local.Options{Scratch: t.TempDir(), Jobs: 2, Registry: toolrun.Registry(tools)})
	if err != nil {
		t.Fatal(err)
	}
	srt, err := os.ReadFile(filepath.Join(out, "captions.srt"))
	if err != nil {
		t.Fatal(err)
	}
	for cue := range strings.SplitSeq(strings.TrimSpace(string(srt)), "\n\n") {
		lines := strings.Split(cue, "\n")
		if len(lines) < 3 {
			t.Fatalf("captions.srt is %q", srt)
		}
		var h, m, s, ms int
		if _, err := fmt.Sscanf(lines[1], "%d:%d:%d,%d -->", &h, &m, &s, &ms); err != nil {
			t.Fatalf("cue %q: %v", cue, err)
		}
		cues = append(cues, shown{float64(h*3600+m*60+s) + float64(ms)/1000, lines[1], lines[2:]})
	}
	vtt, err := os.ReadFile(filepath.Join(out, "captions.vtt"))
	if err != nil || len(regexp.MustCompile(`(?m)^[\d:.]+ --> [\d:.]+$`).FindAll(vtt, -1)) != len(cues) || !bytes.HasPrefix(vtt, []byte("WEBVTT\n")) {
		t.Errorf("WebVTT has other cues than SRT: %s, %v", vtt, err)
	}
	return cues, report.Units["tool/captions"]
}

func TestTheExampleCaptionsSpeech(t *testing.T) {
	t.Parallel()
	requireRecogniser(t)
	said, parts := sentences[:fewSentences], fewSentences
	if *all {
		said, parts = sentences, 12
	}
	for _, voice := range []string{"rms", "awb"} {
		t.Run(voice, func(t *testing.T) {
			t.Parallel()
			source, begins := speech(t, voice, said)
			whole, _ := caption(t, source, 10*time.Minute)
			checkCaptions(t, whole, strings.Fields(strings.Join(said, " ")), begins)
			cut, pieces := caption(t, source, 4*time.Second)
			if pieces < parts-1 {
				t.Errorf("%d pieces, want about %d", pieces, parts)
			}
			if diff := cmp.Diff(whole, cut, cmp.AllowUnexported(shown{})); diff != "" {
				t.Errorf("the cues are different if the sound is cut into %d parts at silences (-whole +cut):\n%s", pieces, diff)
			}
		})
	}
}

// checkCaptions compares cues with the words that were said and the times at which sentences begin.
func checkCaptions(t *testing.T, cues []shown, said []string, begins []float64) {
	t.Helper()
	var heard []string
	for _, c := range cues {
		for _, line := range c.lines {
			if len(line) > 42 {
				t.Errorf("the line %q is too long", line)
			}
			heard = append(heard, strings.Fields(line)...)
		}
	}
	n := wordErrors(said, heard)
	if n*100 > 15*len(said) {
		t.Errorf("%d of %d words are wrong: %s", n, len(said), strings.Join(heard, " "))
	}
	worst := 0.0
	for i, begin := range begins {
		near := math.Inf(1)
		for _, c := range cues {
			near = min(near, math.Abs(c.start-begin))
		}
		if near > 0.3 {
			t.Errorf("no cue begins within 0.3 s of sentence %d, at %.2f s: %v", i+1, begin, cues)
		}
		worst = max(worst, near)
	}
	t.Logf("%d of %d words are wrong; cues begin within %.2f s of the sentences", n, len(said), worst)
}
