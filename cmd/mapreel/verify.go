package main

import (
	"context"
	"crypto/rand"
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

	"github.com/mapreel/mapreel/cmd/mapreel/internal/bars"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/private"
	"github.com/mapreel/mapreel/pkg/verify"
	"github.com/mapreel/mapreel/pkg/verify/plot"
)

// errDiffers reports that an output differs from its source. The printed report has the details.
var errDiffers = errors.New("the output differs from its source")

// notComparedError is an error that prevented a comparison. Its exit code differs from that of errDiffers.
type notComparedError struct{ error }

func (e notComparedError) Unwrap() error { return e.error }

// comparisonInterrupted is the interruption of a comparison, which cannot be continued.
type comparisonInterrupted struct{}

func (comparisonInterrupted) Error() string { return "interrupted: the comparison is not finished" }
func (comparisonInterrupted) Unwrap() error { return interruptedError{} }

// run compares. Its error is errDiffers, comparisonInterrupted or a notComparedError.
func (c verifyCmd) run(ctx context.Context, env environment) error {
	report, err := c.compare(ctx, env)
	if errors.Is(context.Cause(ctx), errSignalled) {
		return comparisonInterrupted{}
	}
	if err != nil {
		return notComparedError{err}
	}
	if c.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		_, err = io.WriteString(env.Stdout, formatReport(report, terminal.Width(env.Stdout)))
	}
	if err != nil {
		return notComparedError{fault.Wrap(fault.KindOf(err), err, "print the report")}
	}
	if report.Verdict != verify.Good {
		return errDiffers
	}
	return nil
}

func (c verifyCmd) compare(ctx context.Context, env environment) (verify.Report, error) {
	dir, err := workingDirectory()
	if err != nil {
		return verify.Report{}, fault.Wrap(fault.NotFound, err, "")
	}
	var paths [2]string
	for i, name := range []string{c.Source, c.Output} {
		if paths[i], err = requestflags.LocalPath(name, dir); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "")
		}
	}
	drawing := c.Plot
	if drawing != "" {
		if drawing, err = requestflags.LocalPath(drawing, dir); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--plot")
		}
		if drawing == paths[0] || drawing == paths[1] {
			return verify.Report{}, fault.New(fault.Invalid, "--plot: %s is one of the videos; choose another name", drawing)
		}
	}
	options := verify.Options{Program: c.Program, Part: c.PartFlags.Part()}
	if options.Sequence, err = c.Sequence(); err != nil {
		return verify.Report{}, err
	}
	if ps := options.Part.Check(); len(ps) > 0 {
		return verify.Report{}, fault.New(fault.Invalid, "--%s: %s", strings.TrimPrefix(ps[0].Pointer, "/part/"), ps[0].Message)
	}
	var problem string
	if options.Tracks, problem = c.Choices(); problem != "" {
		return verify.Report{}, fault.New(fault.Invalid, "%s", problem)
	}
	if c.FPS != "" {
		rate, err := film.ParseFrameRate(c.FPS)
		if err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--fps")
		}
		options.Rate = media.Rational{Num: rate.Num, Den: rate.Den}
	}
	if c.Crop != "" {
		if options.Crop, err = film.ParseRegion(c.Crop); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--crop")
		}
	}
	if _, err := filter.Parse(c.Filter); err != nil {
		return verify.Report{}, fault.Wrap(fault.Invalid, err, "--filter")
	}
	options.Filter = c.Filter
	if options.Subtitles, err = c.Files(func(s string) (string, error) { return requestflags.LocalPath(s, dir) }); err != nil {
		return verify.Report{}, fault.Wrap(fault.Invalid, err, "--subtitle-file")
	}
	if c.Burn != "" {
		options.Burn = new(subtitle.ParseBurn(c.Burn))
		if options.Burn.File != "" {
			if options.Burn.File, err = requestflags.LocalPath(options.Burn.File, dir); err != nil {
				return verify.Report{}, fault.Wrap(fault.Invalid, err, "--burn-subtitles")
			}
		}
	}
	if options.Overlay = (*overlay.Overlay)(c.Overlay); c.Overlay != nil {
		if options.Overlay.Image, err = requestflags.LocalPath(c.Overlay.Image, dir); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--overlay")
		}
	}
	if c.Report != "" {
		data, err := readReport(c.Report, dir)
		if err != nil {
			return verify.Report{}, err
		}
		if options.Job, err = verify.ReadJob(data, paths[1]); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--report "+c.Report)
		}
	}
	if c.Against != "" {
		if options.Against, err = requestflags.LocalPath(c.Against, dir); err != nil {
			return verify.Report{}, fault.Wrap(fault.Invalid, err, "--against")
		}
	}
	tools, err := env.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return verify.Report{}, err
	}
	if c.Progress != progressNone && terminal.Movable(env.Stderr, os.Getenv("TERM")) {
		d := newCompareDisplay(env.Stderr)
		defer d.stop()
		options.OnProgress = d.observe
	}
	report, err := verify.Files(ctx, tools, paths[0], paths[1], options)
	if err == nil && drawing != "" {
		err = replaceFile(drawing, "--plot", plot.Draw(report))
	}
	return report, err
}

