// Command exact runs mapreel on awkward sources and compares each output with its source, frame by
// frame and beep by beep, as plain ffmpeg decodes them. It relies on nothing that mapreel reports
// about itself.
//
//	make exact                                 # all sources
//	make exact EXACT='-only TS -v'             # those whose name matches
//	make exact EXACT='-markdown'               # the table as Markdown
//	make exact EXACT='-verify'                 # with a column of mapreel verify's results
//
// For comparison the same sources go through one pass of ffmpeg with the same encoder settings, and
// through the usual recipe: segments by -ss and -t, joined by the concat demuxer. The exit code is
// 1 if a result of mapreel is not good.
package main

import (
	"cmp"
	"context"
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

	"github.com/mapreel/mapreel/internal/exact/judge"
	"github.com/mapreel/mapreel/internal/exact/source"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render/blender"
)

func main() {
	if code, ok := judge.Confined(os.Args); ok {
		os.Exit(code)
	}
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
	only := flags.String("only", "", "regular expression: run matching sources")
	skip := flags.String("skip", "", "regular expression: skip matching sources")
	quick := flags.Bool("quick", false, "only the sources of the short form: cheap and likely to fail")
	alone := flags.Bool("alone", false, "run mapreel only, without the other candidates")
	markdown := flags.Bool("markdown", false, "print the table as Markdown")
	withVerify := flags.Bool("verify", false, "run mapreel verify too, in a column of its own")
	container := flags.String("container", "mp4", "container of the outputs: mp4, mkv or webm")
	jobs := flags.Int("jobs", runtime.NumCPU(), "number of sources at once")
	list := flags.Bool("list", false, "print the names of the sources")
	verbose := flags.Bool("v", false, "print each result as it is done")
	keep := flags.String("keep", "", "folder in which to keep sources and outputs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	include, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	exclude, err := regexp.Compile(*skip)
	if err != nil {
		return err
	}
	var sources []source.Source
	_, noBlender := blender.Program{}.Find()
	for _, s := range source.All() {
		if include.MatchString(s.Name) && (*skip == "" || !exclude.MatchString(s.Name)) && (s.Quick || !*quick) {
			if s.Scene != "" && noBlender != nil {
				fmt.Fprintf(log, "SKIPPED: %s: %v\n", s.Name, noBlender)
				continue
			}
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
	m := matrix{candidates: []judge.Candidate{judge.OnePass(), judge.Mapreel(tools), judge.UsualRecipe()}, container: film.Container(*container), work: work, keep: *keep != "", verify: *withVerify, tools: tools}
	if *alone {
		m.candidates = m.candidates[1:2]
	}
	rows := make([]result, len(sources))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(*jobs)
	for i, s := range sources {
		g.Go(func() error {
			began := time.Now()
			r, err := m.run(ctx, s)
			rows[i] = r
			if *verbose && err == nil {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(log, "%-42s %5.1f s  %s\n", s.Name, time.Since(began).Seconds(), r.verdict("mapreel"))
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	write := writeText
	if *markdown {
		write = writeMarkdown
	}
	if err := write(out, table(rows, m.candidates, m.verify)); err != nil {
		return err
	}
	bad := 0
	for _, r := range rows {
		if f := r.findings["mapreel"]; !f.Good() {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d sources are not good", bad, len(rows))
	}
	return nil
}

// matrix runs every candidate on every source.
type matrix struct {
	candidates []judge.Candidate
	container  film.Container
	work       string
	keep       bool
	verify     bool // run mapreel verify on mapreel's outputs
	tools      ffmpeg.Tools
}

// result is a row of the table.
type result struct {
	source   source.Source
	measured judge.Measurement
	findings map[string]*judge.Finding
}

// run makes a source, has every candidate encode it, and compares the outputs. The error is about
// making or measuring, not about a candidate.
func (m matrix) run(ctx context.Context, s source.Source) (result, error) {
	r := result{source: s, findings: map[string]*judge.Finding{}}
	dir, err := os.MkdirTemp(m.work, "source-")
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
	s = s.At(path)
	if r.measured, err = judge.Measure(ctx, path); err != nil {
		return r, err
	}
	r.measured = r.measured.Take(s.Part).Choose(s.Tracks.Chosen)
	for _, c := range m.candidates {
		t := judge.Task{
			Path: path, Measured: r.measured, Container: cmp.Or(s.Output, m.container), Dir: filepath.Join(dir, c.Name),
			Codec: s.Codec, Video: s.Video, Filter: s.Filter, Options: s.Options, Crop: s.Crop, Picture: s.Picture, Part: s.Part, Sequence: s.Sequence, From: s.From,
			Request: s.Tracks.Request, Chosen: s.Tracks.Chosen, Beside: s.Beside, Join: s.Join, Scene: s.Scene, Render: s.Render, Segment: s.Segment, Interlaced: s.Interlaced, ToneMapped: s.ToneMapped,
		}
		if err := os.Mkdir(t.Dir, 0o755); err != nil {
			return r, err
		}
		f := c.Judge(ctx, t)
		if err := context.Cause(ctx); err != nil {
			return r, err
		}
		if m.verify && c.Name == "mapreel" && f.Err == nil {
			f.Verify = judge.Verify(ctx, m.tools, t, nil)
		}
		f.Evaluate(r.measured, r.findings["one pass"])
		if s.Previews && c.Name == "mapreel" {
			problems, err := m.previews(ctx, path, dir, s)
			if err != nil {
				return r, err
			}
			f.Problems = append(f.Problems, problems...)
		}
		r.findings[c.Name] = &f
	}
	return r, nil
}

// previews makes previews of a source, and returns what is wrong with them.
func (m matrix) previews(ctx context.Context, path, dir string, s source.Source) ([]string, error) {
	t := judge.Task{Path: path, Dir: filepath.Join(dir, "previews"), Sequence: s.Sequence, Segment: s.Segment}
	if err := os.Mkdir(t.Dir, 0o755); err != nil {
		return nil, err
	}
	return judge.Previews(ctx, m.tools, t)
}

// verdict returns "good", the problems of a candidate, or "" if it did not run.
func (r result) verdict(contender string) string {
	f := r.findings[contender]
	switch {
	case f == nil:
		return ""
	case f.Good():
		return "good"
	}
	return strings.Join(f.Problems, "; ")
}

// formatDecibels formats a PSNR.
func formatDecibels(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 1):
		return "equal"
	}
	return fmt.Sprintf("%.1f", v)
}
