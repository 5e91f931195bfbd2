package burnin

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
)

const head = "[Script Info]\r\nScriptType: v4.00+\r\n\r\n[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"

// script makes a script of lines such as "0 1.00 2.00 text" and, after a bar, a style.
func script(lines ...string) string {
	text := head
	for _, l := range lines {
		l, style, _ := strings.Cut(l, "|")
		f := strings.SplitN(l, " ", 4)
		text += "Dialogue: " + f[0] + ",0:00:0" + f[1] + ",0:00:0" + f[2] + "," + style + ",,0,0,0,," + f[3] + "\r\n"
	}
	return text
}

func settled(t *testing.T, lines ...string) (list []string, err error) {
	t.Helper()
	s, err := Parse([]byte(script(lines...)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(); err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(s.Moved(0))) {
		if f := strings.SplitN(line, ",", 10); len(f) == 10 && strings.HasPrefix(line, "Dialogue") {
			list = append(list, strings.TrimPrefix(f[1], "0:00:0")+" "+strings.TrimPrefix(f[2], "0:00:0")+" "+strings.TrimSpace(f[9]))
		}
	}
	return list, nil
}

func TestWhatAFrameShowsDependsOnItsTimeAlone(t *testing.T) {
	for name, c := range map[string]struct{ lines, want []string }{
		"apart":    {[]string{"0 1.00 2.00 a", "0 2.00 3.00 b"}, []string{"1.00 2.00 a", "2.00 3.00 b"}},
		"overlap":  {[]string{"0 1.00 3.00 a", "0 2.00 4.00 b"}, []string{"1.00 2.00 a", `2.00 3.00 b{\r}\Na`, "3.00 4.00 b"}},
		"within":   {[]string{"0 1.00 4.00 a", "0 2.00 3.00 b"}, []string{"1.00 2.00 a", `2.00 3.00 b{\r}\Na`, "3.00 4.00 a"}},
		"same":     {[]string{"0 1.00 2.00 a", "0 1.00 2.00 b"}, []string{`1.00 2.00 b{\r}\Na`}},
		"layers":   {[]string{"0 1.00 3.00 a", "1 2.00 4.00 b"}, []string{"1.00 3.00 a", "2.00 4.00 b"}},
		"top":      {[]string{"0 1.00 3.00 a", `0 2.00 4.00 {\an8}b`}, []string{"1.00 3.00 a", `2.00 4.00 {\an8}b`}},
		"placed":   {[]string{"0 1.00 3.00 a", `0 2.00 4.00 {\pos(1,2)\t(\fs9)}b`}, []string{"1.00 3.00 a", `2.00 4.00 {\pos(1,2)\t(\fs9)}b`}},
		"fading":   {[]string{`0 1.00 3.00 {\fad(9,9)}a`, "0 3.00 4.00 b"}, []string{`1.00 3.00 {\fad(9,9)}a`, "3.00 4.00 b"}},
		"never":    {[]string{"0 1.00 1.00 a"}, nil},
		"unsorted": {[]string{"0 3.00 4.00 b, c", "0 1.00 2.00 a"}, []string{"1.00 2.00 a", "3.00 4.00 b, c"}},
	} {
		got, err := settled(t, c.lines...)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, lines := range [][]string{{"0 1.00 3.00 a", "0 2.00 4.00 b|Other"}, {"0 1.00 3.00 a", `0 2.00 4.00 {\k20}b`}} {
		if _, err := settled(t, lines...); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "at 2s overlap") {
			t.Errorf("%q: %v", lines, err)
		}
	}
}

func TestAScriptIsMovedAndCutOffAtZero(t *testing.T) {
	s, err := Parse([]byte(script("0 1.00 2.00 a", "0 3.50 4.00 b")))
	if err != nil || s.Events() != 2 {
		t.Fatal(s, err)
	}
	s.Restyle()
	for delay, want := range map[time.Duration]string{
		25 * time.Hour:           "25:00:01.00,25:00:02.00,Default,,0,0,0,,a\nDialogue: 0,25:00:03.50,25:00:04.00,Default,,0,0,0,,b\n",
		-1500 * time.Millisecond: "0:00:00.00,0:00:00.50,Default,,0,0,0,,a\nDialogue: 0,0:00:02.00,0:00:02.50,Default,,0,0,0,,b\n",
		-2 * time.Second:         "0:00:01.50,0:00:02.00,Default,,0,0,0,,b\n",
		4 * time.Millisecond:     "0:00:01.00,0:00:02.00,Default,,0,0,0,,a\nDialogue: 0,0:00:03.50,0:00:04.00,Default,,0,0,0,,b\n",
	} {
		if _, got, _ := strings.Cut(string(s.Moved(delay)), "Dialogue: 0,"); got != want {
			t.Errorf("%v:\n%s\nwant\n%s", delay, got, want)
		}
	}
}

func TestMalformedScriptsAreErrors(t *testing.T) {
	for _, text := range []string{"Dialogue: 0,1,2", head + "Dialogue: 0,a,0:00:01.00,,,0,0,0,,x", head + "Dialogue: 0,0:00:01.00,-0:00:01.00,,,0,0,0,,x"} {
		if _, err := Parse([]byte(text)); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Parse([]byte(strings.Repeat("\n", maxBytes+1))); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a script without end: %v", err)
	}
}