// compareWithSource returns what compares an output with its source for the page of a server.
func compareWithSource(env environment) func(context.Context, string, string, json.RawMessage, func(console.Fraction)) (console.Comparison, error) {
	return func(ctx context.Context, source, output string, report json.RawMessage, progress func(console.Fraction)) (console.Comparison, error) {
		tools, err := env.Find(ctx, ffmpeg.FindOptions{})
		if err != nil {
			return console.Comparison{}, err
		}
		job, err := verify.ReadJob(report, output)
		if err != nil {
			return console.Comparison{}, err
		}
		r, err := verify.Files(ctx, tools, source, output, verify.Options{Job: job, OnProgress: func(p verify.Progress) {
			progress(console.Fraction(min(float64(p.Frames)/float64(max(p.TotalFrames, 1)), 1)))
		}})
		if err != nil {
			return console.Comparison{}, err
		}
		text, err := json.Marshal(r)
		return console.Comparison{Report: text, Plot: plot.Draw(r)}, fault.Wrap(fault.Internal, err, "report")
	}
}

// maxReportSize bounds the size of a job's report, with the lines of progress before it.
const maxReportSize = 256 << 20

func readReport(name, dir string) ([]byte, error) {
	path, err := requestflags.LocalPath(name, dir)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "--report")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "--report")
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxReportSize))
	return data, fault.Wrap(fault.KindOf(err), err, "--report")
}

// replaceFile writes data to path atomically, with the permissions that the umask gives: on an error, an existing file stays
// unchanged, and the error begins with purpose. A link in its place is replaced; links of other users in its folder's path are an error.
func replaceFile(path, purpose string, data []byte) (err error) {
	folder, err := private.Resolve(filepath.Dir(path))
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, purpose)
	}
	temp := filepath.Join(folder, ".mapreel-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, purpose)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
			err = fault.Wrap(fault.KindOf(err), err, purpose)
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(folder, filepath.Base(path)))
}

// formatReport returns a line for each check of a report: the verdict, the measured figure and its limit. If width is not
// 0, long figures are wrapped.
func formatReport(r verify.Report, width int) string {
	nameWidth, verdicts := 0, map[verify.Verdict]string{verify.Good: "good", verify.Bad: "BAD", verify.Note: "-"}
	for _, c := range r.Checks {
		nameWidth = max(nameWidth, runewidth.StringWidth(printable.Line(c.Name)))
	}
	var b strings.Builder
	bad := 0
	for _, c := range r.Checks {
		if c.Verdict == verify.Bad {
			bad++
		}
		text := oneLine(c.Figure)
		if c.Limit != "" {
			text += "  [" + oneLine(c.Limit) + "]"
		}
		indent := 6 + nameWidth + 2
		for i, line := range wrap(text, width-indent) {
			if i == 0 {
				fmt.Fprintf(&b, "%-4s  %s  %s\n", verdicts[c.Verdict], runewidth.FillRight(printable.Line(c.Name), nameWidth), line)
			} else {
				b.WriteString(strings.Repeat(" ", indent) + line + "\n")
			}
		}
	}
	if bad == 0 {
		b.WriteString("\ngood: the output matches its source\n")
	} else {
		fmt.Fprintf(&b, "\nBAD: %d of %d checks failed\n", bad, len(r.Checks))
	}
	return b.String()
}

// wrap breaks text between words into lines of at most width columns. It does not wrap at a width below 20.
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

// compareDisplay shows the progress of a comparison.
type compareDisplay struct {
	lines   *terminal.Lines
	started time.Time
	mu      sync.Mutex // guards last
	last    verify.Progress
}

func newCompareDisplay(out io.Writer) *compareDisplay {
	d := &compareDisplay{started: time.Now()}
	d.lines = terminal.NewLines(out, func(width int) []string {
		d.mu.Lock()
		defer d.mu.Unlock()
		return formatCompareBars(d.last, time.Since(d.started), width)
	})
	return d
}

func (d *compareDisplay) observe(p verify.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = p
}

func (d *compareDisplay) stop() { d.lines.Stop() }

// formatCompareBars returns the lines that show p on a terminal of width columns: at least one, none longer than width.
func formatCompareBars(p verify.Progress, elapsed time.Duration, width int) []string {
	var lines []string
	add := func(label string, fraction float64, fields ...string) {
		status := bars.FitFields(fields, bars.StatusWidth(width))
		lines = append(lines, bars.Bar(label, min(fraction, 1), bars.BarLength(status, width))+status)
	}
	if p.TotalFrames > 0 {
		fraction := float64(p.Frames) / float64(p.TotalFrames)
		fields := []string{fmt.Sprintf("%d/%d frames", p.Frames, p.TotalFrames)}
		if fraction > 0.01 && fraction < 1 {
			fields = append(fields, format.Clock(time.Duration(float64(elapsed)*(1-fraction)/fraction))+" left")
		}
		add("video", fraction, append(fields, format.Rate(float64(p.Frames)/max(elapsed.Seconds(), 0.1))+" fps")...)
	}
	if p.TotalAudio > 0 {
		add("audio", float64(p.Audio)/float64(p.TotalAudio))
	}
	if len(lines) == 0 {
		lines = []string{"comparing  " + format.Clock(elapsed)}
	}
	return bars.Clip(lines, width)
}
