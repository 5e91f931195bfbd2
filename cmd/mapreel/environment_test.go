package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/progress/progresstest"
	"github.com/mapreel/mapreel/pkg/work"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// cliTest is an environment whose runs are replaced by a function, with the output of the command.
type cliTest struct {
	environment
	out, err bytes.Buffer
	req      film.Request  // of the last run
	opts     local.Options // of the last run
}

func newCLITest(t *testing.T, run func(context.Context, film.Request, local.Options) (local.Report, error)) *cliTest {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/home/me/.cache")
	t.Setenv("HOME", "/home/me")
	t.Setenv("COLUMNS", "100")
	t.Setenv("MAPREEL_SCRATCH", "")
	os.Unsetenv("MAPREEL_SCRATCH")
	b := &cliTest{}
	b.environment = environment{
		Stdin:  strings.NewReader(""),
		Stdout: &b.out,
		Stderr: &b.err,
		Find: func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
			return ffmpeg.Tools{FFmpeg: "/usr/bin/ffmpeg", FFprobe: "/usr/bin/ffprobe", Version: "7.1"}, nil
		},
		Run: func(ctx context.Context, request json.RawMessage, opts local.Options) (local.Report, error) {
			var req film.Request
			if err := json.Unmarshal(request, &req); err != nil {
				t.Errorf("the request is no JSON: %v", err)
			}
			b.req, b.opts = req, opts
			if run == nil {
				return local.Report{}, nil
			}
			return run(ctx, req, opts)
		},
		Jobs: func(context.Context, string) ([]local.Status, error) { return nil, nil },
	}
	return b
}

// chdirTemp makes a new temporary folder the current one and returns it.
func chdirTemp(t *testing.T) string {
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
		t.Errorf("%s differs (-want +got); run with -update to rewrite it:\n%s", name, diff)
	}
}

// fakeRun reports the events of a run with two segments and one audio part.
func fakeRun(ctx context.Context, _ film.Request, opts local.Options) (local.Report, error) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, e := range []engine.Event{
		progresstest.Planned(2, 0, 1, 4e6, 0),
		{Type: engine.Started, Unit: "video/00000", Attempt: 1},
		{Type: engine.Warning, Error: "a subtitle track of pictures was left out"},
		{Type: engine.Done, Unit: "video/00000", Amount: work.Amount{Count: 50, Media: 2e6, Bytes: 1000}},
		{Type: engine.Done, Unit: "audio/00000", Amount: work.Amount{Media: 4e6, Bytes: 500}},
		{Type: engine.Done, Unit: "video/00001", Amount: work.Amount{Count: 50, Media: 2e6, Bytes: 1000}},
		{Type: engine.Published, Unit: "output/film", URL: "/out/film.mp4", Amount: work.Amount{Count: 100, Bytes: 2600}},
	} {
		opts.Observe(local.Event{Event: e, Time: start.Add(time.Duration(i) * time.Second)})
	}
	output, err := json.Marshal(film.OutputFacts{URL: "/out/film.mp4", Size: 2600, Version: "v", Frames: 100, Tracks: 2, Video: []film.VideoFacts{
		{Codec: film.H264, Width: 854, Height: 480, CRF: 21, Preset: "medium", FrameRate: media.Rational{Num: 30000, Den: 1001}},
	}})
	return local.Report{
		Outcome: engine.Outcome{
			Job: "j", Units: map[string]int{"video": 2, "audio": 1}, Outputs: []json.RawMessage{output},
			Warnings: []string{"a subtitle track of pictures was left out"},
		},
		Elapsed: 6 * time.Second, CPU: 11500 * time.Millisecond, Ran: map[string]int{"video": 2, "audio": 1}, Source: 10_000,
	}, err
}

// encodingEvents returns the events of a run that is encoding.
func encodingEvents() []engine.Event {
	return []engine.Event{
		progresstest.Planned(4, 0, 1, 4e6, 0),
		{Type: engine.Done, Unit: "video/00000", Amount: work.Amount{Count: 25, Media: 1e6, Bytes: 1000}},
		{Type: engine.Started, Unit: "audio/00000"},
	}
}

func TestHelpIsUnchanged(t *testing.T) {
	for name, args := range map[string][]string{
		"help.txt":           {},
		"help-transcode.txt": {"transcode", "--help"},
		"help-jobs.txt":      {"jobs", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newCLITest(t, nil)
			if code := b.main(t.Context(), args); code != exitDone || b.err.Len() > 0 {
				t.Errorf("exit code %d and on standard error %q, want 0 and nothing", code, &b.err)
			}
			golden(t, name, b.out.String())
		})
	}
}

