package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// The scripts in testdata/script run this program with ffmpeg, on clips that they generate. Besides the commands of
// testscript they have:
//
//	clip FILE [ARGS]           makes 4 s of 160x90 video with audio; ARGS go to ffmpeg before FILE
//	exits CODE PROGRAM [ARGS]  runs a program that must end with this exit code
//	frames FILE N              the video of FILE has N frames, all decodable
//	streams FILE A,B,…         the streams of FILE have these codecs, in this order
//	moovfirst FILE             the index of an MP4 is before its media
//	empty FOLDER               FOLDER has no files, hidden ones included, or does not exist
//	quiet                      no process of this script is still running
//	until FOLDER DONE          waits until a job in this scratch folder has finished DONE segments
//	await FILE                 waits until FILE exists
//	report FIELD VALUE         the last line of --progress json has this value
//	tmpfs FOLDER BYTES         mounts a small file system; needs the condition [tmpfs]
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			program, err := exec.LookPath("mapreel")
			if err != nil {
				return err
			}
			env.Setenv("BIN", filepath.Dir(program)) // a PATH with mapreel and without ffmpeg
			env.Setenv("EXAMPLES", filepath.Join(home, "..", "..", "statemachine", "examples", "local"))
			env.Setenv("MAPREEL_SCRATCH", filepath.Join(env.WorkDir, ".scratch"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "tmpfs" {
				return canMount(t.TempDir()), nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"clip":      clip,
			"exits":     exits,
			"frames":    frames,
			"streams":   streams,
			"moovfirst": moovFirst,
			"empty":     empty,
			"quiet":     quiet,
			"until":     until,
			"await":     await,
			"report":    report,
			"tmpfs":     tmpfs,
		},
	})
}

func requireArgs(ts *testscript.TestScript, args []string, least int, usage string) {
	if len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

func clip(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 1, "clip FILE [ARGS]")
	all := []string{
		"-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4",
		"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=4",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac",
	}
	all = append(append(all, args[1:]...), "file:"+ts.MkAbs(args[0]))
	ts.Check(ts.Exec("ffmpeg", all...))
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 2, "exits CODE PROGRAM [ARGS]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func frames(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 2, "frames FILE N")
	out := printed(ts, "ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "file:"+ts.MkAbs(args[0]))
	if got := strings.Trim(out, "\n,"); got != args[1] {
		ts.Fatalf("%s has %s frames, want %s", args[0], got, args[1])
	}
}

func streams(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 2, "streams FILE A,B,…")
	out := printed(ts, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", "file:"+ts.MkAbs(args[0]))
	if got := strings.Join(strings.Fields(out), ","); got != args[1] {
		ts.Fatalf("%s has streams %s, want %s", args[0], got, args[1])
	}
}

// printed returns the standard output of a program. Its standard error must be empty.
func printed(ts *testscript.TestScript, name string, args ...string) string {
	var out, stderr bytes.Buffer
	cmd := exec.Command(name, args...) //nolint:noctx // ends by itself, and with the test
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		ts.Fatalf("%s %q: %v; standard error %q", name, args, err, &stderr)
	}
	return out.String()
}

func moovFirst(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 1, "moovfirst FILE")
	data := []byte(ts.ReadFile(args[0]))
	if moov, mdat := bytes.Index(data, []byte("moov")), bytes.Index(data, []byte("mdat")); moov < 0 || mdat < moov {
		ts.Fatalf("moov is at byte %d, mdat at %d", moov, mdat)
	}
}

func empty(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 1, "empty FOLDER")
	list, err := os.ReadDir(ts.MkAbs(args[0]))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		ts.Check(err)
	}
	if len(list) > 0 {
		ts.Fatalf("%s contains %v", args[0], list)
	}
}

// quiet waits up to 5 s for killed processes to end.
func quiet(ts *testscript.TestScript, _ bool, _ []string) {
	var left []string
	for range 50 {
		if left = workers(ts.Getenv("WORK")); len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("still running: %s", strings.Join(left, "\n"))
}

// workers returns the command lines of the processes that name folder, in their arguments or in the environment that the
// process of a Batch job gets.
func workers(folder string) (list []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "environ")) // the process may have ended
		batch := bytes.Contains(environ, []byte("MAPREEL_WORKER=")) && bytes.Contains(environ, []byte(folder))
		if batch || bytes.Contains(data, []byte(folder)) {
			list = append(list, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return list
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 2, "until FOLDER DONE")
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	waitFor(ts, fmt.Sprintf("%d segments", want), func() bool {
		cmd := exec.Command("mapreel", "jobs", "--json", "--scratch", ts.MkAbs(args[0])) //nolint:noctx // ends by itself, and with the test
		out, err := cmd.Output()
		var list []local.Status
		if err == nil {
			err = json.Unmarshal(out, &list)
		}
		ts.Check(err)
		return slices.ContainsFunc(list, func(s local.Status) bool {
			return slices.ContainsFunc(s.Groups, func(g engine.GroupProgress) bool { return g.Name == film.VideoKind && g.Done >= want })
		})
	})
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	requireArgs(ts, args, 1, "await FILE")
	waitFor(ts, args[0], func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

func waitFor(ts *testscript.TestScript, what string, ready func() bool) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return
		}
	}
	ts.Fatalf("waited a minute for %s", what)
}

func report(ts *testscript.TestScript, neg bool, args []string) {
	requireArgs(ts, args, 2, "report FIELD VALUE")
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			ts.Fatalf("not a line of JSON: %s", line)
		}
	}
	var last map[string]any
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	if got := fmt.Sprint(last[args[0]]); (got == args[1]) == neg {
		ts.Fatalf("%s of the last line is %s; want %s: %v", args[0], got, args[1], !neg)
	}
}
