package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/verify"
)

// errDiffers says that an output is not what it should be. The report has told it.
var errDiffers = errors.New("the output differs from its source")

// unknown is an error that left verify without an answer, so that it must not end as "differs" does.
type unknown struct{ error }

func (e unknown) Unwrap() error { return e.error }

// notCompared is the interruption of a comparison, of which nothing is kept.
type notCompared struct{}

func (notCompared) Error() string { return "interrupted: the comparison is not finished" }
func (notCompared) Unwrap() error { return interrupted{} }

// run compares. Its error is errDiffers, an interruption, or unknown.
func (c verification) run(ctx context.Context, env environment) error {
	report, err := c.work(ctx, env)
	if errors.Is(context.Cause(ctx), errSignalled) {
		return notCompared{}
	}
	if err != nil {
		return unknown{err}
	}
	if c.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		_, err = io.WriteString(env.Stdout, verdicts(report, terminalWidth(env.Stdout)))
	}
	if err != nil {
		return unknown{fault.Wrap(fault.KindOf(err), err, "print the report")}
	}
	if report.Verdict != verify.Good {
		return errDiffers
	}
	return nil
}

func (c verification) work(ctx context.Context, env environment) (verify.Report, error) {
	dir, err := workingDirectory()
	if err != nil {
		return verify.Report{}, fault.Wrap(fault.NotFound, err, "")
	}
	var paths [2]string
	for i, name := range []string{c.Source, c.Output} {
		if paths[i], err = localPath(name, dir); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "")
		}
	}
	plot := c.Plot
	if plot != "" {
		if plot, err = localPath(plot, dir); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--plot")
		}
		if plot == paths[0] || plot == paths[1] {
			return verify.Report{}, fault.New(fault.Invalid, "--plot: %s is one of the videos; choose another name", plot)
		}
	}
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return verify.Report{}, err
	}
	shown := func(verify.Progress) {}
	if c.Progress != showNone && canMoveCursor(env.Stderr, os.Getenv("TERM")) {
		b := newComparing(env.Stderr)
		defer b.stop()
		shown = b.observe
	}
	report, err := verify.Files(ctx, tools, paths[0], paths[1], verify.Options{OnProgress: shown})
	if err == nil && plot != "" {
		err = writeWhole(plot, verify.Plot(report))
	}
	return report, err
}

// writeWhole replaces a file by another with this content, or leaves it as it was.
func writeWhole(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".mapreel-*")
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "--plot")
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fault.Wrap(fault.KindOf(err), err, "--plot")
		}
	}()
	_, err = io.Copy(f, bytes.NewReader(data))
	if err == nil {
		err = f.Chmod(0o644) // as any file that is not private
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// verdicts shows a report: a line a check, the figure and what it should be. Where width is not 0, long figures go on in
// further lines.
func verdicts(r verify.Report, width int) string {
	names, words := 0, map[verify.Verdict]string{verify.Good: "good", verify.Bad: "BAD", verify.Note: "-"}
	for _, c := range r.Checks {
		names = max(names, runewidth.StringWidth(c.Name))
	}
	var b strings.Builder
	bad := 0
	for _, c := range r.Checks {
		if c.Verdict == verify.Bad {
			bad++
		}
		text := oneLine(printable(c.Figure))
		if c.Limit != "" {
			text += "  [" + c.Limit + "]"
		}
		lead := 6 + names + 2
		for i, line := range wrap(text, width-lead) {
			if i == 0 {
				fmt.Fprintf(&b, "%-4s  %s  %s\n", words[c.Verdict], runewidth.FillRight(c.Name, names), line)
			} else {
				b.WriteString(strings.Repeat(" ", lead) + line + "\n")
			}
		}
	}
	if bad == 0 {
		b.WriteString("\ngood: the output is what its source is\n")
	} else {
		fmt.Fprintf(&b, "\nBAD: %d of %d checks failed\n", bad, len(r.Checks))
	}
	return b.String()
}

// printable replaces what a terminal would obey: titles come from the files.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// wrap breaks a text between words. A width below 20 leaves it whole.
func wrap(text string, width int) []string {
	if width < 20 {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		if line != "" && runewidth.StringWidth(line)+1+runewidth.StringWidth(word) > width {
			lines, line = append(lines, strings.TrimRight(line, " ")), word
			continue
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// comparing shows how far a comparison is, at the bottom of a terminal.
type comparing struct {
	canvas *mpb.Progress
	bar    *mpb.Bar
	began  time.Time
	mu     sync.Mutex // over last
	last   verify.Progress
}

func newComparing(out io.Writer) *comparing {
	c := &comparing{canvas: mpb.New(mpb.WithOutput(out)), began: time.Now()}
	var rows []string
	top := mpb.BarFillerFunc(func(to io.Writer, stat decor.Statistics) error {
		c.mu.Lock()
		rows = comparingRows(c.last, time.Since(c.began), stat.AvailableWidth)
		c.mu.Unlock()
		_, err := io.WriteString(to, rows[0])
		return err
	})
	rest := mpb.BarFillerFunc(func(to io.Writer, _ decor.Statistics) error {
		for _, row := range rows[1:] {
			if _, err := io.WriteString(to, row+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
	c.bar = c.canvas.MustAdd(0, top, mpb.BarFillerTrim(), mpb.BarExtender(rest, false))
	return c
}

func (c *comparing) observe(p verify.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = p
}

func (c *comparing) stop() {
	c.bar.Abort(true)
	c.canvas.Wait()
}

// comparingRows are the rows that a terminal of some columns shows; at least one, none longer than width.
func comparingRows(p verify.Progress, elapsed time.Duration, width int) []string {
	var rows []string
	add := func(name string, part float64, texts ...string) {
		beside := beside(width)
		text := fill(texts, beside)
		rows = append(rows, barRow(name, min(part, 1), min(max(beside-len(text), 0)+minBar, maxBar))+text)
	}
	if p.AllFrames > 0 {
		part := float64(p.Frames) / float64(p.AllFrames)
		texts := []string{fmt.Sprintf("%d/%d frames", p.Frames, p.AllFrames)}
		if part > 0.01 && part < 1 {
			texts = append(texts, clock(time.Duration(float64(elapsed)*(1-part)/part))+" left")
		}
		add("picture", part, append(texts, rate(float64(p.Frames)/max(elapsed.Seconds(), 0.1))+" fps")...)
	}
	if p.AllSound > 0 {
		add("sound  ", float64(p.Sound)/float64(p.AllSound))
	}
	if len(rows) == 0 {
		rows = []string{"comparing  " + clock(elapsed)}
	}
	for i, row := range rows {
		rows[i] = row[:min(len(row), max(width, 0))]
	}
	return rows
}
