package job_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// With its context, a tool sees the frames around each frame of its piece, wherever the film was cut: here the digests of all within
// 0.4 s, which reach beyond the pieces next to it.
func TestContextIsTheFramesAroundAPiece(t *testing.T) {
	t.Parallel()
	source := newFilm(t)
	script := `cd $MAPREEL_BEFORE_DIR; for f in *; do [ -e $f ] && echo $(( 10#${f%.png} - MAPREEL_CONTEXT )) $(md5sum < $f); done > $HOME/all
cd $MAPREEL_AFTER_DIR; for f in *; do [ -e $f ] && echo $(( 10#${f%.png} )) $(md5sum < $f); done >> $HOME/all
cd $TMP_INPUT_DIR; for f in *; do echo $(( 10#${f%.png} )) $(md5sum < $f); done >> $HOME/all
for f in *; do at=$(( 10#${f%.png} ))
  near=$(sort -n $HOME/all | while read us digest _; do d=$(( us - at )); [ ${d#-} -gt 405000 ] || echo $(( (d + 10000000 + 500) / 1000 )) $digest; done | md5sum)
  echo "{\"near\": \"${near%% *}\"}"
done > $TMP_OUTPUT_DIR/near.jsonl`
	var got []string
	for _, seconds := range []int{600, 1} {
		b := newBench(t, source)
		b.seconds = seconds
		if err := os.WriteFile(filepath.Join(b.out, "near.sh"), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.run(t, `{"name": "near", "each": "frames", "as": {"format": "png", "context": 0.42}, "command": ["bash", "-c", "exec bash $MAPREEL_TOOLS_DIR/near.sh"],
			"outputs": [{"join": "lines"}]}`); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(b.out, "near.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(text))
	}
	if n := strings.Count(got[0], "\n"); n != len(frames(t, source)) {
		t.Errorf("%d lines", n)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("what is around frames (-one piece +several):\n%s", diff)
	}
}
