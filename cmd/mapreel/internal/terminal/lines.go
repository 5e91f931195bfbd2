package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mapreel/mapreel/pkg/printable"
)

// Lines redraws lines at the bottom of a terminal until Stop removes them. mpb moves the cursor, measures the
// terminal and sets the pace.
type Lines struct {
	out    io.Writer
	canvas *mpb.Progress
	bar    *mpb.Bar
	once   sync.Once
	wraps  bool // see wrapsAgain

	drawn []string // the lines of the last frame; written by mpb's goroutine
}

// NewLines shows the lines that format returns for a terminal of width columns; it must return at least one.
func NewLines(out io.Writer, format func(width int) []string) *Lines {
	out = Unfiltered(out) // mpb moves the cursor
	l := &Lines{out: out, canvas: mpb.New(mpb.WithOutput(out)), wraps: wrapsAgain(os.Getenv)}
	first := mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error {
		erase := l.erase(stat.AvailableWidth)
		l.drawn = format(stat.AvailableWidth)
		for i, line := range l.drawn {
			l.drawn[i] = printable.Line(line)
		}
		_, err := io.WriteString(w, erase+l.drawn[0])
		return err
	})
	others := mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
		for _, line := range l.drawn[1:] {
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
	// A bar with a total of 0 never completes by itself, so that Stop removes it from the screen.
	l.bar = l.canvas.MustAdd(0, first, mpb.BarFillerTrim(), mpb.BarExtender(others, false))
	return l
}

// Print writes text above the lines.
func (l *Lines) Print(text string) {
	text = printable.Text(text)
	if _, err := io.WriteString(l.canvas, "\r"+text); err != nil { // stopped
		_, _ = io.WriteString(l.out, text)
	}
}

// Stop removes the lines.
func (l *Lines) Stop() {
	l.once.Do(func() {
		l.bar.Abort(true)
		l.canvas.Wait()
		_, _ = io.WriteString(l.out, l.erase(Width(l.out)))
	})
}

// erase returns the codes that erase what mpb leaves of the last frame on a terminal of width columns. mpb moves the cursor up by
// a row for each line and erases from there on. That leaves the beginning of the first line where a key was echoed, such as ^C,
// and the first rows where the terminal has become narrower and has wrapped the lines.
func (l *Lines) erase(width int) string {
	extra := 0
	for _, line := range l.drawn {
		extra += max(len(line)-1, 0) / max(width, 1)
	}
	if !l.wraps || extra == 0 {
		return "\r\x1b[J"
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", extra)
}

// wrapsAgain reports whether the terminal wraps its lines anew when it becomes narrower. xterm and GNU screen cut them.
func wrapsAgain(getenv func(string) string) bool {
	if getenv("TMUX") != "" {
		return true
	}
	return getenv("XTERM_VERSION") == "" && getenv("STY") == ""
}
