package job_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool/confine"
	"github.com/mapreel/mapreel/pkg/work"
)

// TestMain lets the test binary stand for mapreel where it confines a tool.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "confined" {
		os.Exit(confine.Main(os.Args[2]))
	}
	os.Exit(m.Run())
}

var find = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{}) })

// bench runs tools over a source, again and again with the same scratch folder.
type bench struct {
	source, out, scratch string
	seconds              int // of a piece; 0: 1

	mu       sync.Mutex
	done     []string      // units that the last run finished
	progress []media.Ticks // that tools reported in it, before they ended
}

func newBench(t *testing.T, source string) *bench {
	t.Helper()
	return &bench{source: source, out: t.TempDir(), scratch: t.TempDir()}
}

// run runs tools, which are JSON.
func (b *bench) run(t *testing.T, tools string) (local.Report, error) {
	t.Helper()
	found, err := find()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	request := fmt.Sprintf(`{"source": %q, "destination": %q, "segment": {"seconds": %d}, "folder": %q, "tools": [%s]}`, b.source, b.out, max(b.seconds, 1), b.out, tools)
	b.done, b.progress = nil, nil
	return local.Run(t.Context(), json.RawMessage(request), local.Options{
		Scratch: b.scratch, Jobs: 2, Registry: kinds.Tools(kinds.All(found, kinds.Options{}), found, []string{self, "confined"}),
		Observe: func(e local.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			switch e.Type {
			case engine.Done:
				b.done = append(b.done, e.Unit)
			case engine.Progress:
				b.progress = append(b.progress, e.Media)
			}
		},
	})
}

func TestAToolThatFailsForOnePieceCostsNoOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, toytest.NoisyWAV(t, 16_000, 10))
	const tools = `{"name": "shaky", "each": "sound", "outputs": [{"path": "texts"}], "command": ["bash", "-c",
		"echo piece $MAPREEL_INDEX; [ $MAPREEL_INDEX != 2 ] || [ -e $MAPREEL_TOOLS_DIR/well ] || { echo I am unwell >&2; exit 3; }; echo $MAPREEL_INDEX > $TMP_OUTPUT_DIR/a.txt"]}`
	_, err := b.run(t, tools)
	if want := "tool/shaky/00002: shaky exited with code 3\npiece 2\nI am unwell"; err == nil || err.Error() != want || fault.KindOf(err) != fault.Unsupported {
		t.Fatalf("got %s: %v, want %q", fault.KindOf(err), err, want)
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, "the same request does the rest") {
		t.Errorf("hint %q", hint)
	}
	if len(b.done) != 9 || slices.Contains(b.done, "tool/shaky/00002") {
		t.Errorf("finished units %v, want all of ten but the third", b.done)
	}
	if left, _ := os.ReadDir(b.out); len(left) > 0 {
		t.Errorf("a job that failed has published %v", left)
	}
	if err := os.WriteFile(filepath.Join(b.out, "well"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := b.run(t, tools)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tool/shaky/00002", "tooljoin/shaky/00"}, b.done); diff != "" {
		t.Errorf("the same request does (-want +got):\n%s", diff)
	}
	if n := report.Ran["tool"]; n != 1 {
		t.Errorf("%d units were run again, want 1", n)
	}
	for i := range 10 {
		if text, err := os.ReadFile(filepath.Join(b.out, "texts", fmt.Sprintf("%05d-a.txt", i))); string(text) != fmt.Sprintln(i) {
			t.Errorf("piece %d is %q, %v", i, text, err)
		}
	}
}

// The time of a tool counts, though it is no child of the program that mapreel starts.
func TestTheTimeOfAToolIsInTheReportAndInTheRecordOfItsUnit(t *testing.T) {
	t.Parallel()
	b := newBench(t, toytest.NoisyWAV(t, 16_000, 1))
	report, err := b.run(t, `{"name": "busy", "command": ["bash", "-c", "(ulimit -t 1; while :; do :; done); touch $TMP_OUTPUT_DIR/a"]}`)
	if err != nil {
		t.Fatal(err)
	}
	var recorded int64 // milliseconds
	if err := local.Past(t.Context(), b.scratch, func(l ledger.Ledger, plan work.Plan) error {
		for u, err := range engine.ReadUnits(t.Context(), l, plan.ID) {
			if err != nil {
				return err
			}
			recorded += u.Uses[u.Attempt].CPU
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if report.CPU < 800*time.Millisecond || recorded < 800 {
		t.Errorf("of 1 s, the report has %v, and the records of units have %d ms", report.CPU, recorded)
	}
}

// A tool cannot publish what is no file of its folder.
func TestWhatAToolLeavesIsChecked(t *testing.T) {
	t.Parallel()
	source := toytest.NoisyWAV(t, 16_000, 1)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ script, want string }{
		"a link":           {"ln -s " + secret + " $TMP_OUTPUT_DIR/a", `shaky left "a", which is no file`},
		"a linked folder":  {"ln -s " + filepath.Dir(secret) + " $TMP_OUTPUT_DIR/a", `shaky left "a", which is no file`},
		"a pipe":           {"mkfifo $TMP_OUTPUT_DIR/a", `shaky left "a", which is no file`},
		"a hostile name":   {`touch $TMP_OUTPUT_DIR/$'a\nb'`, `shaky left "a\nb": such a name cannot be published`},
		"too many files":   {`cd $TMP_OUTPUT_DIR && seq 1001 | xargs touch`, "shaky left more than 1000 files"},
		"another's folder": {`rmdir $TMP_OUTPUT_DIR && ln -s ` + filepath.Dir(secret) + ` $TMP_OUTPUT_DIR`, "shaky"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, source)
			script, err := json.Marshal(c.script)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.run(t, fmt.Sprintf(`{"name": "shaky", "command": ["bash", "-c", %s]}`, script))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(b.out); len(left) > 0 {
				t.Errorf("it has published %v", left)
			}
		})
	}
}

