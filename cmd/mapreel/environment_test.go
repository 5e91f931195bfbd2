package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/stage"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bench is an environment whose runs are acted by a function, and what came out.
type bench struct {
	environment
	out, err bytes.Buffer
	req      film.Request  // of the last run
	opts     local.Options // of the last run
}

func newBench(t *testing.T, act func(context.Context, film.Request, local.Options) (local.Report, error)) *bench {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/home/me/.cache")
	t.Setenv("HOME", "/home/me")
	t.Setenv("COLUMNS", "100")
	t.Setenv("MAPREEL_SCRATCH", "")
	os.Unsetenv("MAPREEL_SCRATCH")
	b := &bench{}
	b.environment = environment{
		Stdin:  strings.NewReader(""),
		Stdout: &b.out,
		Stderr: &b.err,
		Find: func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
			return ffmpeg.Tools{FFmpeg: "/usr/bin/ffmpeg", FFprobe: "/usr/bin/ffprobe", Version: "7.1"}, nil
		},
		Run: func(ctx context.Context, req film.Request, opts local.Options) (local.Report, error) {
			b.req, b.opts = req, opts
			if act == nil {
				return local.Report{}, nil
			}
			return act(ctx, req, opts)
		},
		Jobs: func(context.Context, string) ([]local.Status, error) { return nil, nil },
	}
	return b
}

// in makes an empty folder the current one, and returns it.
func in(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	return dir
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); -update writes it anew:\n%s", name, diff)
	}
}

// acted is a run of two segments and a piece of sound.
func acted(ctx context.Context, _ film.Request, opts local.Options) (local.Report, error) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, e := range []stage.Event{
		{Type: stage.Planned, Job: "j", Segments: 2, Pieces: 1, Duration: 4e6},
		{Type: stage.Started, Unit: "video/00000", Attempt: 1},
		{Type: stage.Warning, Error: "a subtitle track of pictures was left out"},
		{Type: stage.Finished, Unit: "video/00000", Frames: 50, Media: 2e6, Bytes: 1000},
		{Type: stage.Finished, Unit: "audio/00000", Media: 4e6, Bytes: 500},
		{Type: stage.Finished, Unit: "video/00001", Frames: 50, Media: 2e6, Bytes: 1000},
		{Type: stage.Published, Unit: "output/film", URL: "/out/film.mp4", Frames: 100, Bytes: 2600},
	} {
		opts.Observe(local.Event{Event: e, Time: start.Add(time.Duration(i) * time.Second)})
	}
	return local.Report{
		Result: film.Result{
			Job: "j", Segments: 2, Warnings: []string{"a subtitle track of pictures was left out"},
			Outputs: []film.OutputFacts{{URL: "/out/film.mp4", Size: 2600, Version: "v", Frames: 100, Tracks: 2}},
		},
		Elapsed: 6 * time.Second, CPU: 11500 * time.Millisecond, Encoded: 2, Source: 10_000,
	}, nil
}

// encoding are the events up to the midst of a run.
func encoding() []stage.Event {
	return []stage.Event{
		{Type: stage.Planned, Job: "j", Segments: 4, Pieces: 1, Duration: 4e6},
		{Type: stage.Finished, Unit: "video/00000", Frames: 25, Media: 1e6, Bytes: 1000},
		{Type: stage.Started, Unit: "audio/00000"},
	}
}

func TestHelpTeaches(t *testing.T) {
	for name, args := range map[string][]string{
		"help.txt":           {},
		"help-transcode.txt": {"transcode", "--help"},
		"help-jobs.txt":      {"jobs", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			if code := b.main(t.Context(), args); code != exitDone || b.err.Len() > 0 {
				t.Errorf("exit code %d and on standard error %q, want 0 and nothing", code, &b.err)
			}
			golden(t, name, b.out.String())
		})
	}
}

