package printable

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestLineAndText(t *testing.T) {
	for _, test := range []struct{ in, line, text string }{
		{"film.mp4", "film.mp4", "film.mp4"},
		{"été – 映画 \u200fx", `été – 映画 \u200fx`, `été – 映画 \u200fx`},
		{"a\x1b[31mred\x07", `a\u001b[31mred\u0007`, `a\u001b[31mred\u0007`},
		{"one\ntwo\tthree\r", `one\u000atwo\u0009three\u000d`, "one\ntwo\tthree\\u000d"},
		{"\u009b31m \x9b31m \x7f", `\u009b31m \x9b31m \u007f`, `\u009b31m \x9b31m \u007f`},
		{"film\u202e4pm.exe\u2066\u2069\u2028", `film\u202e4pm.exe\u2066\u2069\u2028`, `film\u202e4pm.exe\u2066\u2069\u2028`},
		{"\ufffd stays", "\ufffd stays", "\ufffd stays"},
		{"", "", ""},
	} {
		if got := Line(test.in); got != test.line {
			t.Errorf("Line(%q) = %q, want %q", test.in, got, test.line)
		}
		if got := Text(test.in); got != test.text {
			t.Errorf("Text(%q) = %q, want %q", test.in, got, test.text)
		}
	}
}

// unsafe reports a character that a terminal could obey; written apart from the package's own list.
func unsafe(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}

// However a text is divided into writes, the same printable text comes out.
func TestWriterFiltersWhateverIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text") + "."
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			if m, err := io.WriteString(w, rest[:n]); err != nil || m != n {
				t.Fatalf("%d bytes of %d, %v", m, n, err)
			}
			rest = rest[n:]
		}
		if got := out.String(); got != Text(text) || unsafe(got) {
			t.Fatalf("%q became %q", text, got)
		}
		if line := Line(text); unsafe(line) || strings.ContainsAny(line, "\n\t") {
			t.Fatalf("%q became the line %q", text, line)
		}
	})
}

func TestJSONStaysTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "text")
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal([]byte(Text(string(data))), &got); err != nil || got != want {
			t.Fatalf("%q became %q: %v", want, got, err)
		}
	})
}

type named struct{ name string }

func (n named) String() string { return n.name }

func TestOnlyTheFormatBreaksLines(t *testing.T) {
	var out bytes.Buffer
	Fprintf(&out, "%s: %v, %v, %d\n", "a\nb", errors.New("c\nd"), named{"e\nf"}, 7)
	if got, want := out.String(), `a\u000ab: c\u000ad, e\u000af, 7`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
