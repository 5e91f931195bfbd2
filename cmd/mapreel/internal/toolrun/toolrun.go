// Package toolrun is the command that runs tools: its flags, and the request that follows from them and from a tools file.
package toolrun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/check"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/confine"
	"github.com/mapreel/mapreel/pkg/tool/toolfile"
	"github.com/mapreel/mapreel/pkg/work"
)

// Job is a job that a command asks for.
type Job struct {
	Request json.RawMessage
	Draft   *requestfile.Draft // where the values of the request come from
	Outputs []string           // paths of what it publishes, which no other job may write meanwhile
	Jobs    int                // units at once; 0: one per core
}

// Registry returns what this program can run for its own user: films, and tools.
func Registry(tools ffmpeg.Tools) work.Registry { return kinds.Tools(Films(tools), tools, self()) }

// Films returns what this program can run for others: films, also those of scenes.
func Films(tools ffmpeg.Tools) work.Registry { return kinds.All(tools, kinds.Options{Self: self()}) }

// PrepareScenes starts what can be prepared before a scene is known, while the caller goes on. The caller must call end: it cancels what is
// not done, and waits until it has ended.
func PrepareScenes(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		blender.Program{Self: self()}.Prepare(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// Finder finds ffmpeg, as ffmpeg.Find does.
type Finder = func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error)

// FindAhead starts a search for ffmpeg with no options, which takes longer than reading a request, while the caller goes on. found returns
// what that finds. The caller must call end, as with PrepareScenes.
func FindAhead(ctx context.Context, find Finder) (found Finder, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var tools ffmpeg.Tools
	var err error
	go func() {
		defer close(done)
		tools, err = find(ctx, ffmpeg.FindOptions{})
	}()
	found = func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		<-done
		return tools, err
	}
	return found, func() {
		cancel()
		<-done
	}
}

// self returns the program and arguments that run a command within limits.
func self() []string {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return []string{program, confined}
}

// confined is the first argument of the process that runs a tool within limits, for the one that starts it.
const confined = "confined-tool"

// Confined does the work of such a process, and returns its exit code. ok is false where args are those of another.
func Confined(args []string) (code int, ok bool) {
	if len(args) != 3 || args[1] != confined {
		return 0, false
	}
	return confine.Main(args[2]), true
}

// Run is the command line of mapreel run.
type Run struct {
	Tools  string `arg:"" name:"TOOLS" help:"The tools file, in YAML or JSON."`
	Source string `arg:"" name:"SOURCE" help:"The video, or any file for tools that get it whole: a path, a file://, https:// or s3:// URL, or - for what comes through a pipe."`
	Output string `short:"o" required:"" placeholder:"DIR" help:"Folder for the outputs. The paths in the tools file are relative to it."`

	Segment     time.Duration `group:"Work" placeholder:"LENGTH" help:"Target duration of a segment, or of a piece of sound: 10s, 1m30s. Default: that of the tools file, else 10s, or 60s where all tools get sound."`
	Jobs        int           `group:"Work" placeholder:"N" help:"Number of pieces worked on at once. Default: one per core."`
	Scratch     string        `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files and the record of jobs. Default: ${scratch}."`
	KeepScratch bool          `group:"Work" help:"Keep the intermediate files after the job is done."`
	DryRun      bool          `group:"Work" help:"Do nothing, and say what units the job has."`
	IgnoreSpace bool          `group:"Work" help:"Start even if the disk probably has too little space."`
	EndpointURL string        `group:"Work" name:"endpoint-url" placeholder:"URL" help:"As for transcode."`
	Progress    string        `group:"Work" enum:"auto,bar,json,none" default:"auto" placeholder:"HOW" help:"As for transcode."`
}

// Help is shown by mapreel run --help.
func (Run) Help() string {
	return `Each tool of the file is a command of yours. It is run for every segment, piece of sound or set of frames, side by side,
finds its input at INPUT_FILE_PATH, and leaves its results in TMP_OUTPUT_DIR. They are published one by one, or joined into one
file whose times are those of the video. A tool has no network and writes to its own folders alone. If one fails, the other pieces
are done nevertheless, and the same command again does only what is missing. See docs/tools.md.

    tools:
      - name: loudness
        each: sound
        script: loudness.sh
        outputs: [{suffix: [.jsonl], join: lines}]

Example:

    mapreel run tools.yaml film.mp4 -o out

Exit codes: 0 done; 1 failed; 2 the tools file or the usage is wrong; 130 interrupted.`
}

