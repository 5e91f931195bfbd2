package output_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

func TestMicrosParsesSecondsExactly(t *testing.T) {
	for text, want := range map[string]int64{
		"0.000000": 0, "1.5": 1_500_000, "-0.023000": -23_000, "36000.700000": 36_000_700_000, "7": 7_000_000, "1.0000019": 1_000_001,
	} {
		if got, ok := output.Micros(text); !ok || got != want {
			t.Errorf("Micros(%q) = %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "N/A", "-", "1e6", "--1", "1.x", "99999999999999999999", ".5", "+1", "1.+5"} {
		if got, ok := output.Micros(text); ok {
			t.Errorf("Micros(%q) = %d, want nothing", text, got)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("a\nb\r\n", 4)
	f.Add(strings.Repeat("x", 100)+"\ny", 10)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 1), 1000)
		lines := 0
		l := output.Lines{Limit: limit, Each: func(line []byte) error {
			if lines++; len(line) > limit {
				t.Errorf("a line of %d bytes, above the limit of %d", len(line), limit)
			}
			return nil
		}}
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		if want := strings.Count(text, "\n"); lines != want {
			t.Errorf("%d lines, want %d", lines, want)
		}
	})
}
