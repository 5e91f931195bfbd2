// Package printable filters what a person is shown. Names of files, titles and messages come from strangers, and a terminal
// obeys the control characters in them: they move the cursor, change what was printed before, or forge a line of a table.
// Bidirectional controls reorder what is read.
//
//	out := printable.NewWriter(os.Stdout) // whatever is written, no control character comes through
//	printable.Fprintf(out, "removed %s\n", path) // and a line break in path does not begin a line
//
// A character that is not printable is written as in JSON and Go: \u001b, \u202e. So JSON that passes the filter is the same
// JSON. A byte that is not UTF-8 is written as \x9b: on a terminal with an 8-bit encoding it may be a control character.
package printable

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// Line returns s in printable characters, in one line.
func Line(s string) string { return escape(s, false) }

// Text returns s in printable characters, line breaks and tabs.
func Text(s string) string { return escape(s, true) }

// Fprintf writes to w as fmt.Fprintf does. Each argument that is a text, or has one (an error, a fmt.Stringer), is written
// in one line; only the format breaks lines.
func Fprintf(w io.Writer, format string, args ...any) {
	shown := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			shown[i] = Line(arg)
		case error:
			shown[i] = Line(arg.Error())
		case fmt.Stringer:
			shown[i] = Line(arg.String())
		default:
			shown[i] = arg
		}
	}
	_, _ = fmt.Fprintf(w, format, shown...) // nobody is there to see it
}

func escape(s string, layout bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !shown(r, layout) || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !shown(r, layout):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// shown reports whether a character is shown as it is. With layout, line feeds and tabs are.
func shown(r rune, layout bool) bool {
	switch {
	case r == '\n' || r == '\t':
		return layout
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL and C1 of ISO/IEC 6429
		return false
	case r == '\u2028', r == '\u2029': // line and paragraph separators
		return false
	case r == '\u061c', r == '\u200e', r == '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return false // Bidi_Control of the Unicode Character Database
	}
	return true
}

// Writer is an io.Writer that passes on what Text returns. It is safe for concurrent use if the writer below is.
type Writer struct {
	to   io.Writer
	mu   sync.Mutex
	rest []byte // the beginning of a character whose end has not been written yet
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Unwrap returns the writer below. Only who moves a terminal's cursor needs it, and filters texts itself.
func (w *Writer) Unwrap() io.Writer { return w.to }

func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := append(w.rest, p...)
	end := complete(data)
	w.rest = append([]byte(nil), data[end:]...)
	if end > 0 {
		if _, err := io.WriteString(w.to, Text(string(data[:end]))); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// complete returns the length of data without a character at its end that is not complete.
func complete(data []byte) int {
	for i := len(data) - 1; i >= max(len(data)-utf8.UTFMax, 0); i-- {
		if utf8.RuneStart(data[i]) {
			if !utf8.FullRune(data[i:]) {
				return i
			}
			break
		}
	}
	return len(data)
}
