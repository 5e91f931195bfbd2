// Package terminal finds out what a terminal can show, and redraws lines at its bottom.
//
//	if terminal.Movable(os.Stderr, os.Getenv("TERM")) {
//		lines := terminal.NewLines(os.Stderr, func(width int) []string { return progress.Bars(p.Snapshot(time.Now()), width) })
//		defer lines.Stop()
//	}
package terminal

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8/cwriter"

	"github.com/mapreel/mapreel/pkg/printable"
)

// Unfiltered returns the writer below the filter of main. Who uses it filters texts itself.
func Unfiltered(w io.Writer) io.Writer {
	if filter, ok := w.(*printable.Writer); ok {
		return filter.Unwrap()
	}
	return w
}

// Width returns the number of columns of w, or 0 if w is not a terminal.
func Width(w io.Writer) int {
	f, ok := Unfiltered(w).(*os.File)
	if !ok || !cwriter.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := cwriter.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// Movable reports whether lines that were written to w can be overwritten. term is the value of $TERM.
func Movable(w io.Writer, term string) bool { return Width(w) > 0 && term != "dumb" }