func TestWrongUsageExitsWith2AndNamesTheHelp(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"transcode a.mp4 --crff 3", "mapreel: unknown flag --crff, did you mean \"--crf\"?\n  hint: see mapreel transcode --help\n"},
		{"transcode a.mp4 --crf x", "mapreel: --crf: \"x\" is not a whole number\n  hint: see mapreel transcode --help\n"},
		{"transcode a.mp4 --segment soon", "mapreel: --segment: \"soon\" is not a length of time such as 10s or 1m30s\n  hint: see mapreel transcode --help\n"},
		{"transcode a.mp4 --progress loud", "mapreel: --progress must be one of \"auto\",\"bar\",\"json\",\"none\" but got \"loud\"\n  hint: see mapreel transcode --help\n"},
		{"transcod a.mp4", "mapreel: unexpected argument transcod, did you mean \"transcode\"?\n  hint: see mapreel --help\n"},
		{"transcode", "mapreel: missing SOURCE, the video to transcode\n  hint: for example: mapreel transcode film.mov -o film.mp4\n"},
		{"transcode a.mp4", "mapreel: missing -o OUTPUT, the file to make\n  hint: for example: mapreel transcode film.mov -o film.mp4\n"},
	} {
		t.Run(test.args, func(t *testing.T) {
			b := newBench(t, nil)
			if code := b.main(t.Context(), strings.Fields(test.args)); code != exitInvalid {
				t.Errorf("exit code %d, want %d", code, exitInvalid)
			}
			if diff := cmp.Diff(test.want, b.err.String()); diff != "" {
				t.Errorf("standard error (-want +got):\n%s", diff)
			}
			if b.out.Len() > 0 {
				t.Errorf("standard output %q, want nothing", &b.out)
			}
		})
	}
}

