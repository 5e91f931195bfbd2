// Command bench measures mapreel against plain ffmpeg, and prints a table.
//
//	make bench                          # the comparison, three rounds
//	make bench BENCH=-figures           # also Analyse of 1 GB files, and Merge of a 1 GB result
//	make bench BENCH='-rounds 0 -seams h264,h265,vp9,av1 -segment 5s'   # the quality at the seams against one pass
//	make bench BENCH='-rounds 3 -previews all'   # instead: previews, against what people do without mapreel
//	make bench BENCH='-rounds 5 -render' # instead: scenes of 48 frames, against one run of Blender
//	go run ./internal/bench -estimates   # instead: estimates of ten jobs on this machine beside what they take
//	go run ./internal/bench -plots docs/plots   # instead: time and cost on AWS against concurrency and segment length
//	go run ./internal/bench -target h264,h265,av1 -quality 40 -segment 5s   # instead: a target quality against one CRF for the film
//	go run ./internal/bench -published   # instead: forecasts of jobs on AWS beside published figures
//	make bench SOURCE=film.mkv BENCH='-rounds 5'
//
// A candidate is a way to encode the source with the same settings (H.264, preset medium, CRF 21,
// audio copied): one ffmpeg process; the usual recipe of fixed segments under xargs and a concat
// list; and mapreel. The candidates run in turn for several rounds. Each round starts with a
// different one, so that a slow minute of the machine affects all of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	source := flags.String("source", "", "video to encode (default: ../shared/media/bunny.mp4 four times over, or a generated clip)")
	rounds := flags.Int("rounds", 3, "rounds of the comparison; 0 leaves it out")
	segment := flags.Duration("segment", 10*time.Second, "length of a segment; with -costs, by default the one that mapreel chooses")
	work := flags.String("work", ".demo/bench", "working folder; emptied first, except for the sources")
	mapreel := flags.String("mapreel", "bin/mapreel", "the program to measure")
	figures := flags.Bool("figures", false, "also measure Analyse and Merge on files of 1 GB; needs 5 GB in the work folder")
	seams := flags.String("seams", "", "also measure what cutting costs in quality, for these codecs: h264,h265,vp9,av1")
	costs := flags.String("costs", "", "instead of encodes, compare the time of mapreel's default settings with one ffmpeg, for these codecs: h264,h265,vp9,av1")
	previews := flags.String("previews", "", "instead of encodes, compare previews: all, or the number of a pair")
	estimates := flags.Bool("estimates", false, "instead of encodes, compare estimates of jobs with what they take")
	plotted := flags.String("plots", "", "instead of encodes, write plots of forecasts into this folder, and print their figures")
	frames := flags.Int("frames", 0, "instead of encodes, forecast the rendering of a scene with so many frames on Lambda")
	target := flags.String("target", "", "instead of encodes, compare a target quality with one CRF for the whole film, for these codecs: h264,h265,av1")
	quality := flags.Float64("quality", 40, "the target, in dB of XPSNR")
	targetFlags := flags.String("target-flags", "--height 240", "flags of mapreel transcode for that comparison")
	published := flags.Bool("published", false, "instead of encodes, compare forecasts of jobs on AWS with published figures")
	speech := flags.String("speech", "", "instead of encodes, measure examples/captions on speech of these lengths, such as 2m,4m, and simulate what handing over early saves")
	film := flags.Duration("film", 0, "with -speech, also measure examples/detect on a film of this length")
	scenes := flags.Bool("render", false, "instead of encodes, compare the rendering of scenes with one run of Blender")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *plotted != "" {
		return plots(ctx, *plotted, out)
	}
	if *frames > 0 {
		return foretellFrames(ctx, *frames, out)
	}
	if *published {
		return comparePublished(ctx, out)
	}
	b := bench{out: out, work: *work, mapreel: *mapreel, segment: *segment}
	fmt.Fprintf(out, "%s/%s, %d cores\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if *speech != "" {
		return b.workflow(ctx, strings.Split(*speech, ","), *film)
	}
	if *scenes {
		return b.scenes(ctx, *rounds)
	}
	if *estimates {
		return b.estimates(ctx, *source, *rounds)
	}
	if *target != "" {
		return b.targets(ctx, *source, strings.Split(*target, ","), *quality, *targetFlags)
	}
	if *costs != "" {
		var more []string
		flags.Visit(func(f *flag.Flag) {
			if f.Name == "segment" {
				more = []string{"--segment", segment.String()}
			}
		})
		return b.costs(ctx, *rounds, *source, strings.Split(*costs, ","), more)
	}
	if *previews != "" {
		return b.previews(ctx, *source, *rounds, *previews)
	}
	if *rounds > 0 {
		if err := b.compare(ctx, *source, *rounds); err != nil {
			return err
		}
	}
	if *seams != "" {
		if err := b.seams(ctx, *source, strings.Split(*seams, ",")); err != nil {
			return err
		}
	}
	if *figures {
		return b.figures(ctx)
	}
	return nil
}

// footage is half a minute of real film. Where it is missing, a generated clip takes its place.
const footage = "../shared/media/bunny.mp4"

type bench struct {
	out     io.Writer
	work    string
	mapreel string
	segment time.Duration
}

// emptyDir makes an empty folder in the working folder.
func (b bench) emptyDir(name string) (string, error) {
	dir := filepath.Join(b.work, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// make runs a tool that prepares a file for a measurement and is not measured itself. An existing
// file is kept.
func (b bench) make(ctx context.Context, file, tool string, args ...string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "making %s\n", file)
	if msg, err := exec.CommandContext(ctx, tool, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("making %s: %w: %s", file, err, msg)
	}
	return nil
}

// comparisonSource returns the given source, or makes one of two minutes.
func (b bench) comparisonSource(ctx context.Context, source string) (string, error) {
	if source != "" {
		return source, nil
	}
	if _, err := os.Stat(footage); err == nil {
		file := filepath.Join(b.work, "sources", "bunny-2min.mp4")
		return file, b.make(ctx, file, "ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "3", "-i", footage,
			"-map", "0:v", "-map", "0:a", "-c", "copy", file)
	}
	file := filepath.Join(b.work, "sources", "clip-2min.mp4")
	return file, b.make(ctx, file, "tools/clip.sh", "120", file)
}

// table prints rows in columns. The first row holds the column names.
func (b bench) table(rows [][]string) {
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	w.Flush() //nolint:errcheck // it writes to the terminal; a failure there cannot be reported
}
