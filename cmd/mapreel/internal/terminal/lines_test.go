package terminal

import (
	"strings"
	"testing"
)

func TestRowsThatATerminalWrappedAreErased(t *testing.T) {
	t.Parallel()
	lines := []string{strings.Repeat("v", 104), strings.Repeat("a", 64)}
	for _, c := range []struct {
		name  string
		wraps bool
		width int
		want  string
	}{
		{"wider", true, 120, "\r\x1b[J"},
		{"as wide as the longer line", true, 104, "\r\x1b[J"},
		{"one line wrapped once", true, 103, "\r\x1b[1A\x1b[J"},
		{"both lines wrapped", true, 60, "\r\x1b[2A\x1b[J"},
		{"into many rows", true, 20, "\r\x1b[8A\x1b[J"},
		{"a terminal that cuts its lines", false, 20, "\r\x1b[J"},
		{"an unknown width", false, 0, "\r\x1b[J"},
	} {
		if got := (&Lines{wraps: c.wraps, drawn: lines}).erase(c.width); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTerminalsThatDoNotWrapAgainAreKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{}, true},
		{map[string]string{"XTERM_VERSION": "XTerm(379)"}, false},
		{map[string]string{"STY": "1234.pts-0"}, false},
		{map[string]string{"XTERM_VERSION": "XTerm(379)", "TMUX": "/tmp/tmux"}, true},
	} {
		if got := wrapsAgain(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v, want %v", c.env, got, c.want)
		}
	}
}