func TestErrorsBecomeExitCodesAndALineEach(t *testing.T) {
	dir := in(t)
	for _, test := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{
			"not found", fault.WithHint(fault.New(fault.NotFound, "cannot read /in/film.mp4: no such file or directory"), "check the path"),
			1, "mapreel: cannot read /in/film.mp4: no such file or directory\n  hint: check the path\n",
		},
		{"corrupt", fault.New(fault.Corrupt, "film.mp4 is cut short"), 1, "mapreel: film.mp4 is cut short\n" +
			"  hint: the source, or what was made of it, is damaged; try whether the source plays to its end, and run the same command again\n"},
		{
			"invalid, of the source", fault.Wrap(fault.Invalid, film.Problems{{Pointer: "/outputs/0/video", Message: "the source has no picture"}}, "invalid request"),
			2, "mapreel: --codec, --crf: the source has no picture\n",
		},
		{
			"no room", fault.Wrap(fault.OutOfSpace, &os.PathError{Op: "write", Path: "/s/x", Err: errors.New("no space left on device")}, "encode video/00001"),
			1, "mapreel: encode video/00001: /s/x: no space left on device\n" +
				"  hint: make room, or choose another folder by --scratch; what is finished is kept, and the same command continues\n",
		},
		{"ours", errors.New("index out of range"), 1, "mapreel: index out of range\n" +
			"  hint: this looks like a defect of mapreel; please report it with the command and what it printed\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
				return local.Report{}, test.err
			})
			args := []string{"transcode", "in.mp4", "-o", filepath.Join(dir, "o.mp4"), "--codec", "h264", "--crf", "20"}
			if code := b.main(t.Context(), args); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.want, b.err.String()); diff != "" {
				t.Errorf("standard error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnInterruptedRunSaysHowFarItIsAndExitsWith130(t *testing.T) {
	dir := in(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newBench(t, func(ctx context.Context, req film.Request, opts local.Options) (local.Report, error) {
		opts.Observe(local.Event{Event: stage.Event{Type: stage.Planned, Segments: 7, Done: 2, Duration: 7e6}, Time: time.Now()})
		opts.Observe(local.Event{Event: stage.Event{Type: stage.Finished, Unit: "video/00003"}, Time: time.Now()})
		cancel(errSignalled)
		return local.Report{}, fault.Wrap(fault.Transient, context.Cause(ctx), "encode")
	})
	if code := b.main(ctx, []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	want := "mapreel: interrupted: 3 of 7 segments are finished; run the same command again to continue\n"
	if got := b.err.String(); got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
}

func TestARunThatEndsAsTheSignalComesIsDone(t *testing.T) {
	dir := in(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newBench(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
		cancel(errSignalled)
		return local.Report{}, nil
	})
	if code := b.main(ctx, []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

func TestProgressChoosesWhatIsShown(t *testing.T) {
	dir := in(t)
	const warning = "mapreel: warning: a subtitle track of pictures was left out\n"
	for _, test := range []struct {
		how      string
		out, err string // golden file, or text
	}{
		{"auto", "", warning},
		{"none", "", ""},
		{"bar", "report.txt", warning},
		{"json", "progress.jsonl", ""},
	} {
		t.Run(test.how, func(t *testing.T) {
			b := newBench(t, acted)
			args := []string{"transcode", "in.mp4", "-o", dir + "/o.mp4", "--progress", test.how}
			if code := b.main(t.Context(), args); code != exitDone {
				t.Errorf("exit code %d, want 0", code)
			}
			if diff := cmp.Diff(test.err, b.err.String()); diff != "" {
				t.Errorf("standard error (-want +got):\n%s", diff)
			}
			if test.out == "" {
				if b.out.Len() > 0 {
					t.Errorf("standard output %q, want nothing", &b.out)
				}
				return
			}
			got := b.out.String()
			if i := strings.LastIndex(got, `"time":"`); test.how == "json" && i >= 0 { // of the report, which no event gives
				got = got[:i] + `"time":"NOW"` + got[i+len(`"time":"`)+strings.IndexByte(got[i+len(`"time":"`):], '"')+1:]
			}
			t.Chdir(home)
			golden(t, test.out, got)
		})
	}
}

func TestJSONProgressEndsWithTheErrorOfAFailedRun(t *testing.T) {
	dir := in(t)
	b := newBench(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
		return local.Report{}, fault.WithHint(fault.New(fault.NotFound, "cannot read it"), "look elsewhere")
	})
	b.main(t.Context(), []string{"transcode", "in.mp4", "-o", dir + "/o.mp4", "--progress", "json"})
	got := b.out.String()
	for _, want := range []string{`"type":"error"`, `"kind":"NotFound"`, `"error":"cannot read it"`, `"hint":"look elsewhere"`, `"exit":1`} {
		if !strings.Contains(got, want) {
			t.Errorf("last line %s lacks %s", got, want)
		}
	}
}

func TestLinesAppearWhereBarsAreAskedForWithoutATerminal(t *testing.T) {
	var w watch
	out := &syncBuffer{}
	d := newLines(&w, out, time.Millisecond)
	w.add(local.Event{Event: stage.Event{Type: stage.Planned, Segments: 3, Duration: 3e6}, Time: time.Now()})
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(out.String(), "0/3 segments") && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	d.stop()
	if got := out.String(); !strings.Contains(got, "0 %, 0/3 segments, 0 B\n") {
		t.Errorf("lines are %q, want one with 0/3 segments", got)
	}
	before := out.String()
	time.Sleep(5 * time.Millisecond)
	if out.String() != before {
		t.Error("a line was written after stop")
	}
}

func TestTheRunGetsScratchToolsAndParallelism(t *testing.T) {
	dir := in(t)
	t.Run("given", func(t *testing.T) {
		b := newBench(t, nil)
		b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4", "--scratch", "s", "--jobs", "3", "--keep-scratch"})
		if b.opts.Scratch != filepath.Join(dir, "s") || b.opts.Jobs != 3 || !b.opts.Keep || b.opts.Tools.Version != "7.1" {
			t.Errorf("options %+v, want scratch %s/s, 3 jobs, kept, ffmpeg 7.1", b.opts, dir)
		}
	})
	t.Run("from the environment", func(t *testing.T) {
		b := newBench(t, nil)
		t.Setenv("MAPREEL_SCRATCH", "/from/env")
		b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4"})
		if b.opts.Scratch != "/from/env" || b.opts.Jobs != 0 || b.opts.Keep {
			t.Errorf("options %+v, want scratch /from/env, jobs 0, not kept", b.opts)
		}
	})
	t.Run("by default", func(t *testing.T) {
		b := newBench(t, nil)
		b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4"})
		if b.opts.Scratch != "/home/me/.cache/mapreel" {
			t.Errorf("scratch %s, want /home/me/.cache/mapreel", b.opts.Scratch)
		}
	})
	t.Run("without a home", func(t *testing.T) {
		b := newBench(t, nil)
		t.Setenv("HOME", "")
		t.Setenv("XDG_CACHE_HOME", "")
		if code := b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4"}); code != exitInvalid {
			t.Errorf("exit code %d, want %d", code, exitInvalid)
		}
		if got := b.err.String(); !strings.Contains(got, "MAPREEL_SCRATCH") {
			t.Errorf("standard error %q does not name MAPREEL_SCRATCH", got)
		}
	})
}

func TestARequestForAWSDoesNotFloodThisMachine(t *testing.T) {
	ask := func(concurrency int) film.Request {
		return film.Request{Compute: film.Compute{Concurrency: concurrency}}
	}
	three := whole(3)
	for _, test := range []struct {
		name string
		t    transcode
		req  film.Request
		want int
	}{
		{"nothing said", transcode{}, ask(0), 0},
		{"more than cores", transcode{}, ask(1000), 2},
		{"fewer than cores", transcode{}, ask(1), 1},
		{"the flag wins", transcode{Jobs: &three}, ask(3), 3},
	} {
		if got := test.t.parallel(test.req, 2); got != test.want {
			t.Errorf("%s: %d at once, want %d", test.name, got, test.want)
		}
	}
}

func TestVersionNamesFFmpegOrSaysThatItIsAbsent(t *testing.T) {
	b := newBench(t, nil)
	if code := b.main(t.Context(), []string{"version"}); code != exitDone {
		t.Errorf("exit code %d, want 0", code)
	}
	if got := b.out.String(); !strings.HasPrefix(got, "mapreel ") || !strings.Contains(got, "\nffmpeg 7.1 (/usr/bin/ffmpeg)\n") {
		t.Errorf("printed %q, want mapreel's and ffmpeg's version", got)
	}
	b = newBench(t, nil)
	b.Find = func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		return ffmpeg.Tools{}, fault.WithHint(fault.New(fault.Unsupported, "ffmpeg is not installed"), "install it: apt-get install ffmpeg")
	}
	if code := b.main(t.Context(), []string{"version"}); code != exitDone {
		t.Errorf("without ffmpeg: exit code %d, want 0", code)
	}
	if got := b.out.String(); !strings.Contains(got, "\nffmpeg: ffmpeg is not installed\n") || !strings.Contains(got, "apt-get") {
		t.Errorf("without ffmpeg: printed %q, want that it is not installed, and what to do", got)
	}
}

func TestNothingIsRunWithoutFFmpeg(t *testing.T) {
	dir := in(t)
	b := newBench(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
		t.Error("ran")
		return local.Report{}, nil
	})
	b.Find = func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		return ffmpeg.Tools{}, fault.New(fault.Unsupported, "ffmpeg 4.4 is too old")
	}
	if code := b.main(t.Context(), []string{"transcode", "a.mp4", "-o", dir + "/b.mp4"}); code != exitFailed {
		t.Errorf("exit code %d, want 1", code)
	}
}
