// Command random draws sources at random, runs mapreel on them, and compares its outputs with what
// one pass of ffmpeg makes of the same source and with what mapreel verify says.
//
//	make exact-random N=200 SEED=1                # the seeds 1 to 200
//	make exact-random N=1 SEED=17                 # one of them again
//	make exact-random N=1 SEED=17 FLAGS=-recipe  # its source, as commands of ffmpeg
//
// A fault is an output that is wrong, a refusal where one pass works, or a false verdict of verify.
// It is printed with its seed and with the simplest recipe that has it: one unusual property after
// the other is made usual while it lasts. The exit code is 1 if there is any.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/internal/exact/judge"
	"github.com/mapreel/mapreel/internal/exact/recipe"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "random:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("random", flag.ContinueOnError)
	first := flags.Uint64("seed", 1, "the first seed")
	count := flags.Uint64("n", 1, "number of seeds")
	usual := flags.String("usual", "", "unusual properties of the recipe that become usual, separated by commas")
	only := flags.String("only", "", "regular expression: run seeds whose recipe matches, as 'Clock|Damage flips'")
	printed := flags.Bool("recipe", false, "print the recipe and the commands that make the source, and run nothing")
	simple := flags.Bool("shrink", true, "look for the simplest recipe that still fails")
	keep := flags.String("keep", "", "folder in which to keep sources and outputs")
	sources := flags.Bool("sources", false, "with -keep, make the sources and run nothing")
	jobs := flags.Int("jobs", runtime.NumCPU(), "number of seeds at once")
	verbose := flags.Bool("v", false, "print each seed as it is done, not the faults alone")
	if err := flags.Parse(args); err != nil {
		return err
	}
	include, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	properties := strings.FieldsFunc(*usual, func(r rune) bool { return r == ',' })
	if *printed {
		return printRecipes(ctx, out, *first, *count, properties)
	}
	if *sources {
		return makeSources(ctx, out, *keep, *first, *count, properties)
	}
	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		return err
	}
	t := trials{tools: tools, jobs: judge.Mapreel(tools), work: *keep, keep: *keep != ""}
	if t.work == "" {
		if t.work, err = os.MkdirTemp("", "mapreel-random-"); err != nil {
			return err
		}
		defer os.RemoveAll(t.work)
	} else if err := os.MkdirAll(t.work, 0o755); err != nil {
		return err
	}
	if t.work, err = filepath.Abs(t.work); err != nil {
		return err
	}
	began := time.Now()
	total := &summary{classes: map[class]int{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(*jobs)
	for i := range *count {
		if !include.MatchString(recipe.Draw(*first+i, 0).String()) {
			continue
		}
		g.Go(func() error {
			o, err := t.draw(ctx, *first+i, properties)
			if err != nil {
				return err
			}
			mu.Lock()
			total.add(o)
			if *verbose || o.verdict.class.fault() {
				print(out, o)
			}
			mu.Unlock()
			if !*simple || !o.verdict.class.fault() {
				return nil
			}
			s, err := shrink(ctx, o, t.try)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			printShrunk(out, o.seed, s)
			return nil
		})
	}
	err = g.Wait()
	fmt.Fprintf(out, "%s in %s\n", total, time.Since(began).Round(time.Second))
	if n := total.faults(); err == nil && n > 0 {
		err = fmt.Errorf("%d of %d seeds fail", n, total.seeds)
	}
	return err
}

// print prints what a seed gave.
func print(out io.Writer, o outcome) {
	fmt.Fprintf(out, "seed %d, %.1f s, %s\n  drawn: %s\n", o.seed, o.took.Seconds(), oneLine(o.verdict.String()), o.recipe)
	if o.verdict.class.fault() {
		fmt.Fprintf(out, "  again: make exact-random N=1 SEED=%d\n", o.seed)
	}
}

// printShrunk prints the simplest recipe that fails as a seed does.
func printShrunk(out io.Writer, seed uint64, s *shrunk) {
	if len(s.usual) > 0 {
		fmt.Fprintf(out, "seed %d, enough: %s: %s\n  again: make exact-random N=1 SEED=%d FLAGS='-usual %s'\n",
			seed, s.recipe, oneLine(s.verdict.String()), seed, strings.Join(s.usual, ","))
	}
}

// maxDetail bounds the length of a printed detail: ffmpeg's words are many.
const maxDetail = 600

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		s = s[:maxDetail] + " …"
	}
	return s
}

// printRecipes prints recipes and what makes their sources. Each is the first of its seed that
// ffmpeg makes, as in a trial.
func printRecipes(ctx context.Context, out io.Writer, first, count uint64, usual []string) error {
	for seed := first; seed < first+count; seed++ {
		r, err := made(ctx, seed, usual)
		if err != nil {
			return err
		}
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "# seed %d: %s\n%s\n", seed, r, data)
		for _, s := range r.Steps() {
			fmt.Fprintln(out, s)
		}
	}
	return nil
}

// makeSources makes the source of each seed in a folder, and prints where.
func makeSources(ctx context.Context, out io.Writer, folder string, first, count uint64, usual []string) error {
	if folder == "" {
		return errors.New("-sources takes a folder: -keep FOLDER")
	}
	for seed := first; seed < first+count; seed++ {
		dir := filepath.Join(folder, strconv.FormatUint(seed, 10))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		r, err := madeIn(ctx, dir, seed, usual)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", filepath.Join(dir, r.File()), r)
	}
	return nil
}

// made returns the recipe of a seed whose source ffmpeg makes.
func made(ctx context.Context, seed uint64, usual []string) (recipe.Recipe, error) {
	dir, err := os.MkdirTemp("", "mapreel-random-")
	if err != nil {
		return recipe.Recipe{}, err
	}
	defer os.RemoveAll(dir)
	return madeIn(ctx, dir, seed, usual)
}

// madeIn makes the source of a seed in a folder.
func madeIn(ctx context.Context, dir string, seed uint64, usual []string) (recipe.Recipe, error) {
	for attempt := uint64(0); ; attempt++ {
		r, err := recipe.Draw(seed, attempt).Usual(usual)
		if err != nil {
			return r, err
		}
		if _, err := r.Make(ctx, dir); err == nil || attempt == maxAttempts {
			return r, err
		}
	}
}

// summary counts the results.
type summary struct {
	seeds, again int
	classes      map[class]int
}

func (s *summary) add(o outcome) {
	s.seeds++
	s.again += int(o.attempt)
	s.classes[o.verdict.class]++
}

func (s *summary) faults() (n int) {
	for c, count := range s.classes {
		if c.fault() {
			n += count
		}
	}
	return n
}

func (s *summary) String() string {
	text := fmt.Sprintf("%d seeds", s.seeds)
	for _, c := range []class{good, wrong, refused, misjudged, noReference, notMade} {
		text += fmt.Sprintf(", %d %s", s.classes[c], c)
	}
	return text + fmt.Sprintf("; %d drawn again", s.again)
}
