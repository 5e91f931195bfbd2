package requestfile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/cputime"
)

func TestExpensiveYAMLIsRefusedBeforeItIsParsed(t *testing.T) {
	const size = 250_000
	var staircase, keys strings.Builder
	for depth := range 100 {
		staircase.WriteString(strings.Repeat(" ", depth) + "a:\n")
	}
	for i := range 20_000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for name, test := range map[string]struct{ text, want string }{
		"flow lists":    {strings.Repeat("[", 10_000), "line 1, column 65: nested more than 64 deep"},
		"flow mappings": {strings.Repeat("{a: ", 4_000), "line 1, column 257: nested more than 64 deep"},
		"block lists":   {strings.Repeat("- ", 9_000), "line 1, column 129: nested more than 64 deep"},
		"complex keys":  {strings.Repeat("? ", 9_000), "line 1, column 129: nested more than 64 deep"},
		"staircase":     {staircase.String(), "line 65, column 66: nested more than 64 deep"},
		"anchors":       {strings.Repeat("&a ", 9_000), "nested more than 64 deep"},
		"tags":          {strings.Repeat("!!x ", 9_000), "nested more than 64 deep"},
		"many brackets": {strings.Repeat("[", size), "the file has 250000 YAML tokens, more than 20000"},
		"many dashes":   {strings.Repeat("- ", size/2), "the file has 125000 YAML tokens, more than 20000"},
		"many keys":     {keys.String(), "the file has 60000 YAML tokens, more than 20000"},
	} {
		t.Run(name, func(t *testing.T) {
			started := cputime.Process(t)
			_, err := Parse(".yaml", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if took := cputime.Process(t) - started; took > 2*time.Second { // of a processor; the parser takes over 7 s for each of the large ones
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestTheLargestUsefulYAMLIsAccepted(t *testing.T) {
	var b strings.Builder
	b.WriteString("source: /s\ndestination: /o\noutputs:\n")
	for i := range 20 {
		fmt.Fprintf(&b, "- name: o%d\n  container: hls\n  video:\n", i)
		for range 12 {
			b.WriteString("  - codec: h264\n    height: 720\n    crf: 21\n    maxBitrate: 6M\n    upscale: true\n    interlaced: keep\n    frameRate: 25\n    preset: slow\n")
		}
	}
	f, err := Parse(".yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if line, column, ok := f.Find("/outputs/19/video/11/preset"); line != 1983 || column != 5 || !ok {
		t.Errorf("found at line %d, column %d, %v", line, column, ok)
	}
}

func TestExpensiveJSONIsRefused(t *testing.T) {
	_, err := Parse(".json", []byte(strings.Repeat("[", 250_000)))
	if want := "line 1, column 65: nested more than 64 deep"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