func TestWrongUsageExitsWith2AndPointsToTheHelp(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"transcode a.mp4 --crff 3", "mapreel: unknown flag --crff, did you mean one of \"--crf\", \"--crop\"?\n  hint: see mapreel transcode --help\n"},
		{"transcode a.mp4 --crf x", "mapreel: --crf: \"x\" is not a whole number\n  hint: see mapreel transcode --help\n"},
		{"transcode a.mp4 --segment soon", "mapreel: --segment: \"soon\" is not a duration such as 10s or 1m30s\n  hint: see mapreel transcode --help\n"},
		{"transcode a.mp4 --progress loud", "mapreel: --progress must be one of \"auto\",\"bar\",\"json\",\"none\" but got \"loud\"\n  hint: see mapreel transcode --help\n"},
		{"list --status lost", "mapreel: --status must be one of \"running\",\"succeeded\",\"failed\",\"timed-out\",\"aborted\" but got \"lost\"\n  hint: see mapreel list --help\n"},
		{"transcod a.mp4", "mapreel: unexpected argument transcod, did you mean \"transcode\"?\n  hint: see mapreel --help\n"},
		{"transcode", "mapreel: missing SOURCE, the video to transcode\n  hint: for example: mapreel transcode film.mov -o film.mp4\n"},
		{"transcode a.mp4", "mapreel: missing -o OUTPUT, the file to make\n  hint: for example: mapreel transcode film.mov -o film.mp4\n"},
	} {
		t.Run(test.args, func(t *testing.T) {
			b := newCLITest(t, nil)
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

func TestErrorsSetTheExitCodeAndPrintOneLine(t *testing.T) {
	dir := chdirTemp(t)
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
			"  hint: the source or an intermediate file is damaged; check that the source plays to its end, and run the same command again\n"},
		{
			"invalid, for the source", fault.Wrap(fault.Invalid, film.Problems{{Pointer: "/outputs/0/video", Message: "the source has no video"}}, "invalid request"),
			2, "mapreel: --codec, --crf: the source has no video\n",
		},
		{
			"out of space", fault.Wrap(fault.OutOfSpace, &os.PathError{Op: "write", Path: "/s/x", Err: errors.New("no space left on device")}, "encode video/00001"),
			1, "mapreel: encode video/00001: /s/x: no space left on device\n" +
				"  hint: free some space, or choose another folder with --scratch; finished work is kept, and the same command continues\n",
		},
		{"internal", errors.New("index out of range"), 1, "mapreel: index out of range\n" +
			"  hint: this looks like a bug in mapreel; please report it with the command and its output\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newCLITest(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
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

func TestAnInterruptedRunReportsItsProgressAndExitsWith130(t *testing.T) {
	dir := chdirTemp(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newCLITest(t, func(ctx context.Context, req film.Request, opts local.Options) (local.Report, error) {
		opts.Observe(local.Event{Event: progresstest.Planned(7, 2, 0, 7e6, 0), Time: time.Now()})
		opts.Observe(local.Event{Event: engine.Event{Type: engine.Done, Unit: "video/00003"}, Time: time.Now()})
		cancel(errSignalled)
		return local.Report{}, fault.Wrap(fault.Transient, context.Cause(ctx), "encode")
	})
	if code := b.main(ctx, []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	want := stopping + "mapreel: interrupted: 3 of 7 segments are finished; run the same command again to continue\n"
	if got := b.err.String(); got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
}

func TestARunThatSucceedsDespiteASignalExitsWith0(t *testing.T) {
	dir := chdirTemp(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newCLITest(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
		cancel(errSignalled)
		return local.Report{}, nil
	})
	if code := b.main(ctx, []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
}

func TestProgressFlagSelectsTheDisplay(t *testing.T) {
	dir := chdirTemp(t)
	const warning = "mapreel: warning: a subtitle track of pictures was left out\n"
	for _, test := range []struct {
		how      string
		out, err string // golden file for out, text for err
	}{
		{"auto", "", warning},
		{"none", "", warning},
		{"bar", "report.txt", warning},
		{"json", "progress.jsonl", warning},
	} {
		t.Run(test.how, func(t *testing.T) {
			b := newCLITest(t, fakeRun)
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
			if i := strings.LastIndex(got, `"time":"`); test.how == "json" && i >= 0 { // of the report, which has the current time
				got = got[:i] + `"time":"NOW"` + got[i+len(`"time":"`)+strings.IndexByte(got[i+len(`"time":"`):], '"')+1:]
			}
			t.Chdir(home)
			golden(t, test.out, got)
		})
	}
}

func TestJSONProgressEndsWithTheErrorOfAFailedRun(t *testing.T) {
	dir := chdirTemp(t)
	b := newCLITest(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
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

func TestBarModeWritesLinesWithoutATerminal(t *testing.T) {
	var w sharedProgress
	out := &syncBuffer{}
	d := newLogDisplay(&w, out, time.Millisecond)
	w.add(local.Event{Event: progresstest.Planned(3, 0, 0, 3e6, 0), Time: time.Now()})
	deadline := time.Now().Add(time.Minute)
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

func TestRunReceivesScratchToolsAndParallelism(t *testing.T) {
	dir := chdirTemp(t)
	t.Run("given", func(t *testing.T) {
		b := newCLITest(t, nil)
		b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4", "--scratch", "s", "--jobs", "3", "--keep-scratch"})
		if b.opts.Scratch != filepath.Join(dir, "s") || b.opts.Jobs != 3 || !b.opts.Keep || !strings.Contains(string(b.opts.Setup), "7.1") {
			t.Errorf("options %+v, want scratch %s/s, 3 jobs, kept, ffmpeg 7.1", b.opts, dir)
		}
	})
	t.Run("from the environment", func(t *testing.T) {
		b := newCLITest(t, nil)
		t.Setenv("MAPREEL_SCRATCH", "/from/env")
		b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4"})
		if b.opts.Scratch != "/from/env" || b.opts.Jobs != 0 || b.opts.Keep {
			t.Errorf("options %+v, want scratch /from/env, jobs 0, not kept", b.opts)
		}
	})
	t.Run("by default", func(t *testing.T) {
		b := newCLITest(t, nil)
		b.main(t.Context(), []string{"transcode", "a.mp4", "-o", "b.mp4"})
		if b.opts.Scratch != "/home/me/.cache/mapreel" {
			t.Errorf("scratch %s, want /home/me/.cache/mapreel", b.opts.Scratch)
		}
	})
	t.Run("without a home", func(t *testing.T) {
		b := newCLITest(t, nil)
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

func TestConcurrencyOfARequestIsLimitedToTheCores(t *testing.T) {
	ask := func(concurrency int) film.Request {
		return film.Request{Compute: film.Compute{Concurrency: concurrency}}
	}
	three := wholeNumber(3)
	for _, test := range []struct {
		name string
		t    transcodeCmd
		req  film.Request
		want int
	}{
		{"no limit", transcodeCmd{}, ask(0), 0},
		{"more than cores", transcodeCmd{}, ask(1000), 2},
		{"fewer than cores", transcodeCmd{}, ask(1), 1},
		{"the flag wins", transcodeCmd{Jobs: &three}, ask(3), 3},
	} {
		if got := test.t.parallelism(test.req, 2); got != test.want {
			t.Errorf("%s: %d at once, want %d", test.name, got, test.want)
		}
	}
}

func TestVersionReportsFFmpegOrThatItIsMissing(t *testing.T) {
	b := newCLITest(t, nil)
	if code := b.main(t.Context(), []string{"version"}); code != exitDone {
		t.Errorf("exit code %d, want 0", code)
	}
	if got := b.out.String(); !strings.HasPrefix(got, "mapreel ") || !strings.Contains(got, "\nffmpeg 7.1 (/usr/bin/ffmpeg)\n") {
		t.Errorf("printed %q, want mapreel's and ffmpeg's version", got)
	}
	b = newCLITest(t, nil)
	b.Find = func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		return ffmpeg.Tools{}, fault.WithHint(fault.New(fault.Unsupported, "ffmpeg is not installed"), "install it: apt-get install ffmpeg")
	}
	if code := b.main(t.Context(), []string{"version"}); code != exitDone {
		t.Errorf("without ffmpeg: exit code %d, want 0", code)
	}
	if got := b.out.String(); !strings.Contains(got, "\nffmpeg: ffmpeg is not installed\n") || !strings.Contains(got, "apt-get") {
		t.Errorf("without ffmpeg: printed %q, want that it is not installed, with a hint", got)
	}
}

func TestTranscodeDoesNotRunWithoutFFmpeg(t *testing.T) {
	dir := chdirTemp(t)
	b := newCLITest(t, func(context.Context, film.Request, local.Options) (local.Report, error) {
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

func TestHelpAndVersionHaveTheirUsualNames(t *testing.T) {
	for args, want := range map[string]string{
		"help": "Usage: mapreel <command>", "help transcode": "Usage: mapreel transcode", "help jobs": "Usage: mapreel jobs",
		"-V": "mapreel ", "--version": "mapreel ",
	} {
		b := newCLITest(t, nil)
		if code := b.main(t.Context(), strings.Fields(args)); code != exitDone || !strings.HasPrefix(b.out.String(), want) {
			t.Errorf("mapreel %s: exit code %d, %q", args, code, b.out.String())
		}
	}
}