// Two joined outputs of one folder may not replace each other: their files are named after the tool.
func TestJoinedOutputsOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "in.txt")
	if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const text = `{"name": "words", "script": "#!/bin/sh\necho '{\"time\": 1}' > $TMP_OUTPUT_DIR/a.en.jsonl; echo '{\"time\": 2}' > $TMP_OUTPUT_DIR/a.de.jsonl",
		"outputs": [{"suffix": [".en.jsonl"], "join": "lines"}, {"suffix": [".de.jsonl"], "join": "lines"%s}]}`
	_, err := newBench(t, source).run(t, fmt.Sprintf(text, ""))
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "two outputs of words would both be words.jsonl") {
		t.Errorf("got %v", err)
	}
	b := newBench(t, source)
	if _, err := b.run(t, fmt.Sprintf(text, `, "path": "de/"`)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"words.jsonl", "de/words.jsonl"} {
		if _, err := os.Stat(filepath.Join(b.out, name)); err != nil {
			t.Error(err)
		}
	}
}

// Pieces that are cut at silences follow each other without gap or overlap.
func TestPiecesCutAtSilencesAreTheWholeSound(t *testing.T) {
	t.Parallel()
	const rate, seconds = 16_000, 5
	pauses := []int64{1_080_000, 1_930_000, 3_070_000} // middles, in microseconds; the boundaries are at 1, 2, 3 and 4 s
	whole := make([]byte, 2*rate*seconds)
	for i := range rate * seconds {
		level := 9000.0
		for _, p := range pauses {
			if us := int64(i) * 1_000_000 / rate; us > p-170_000 && us < p+170_000 {
				level = 9
			}
		}
		binary.LittleEndian.PutUint16(whole[2*i:], uint16(int16(level*math.Sin(float64(i)/5)))) //nolint:gosec // two's complement
	}
	source := filepath.Join(t.TempDir(), "speech.wav")
	le := binary.LittleEndian
	header := append([]byte("RIFF"), 0, 0, 0, 0)
	header = append(append(header, "WAVEfmt "...), 16, 0, 0, 0, 1, 0, 1, 0)
	header = le.AppendUint32(le.AppendUint32(header, rate), 2*rate)
	header = le.AppendUint32(append(append(header, 2, 0, 16, 0), "data"...), uint32(len(whole)))
	if err := os.WriteFile(source, append(header, whole...), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, source)
	if _, err := b.run(t, `{"name": "copy", "each": "sound", "as": {"cut": "silence"},
		"command": ["sh", "-c", "tail -c +45 $INPUT_FILE_PATH > $TMP_OUTPUT_DIR/a; echo $MAPREEL_START $MAPREEL_END > $TMP_OUTPUT_DIR/t"]}`); err != nil {
		t.Fatal(err)
	}
	var got []byte
	var before int64
	for i := range 5 {
		data, err := os.ReadFile(filepath.Join(b.out, fmt.Sprintf("%05d-a", i)))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, data...)
		times, err := os.ReadFile(filepath.Join(b.out, fmt.Sprintf("%05d-t", i)))
		if err != nil {
			t.Fatal(err)
		}
		var start, end int64
		if _, err := fmt.Sscan(string(times), &start, &end); err != nil || start != before {
			t.Errorf("piece %d is from %d to %d, and the one before ends at %d", i, start, end, before)
		}
		if i < len(pauses) && (end < pauses[i]-50_000 || end > pauses[i]+50_000) {
			t.Errorf("piece %d ends at %d, want the pause at %d", i, end, pauses[i])
		}
		before = end
	}
	if !bytes.Equal(got, whole) {
		t.Errorf("the pieces have %d bytes, which are not the %d of the source", len(got), len(whole))
	}
}
