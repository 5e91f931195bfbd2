// Command exact runs mapreel on awkward sources and compares each output with its source, frame by frame and beep by
// beep, as plain ffmpeg decodes them. It believes nothing that mapreel says of itself.
//
//	make exact                                 # all sources
//	make exact EXACT='-only TS -v'             # those whose name matches
//	make exact EXACT='-markdown'               # the table as Markdown
//	make exact EXACT='-verify'                 # with a column of what mapreel verify says
//
// Beside mapreel stand one pass of ffmpeg with the same encoder settings and the usual recipe of segments by -ss and -t
// and a concat list. The exit code is 1 where a row of mapreel's is not good.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/exact/source"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/verify"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "exact:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("exact", flag.ContinueOnError)
	only := flags.String("only", "", "regular expression: sources to take")
	skip := flags.String("skip", "", "regular expression: sources to leave out")
	quick := flags.Bool("quick", false, "the short form: cheap and telling sources")
	alone := flags.Bool("alone", false, "leave out what mapreel is held against")
	markdown := flags.Bool("markdown", false, "print the table as Markdown")
	second := flags.Bool("verify", false, "ask mapreel verify too, in a column of its own")
	container := flags.String("container", "mp4", "of the outputs: mp4, mkv or webm")
	jobs := flags.Int("jobs", runtime.NumCPU(), "sources at once")
	list := flags.Bool("list", false, "print the sources' names")
	verbose := flags.Bool("v", false, "tell of each row when it is done")
	keep := flags.String("keep", "", "folder in which sources and outputs stay")
	if err := flags.Parse(args); err != nil {
		return err
	}
	take, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	leave, err := regexp.Compile(*skip)
	if err != nil {
		return err
	}
	var sources []source.Source
	for _, s := range source.All() {
		if take.MatchString(s.Name) && (*skip == "" || !leave.MatchString(s.Name)) && (s.Quick || !*quick) {
			sources = append(sources, s)
		}
	}
	if *list {
		for _, s := range sources {
			fmt.Fprintln(out, s.Name)
		}
		return nil
	}
	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return err
	}
	work := *keep
	if work == "" {
		if work, err = os.MkdirTemp("", "mapreel-exact-"); err != nil {
			return err
		}
		defer os.RemoveAll(work)
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if work, err = filepath.Abs(work); err != nil {
		return err
	}
	m := matrix{contenders: contenders(tools), container: film.Container(*container), work: work, keep: *keep != "", verify: *second, tools: tools}
	if *alone {
		m.contenders = m.contenders[1:2]
	}
	rows := make([]result, len(sources))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(*jobs)
	for i, s := range sources {
		g.Go(func() error {
			began := time.Now()
			r, err := m.row(ctx, s)
			rows[i] = r
			if *verbose && err == nil {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(log, "%-42s %5.1f s  %s\n", s.Name, time.Since(began).Seconds(), r.cell("mapreel"))
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	draw := text
	if *markdown {
		draw = asMarkdown
	}
	if err := draw(out, table(rows, m.contenders, m.verify)); err != nil {
		return err
	}
	bad := 0
	for _, r := range rows {
		if f := r.findings["mapreel"]; !f.good() {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d sources are not good", bad, len(rows))
	}
	return nil
}

// matrix runs rows.
type matrix struct {
	contenders []contender
	container  film.Container
	work       string
	keep       bool
	verify     bool // have mapreel's outputs verified
	tools      ffmpeg.Tools
}

// result is a row of the table.
type result struct {
	source   source.Source
	account  account
	findings map[string]*finding
}

// row makes a source, has every contender encode it, and compares. The error is of what makes or measures, not of a
// contender.
func (m matrix) row(ctx context.Context, s source.Source) (result, error) {
	r := result{source: s, findings: map[string]*finding{}}
	dir, err := os.MkdirTemp(m.work, "row-")
	if err != nil {
		return r, err
	}
	if !m.keep {
		defer os.RemoveAll(dir)
	}
	path, err := s.Make(ctx, dir)
	if err != nil {
		return r, err
	}
	if r.account, err = examine(ctx, path); err != nil {
		return r, err
	}
	for _, c := range m.contenders {
		t := task{source: s, path: path, account: r.account, kind: m.container, dir: filepath.Join(dir, c.name)}
		if err := os.Mkdir(t.dir, 0o755); err != nil {
			return r, err
		}
		f := m.finding(ctx, t, c)
		if err := context.Cause(ctx); err != nil {
			return r, err
		}
		if m.verify && c.name == "mapreel" && f.err == nil {
			f.verify = m.opinion(ctx, t)
		}
		f.judge(r.account, r.findings["one pass"])
		r.findings[c.name] = &f
	}
	return r, nil
}

func (m matrix) finding(ctx context.Context, t task, c contender) finding {
	if err := c.encode(ctx, t); err != nil {
		return finding{err: err}
	}
	out, err := examine(ctx, t.output())
	if err != nil {
		return finding{err: err}
	}
	colours := ""
	if t.source.ToneMapped {
		colours = "tone-mapped"
	}
	if m.container != film.MP4 {
		out.forgive(t.account)
	}
	f := compare(t.account, out, colours)
	f.noEdits = m.container != film.MP4
	from, to := t.account.stated.picture(), out.stated.picture()
	if from != nil && to != nil && !t.source.ToneMapped {
		if f.psnr, err = psnr(ctx, t.path, t.output(), *from, *to, t.source.Interlaced); err != nil {
			return finding{err: errors.Join(err)}
		}
	}
	return f
}

// opinion is what mapreel verify says.
func (m matrix) opinion(ctx context.Context, t task) string {
	report, err := verify.Files(ctx, m.tools, t.path, t.output(), verify.Options{})
	if err != nil {
		return err.Error()
	}
	var bad []string
	for _, c := range report.Checks {
		if c.Verdict == verify.Bad {
			bad = append(bad, c.Name+": "+c.Figure)
		}
	}
	return cmp.Or(strings.Join(bad, "; "), string(report.Verdict))
}

func (r result) cell(contender string) string {
	f := r.findings[contender]
	switch {
	case f == nil:
		return ""
	case f.good():
		return "good"
	}
	return strings.Join(f.problems, "; ")
}

func decibel(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 1):
		return "equal"
	}
	return fmt.Sprintf("%.1f", v)
}