// Job returns the job that the arguments and the tools file describe. Relative paths are relative to dir.
func (r Run) Job(dir string, stdin io.Reader) (Job, error) {
	f, err := requestfile.Read(r.Tools, stdin)
	if errors.Is(err, requestfile.ErrNotObject) {
		return Job{}, fault.New(fault.Invalid, "%s: a tools file must be an object with a list of tools", r.Tools)
	}
	if err != nil {
		return Job{}, err
	}
	d := requestfile.NewDraft()
	d.Tree, d.File = f.Tree, &f
	source, err := requestflags.SourceLocation(r.Source, dir)
	if err != nil {
		return Job{}, fault.Wrap(fault.Invalid, err, "SOURCE")
	}
	destination, err := requestflags.LocalPath(r.Output, dir)
	if err != nil {
		return Job{}, fault.Wrap(fault.Invalid, err, "--output")
	}
	folder := dir
	if r.Tools != "-" {
		if folder, err = filepath.Abs(filepath.Dir(r.Tools)); err != nil {
			return Job{}, fault.Wrap(fault.Invalid, err, "TOOLS")
		}
	}
	d.Set("/source", source, "SOURCE")
	d.Set("/destination", destination, "--output")
	d.Set("/folder", folder, "TOOLS")
	if r.Segment != 0 {
		d.Set("/segment/seconds", film.Seconds(r.Segment), "--segment")
	}
	const retentionHours = 168 // as for transcode
	if _, ok := d.Tree["retention"]; !ok {
		d.Set("/retention/hours", retentionHours, "")
	}
	programs := toolfile.ReadPrograms(d.Tree, folder, folder)
	data, err := json.Marshal(d.Tree)
	if err != nil {
		return Job{}, fault.Wrap(fault.Invalid, err, "the request")
	}
	req, err := tool.Parse(data)
	var ps film.Problems
	if errors.As(err, &ps) || len(programs) > 0 {
		return Job{}, d.Invalid(append(ps, programs...))
	}
	if err != nil {
		return Job{}, err
	}
	if ps := replacing(req); len(ps) > 0 {
		return Job{}, d.Invalid(ps)
	}
	if r.Jobs < 0 {
		return Job{}, fault.New(fault.Invalid, "--jobs: must be at least 1")
	}
	job := Job{Request: data, Draft: d, Jobs: cmp.Or(r.Jobs, min(req.Compute.Concurrency, runtime.NumCPU()))}
	for _, t := range req.Tools {
		for i, o := range t.Outputs {
			for _, name := range names(req, t, i) {
				job.Outputs = append(job.Outputs, filepath.Join(destination, o.Path, name))
			}
		}
	}
	return job, nil
}

// names returns the names that stand for an output of a tool where two jobs must not write the same: those of its films, or its number.
func names(req tool.Request, t tool.Tool, i int) (list []string) {
	if o := t.Outputs[i]; o.Join == tool.JoinVideo {
		films, err := req.Film(t, o)
		if err == nil { // the planner says what is wrong
			for _, one := range films.Outputs {
				list = append(list, one.Names()...)
			}
			return list
		}
	}
	return []string{fmt.Sprintf("%s.%d", t.Name, i)}
}

// replacing returns the problems of films that would replace the source, whatever path leads to it, or a folder.
func replacing(req tool.Request) (ps film.Problems) {
	for i, t := range req.Tools {
		for n, o := range t.Outputs {
			if o.Join != tool.JoinVideo {
				continue
			}
			films, err := req.Film(t, o)
			if err != nil {
				continue // the planner says why
			}
			for _, p := range check.Paths(films) {
				if strings.HasPrefix(p.Pointer, "/outputs/") {
					p.Pointer = o.FilmPointer(fmt.Sprintf("/tools/%d/outputs/%d", i, n), p.Pointer)
					ps = append(ps, p)
				}
			}
		}
	}
	return ps
}
