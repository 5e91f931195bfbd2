package toolrun_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hearing stands for pocketsphinx_batch: the only word of an utterance is a digest of its samples, from frame 15 to frame 20.
const hearing = `#!/bin/sh
while [ $# -gt 1 ]; do
  case $1 in -ctl) list=$2;; -cepdir) folder=$2;; -hypseg) result=$2;; esac
  shift
done
while read -r name; do
  sum=$(md5sum < "$folder/$name.raw" | cut -c1-12)
  echo "$name S 0 T 0 A 0 L 0 0 0 0 <s> 15 0 0 $sum 20 0 0 </s> 25"
done < "$list" > "$result"
`

// writeWAV writes sound with one channel and 16,000 samples a second.
func writeWAV(t *testing.T, path string, samples []int16) {
	t.Helper()
	le := binary.LittleEndian
	size := uint32(2 * len(samples)) //nolint:gosec // of a few seconds
	b := append(le.AppendUint32([]byte("RIFF"), size+36), "WAVEfmt "...)
	b = le.AppendUint16(le.AppendUint16(le.AppendUint32(b, 16), 1), 1)
	b = le.AppendUint16(le.AppendUint16(le.AppendUint32(le.AppendUint32(b, 16000), 32000), 2), 16)
	b = le.AppendUint32(append(b, "data"...), size)
	for _, s := range samples {
		b = le.AppendUint16(b, uint16(s)) //nolint:gosec // two's complement
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// However sound is cut in its pauses, the recogniser gets the same samples, and its words have the same times.
func TestTheExampleRecognisesTheSameUtterancesOfPieces(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("SKIPPED: python3 is not installed")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pocketsphinx_batch"), []byte(hearing), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	const rate = 16000
	var sound []int16
	add := func(seconds, loudness float64) {
		for i := range int(seconds * rate) {
			sound = append(sound, int16(loudness*math.Sin(float64(i*i%977))))
		}
	}
	add(0.4111, 20)
	for i := range 5 {
		add(0.7+0.1033*float64(i), 8000)
		add(0.3501+0.1*float64(i%2), 20)
	}
	// hear returns the words of a part of the sound, and when they begin, in milliseconds of all of it. It begins and ends at frames.
	hear := func(from, to int) (words []string) {
		path := filepath.Join(dir, "part.wav")
		writeWAV(t, path, sound[from*rate/100:min(to*rate/100, len(sound))])
		cmd := exec.CommandContext(t.Context(), "python3", filepath.Join("..", "..", "..", "..", "examples", "captions", "captions.py"))
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "RECOGNISER=", "INPUT_FILE_PATH="+path, "TMP_OUTPUT_DIR="+dir,
			fmt.Sprintf("MAPREEL_START=%d", from*10_000), "MAPREEL_TIMESCALE=1000000", "MAPREEL_INDEX=0", "MAPREEL_COUNT=2")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("captions.py: %v\n%s", err, out)
		}
		srt, err := os.ReadFile(filepath.Join(dir, "captions.srt"))
		if err != nil {
			t.Fatal(err)
		}
		for cue := range strings.SplitSeq(strings.TrimSpace(string(srt)), "\n\n") {
			lines := strings.Split(cue, "\n")
			var m, s, ms int
			if _, err := fmt.Sscanf(lines[1], "00:%d:%d,%d", &m, &s, &ms); err != nil {
				t.Fatalf("cue %q: %v", cue, err)
			}
			words = append(words, fmt.Sprintf("%s at %d", lines[2], m*60_000+s*1000+ms+10*from))
		}
		return words
	}
	whole := hear(0, len(sound))
	if len(whole) != 5 {
		t.Fatalf("the recogniser got %d utterances, want 5: %q", len(whole), whole)
	}
	for _, cut := range []int{128, 521} { // in the middle of pauses
		if diff := cmp.Diff(whole, append(hear(0, cut), hear(cut, len(sound))...)); diff != "" {
			t.Errorf("cut at %d ms, the utterances are different (-whole +cut):\n%s", 10*cut, diff)
		}
	}
}
