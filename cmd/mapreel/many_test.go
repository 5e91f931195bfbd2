package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/progress/progresstest"
)

// films makes files without content in in/ of a new current folder.
func films(t *testing.T, names ...string) string {
	t.Helper()
	dir := chdirTemp(t)
	if err := os.Mkdir("in", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join("in", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// failing is a run in which the films with a name fail. It adds what it is asked for to asked.
func failing(name string, asked *[]film.Request) func(context.Context, film.Request, local.Options) (local.Report, error) {
	var mu sync.Mutex
	return func(ctx context.Context, req film.Request, o local.Options) (local.Report, error) {
		mu.Lock()
		*asked = append(*asked, req)
		mu.Unlock()
		o.Observe(local.Event{Event: progresstest.Planned(1, 0, 0, 1e6, 0), Time: time.Now()})
		if filepath.Base(req.Source) == name {
			return local.Report{}, fault.New(fault.Invalid, "it holds no frame")
		}
		return fakeRun(ctx, req, o)
	}
}

func TestAFilmThatFailsStopsNoOther(t *testing.T) {
	dir := films(t, "a.mkv", "b.mkv", "c.mkv", "notes.txt")
	var asked []film.Request
	b := newCLITest(t, failing("b.mkv", &asked))
	if code := b.main(t.Context(), []string{"transcode", "in", "-o", "out/{name}-{ext}.mp4", "--height", "90", "--progress", "bar"}); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	var names []string
	for _, req := range asked {
		names = append(names, req.Outputs[0].Name)
		if req.Destination != filepath.Join(dir, "out") || req.Outputs[0].Video[0].Height != 90 {
			t.Errorf("the request for %s is %+v", req.Source, req)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"a-mkv", "b-mkv", "c-mkv"}) {
		t.Errorf("asked for %v", names)
	}
	for _, want := range []string{"films       2/3 done, 1 failed in ", "\nfailed      b.mkv: it holds no frame\n", "\ndone        /out/film.mp4  2.6 kB (26 % of the source)  6.0 s\n"} {
		if !strings.Contains(b.out.String(), want) {
			t.Errorf("standard output\n%s\nlacks %q", &b.out, want)
		}
	}
	for _, want := range []string{
		"mapreel: left out 1 file without a video's extension\n", "mapreel: warning: a.mkv: a subtitle track of pictures was left out\n",
		"mapreel: b.mkv: it holds no frame\n", "mapreel: 1 of 3 films failed; the same command tries them again\n",
	} {
		if n := strings.Count(b.err.String(), want); n != 1 {
			t.Errorf("standard error\n%s\nhas %q %d times", &b.err, want, n)
		}
	}
}

func TestTheLinesOfManyFilmsNameTheirFile(t *testing.T) {
	dir := films(t, "a.mkv", "b.mkv")
	var asked []film.Request
	b := newCLITest(t, failing("b.mkv", &asked))
	if code := b.main(t.Context(), []string{"transcode", "in/a.mkv", "in/b.mkv", "-o", "out/{name}.mp4", "--progress", "json"}); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	lines := strings.Split(strings.TrimSpace(b.out.String()), "\n")
	types := map[string]int{}
	for i, text := range lines {
		var line struct {
			File, Type string
			Films      []struct{ File, State, Error string }
			Exit       int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		types[line.Type]++
		if last := i == len(lines)-1; (line.File == "") != last {
			t.Errorf("line %d of %d is %s", i+1, len(lines), text)
		}
		if line.Type == "summary" && (line.Exit != exitFailed || len(line.Films) != 2 || line.Films[0].State != "done" || line.Films[1].Error != "it holds no frame") {
			t.Errorf("the summary is %s", text)
		}
		if line.Type == "error" && line.File != filepath.Join(dir, "in/b.mkv") {
			t.Errorf("the error is that of %s", line.File)
		}
	}
	if types["report"] != 1 || types["error"] != 1 || types["summary"] != 1 || types["planned"] != 3 {
		t.Errorf("lines by type: %v", types)
	}
}

func TestWhatExistsIsPassedOverWithoutOverwriting(t *testing.T) {
	films(t, "a.mkv", "b.mkv")
	if err := os.Mkdir("out", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("out/a.mp4", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var asked []film.Request
	b := newCLITest(t, failing("", &asked))
	if code := b.main(t.Context(), []string{"transcode", "in", "-n", "-o", "out/{name}.mp4"}); code != exitDone || len(asked) != 1 || asked[0].Outputs[0].Name != "b" {
		t.Errorf("exit code %d, asked for %+v; want b alone", code, asked)
	}
}

func TestWrongNamesOfManyFilmsAreRefusedBeforeAnyWork(t *testing.T) {
	dir := films(t, "a.mkv", "a.avi")
	for args, want := range map[string]string{
		"in -o out/{name}.mp4":               "mapreel: DIR/in/a.avi and DIR/in/a.mkv would both become DIR/out/a.mp4\n",
		"in -o out/film.mp4":                 "mapreel: --output: out/film.mp4 is one name, and there are 2 sources\n",
		"in -o out/{name}.{ext}":             "mapreel: --output: mapreel cannot write .avi; use .mp4, .mkv, .webm, .m3u8 or .mpd\n",
		"in -o out/{name}-{ext}.mp4 --crf x": "mapreel: --crf: \"x\" is not a whole number\n",
		"in -o in/{name}-{ext}.mp4":          "mapreel: DIR/in/a-avi.mp4 would be a source when the same command runs again\n",
		"in/a.mkv in/a.avi":                  "mapreel: missing -o OUTPUT, the file to make\n",
		"--recursive -o out/{name}.mp4":      "mapreel: missing SOURCE, a video or a folder of videos\n",
		"in/a.mkv -o in/{name}.{ext}":        "mapreel: --output: DIR/in/a.mkv is the source; choose another name\n",
	} {
		var asked []film.Request
		b := newCLITest(t, failing("", &asked))
		code := b.main(t.Context(), append([]string{"transcode"}, strings.Fields(args)...))
		if want := strings.ReplaceAll(want, "DIR", dir); code != exitInvalid || len(asked) > 0 || !strings.HasPrefix(b.err.String(), want) {
			t.Errorf("%s: exit code %d, %d jobs, and\n%s; want %s", args, code, len(asked), &b.err, want)
		}
	}
}

func TestAnInterruptedRunOfManyFilmsSaysHowManyAreFinished(t *testing.T) {
	films(t, "a.mkv", "b.mkv", "c.mkv")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newCLITest(t, func(ctx context.Context, req film.Request, o local.Options) (local.Report, error) {
		if filepath.Base(req.Source) == "a.mkv" {
			return fakeRun(ctx, req, o)
		}
		o.Observe(local.Event{Event: engine.Event{Type: engine.Started, Unit: "video/00000"}, Time: time.Now()})
		cancel(errSignalled)
		return local.Report{}, fault.Wrap(fault.Transient, context.Cause(ctx), "encode")
	})
	code := b.main(ctx, []string{"transcode", "in", "-o", "out/{name}.mkv", "--jobs", "1", "--progress", "bar"})
	if code != exitInterrupted || !strings.Contains(b.err.String(), "mapreel: interrupted: 1 of 3 films are finished; run the same command again to continue\n") {
		t.Errorf("exit code %d and\n%s", code, &b.err)
	}
	for _, want := range []string{"\ninterrupted b.mkv\n", "\nnot begun   c.mkv\n"} {
		if !strings.Contains(b.out.String(), want) {
			t.Errorf("standard output\n%s\nlacks %q", &b.out, want)
		}
	}
}

func TestARequestNamesTheOutputsOfEachFilm(t *testing.T) {
	dir := films(t, "a.mkv", "b.mkv")
	var asked []film.Request
	b := newCLITest(t, failing("", &asked))
	b.Stdin = strings.NewReader(`{"destination": "` + dir + `/{name}", "outputs": [{"name": "{name}-web", "container": "hls"}, {"name": "film"}]}`)
	if code := b.main(t.Context(), []string{"transcode", "in", "--request", "-", "--jobs", "1"}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &b.err)
	}
	for i, name := range []string{"a", "b"} {
		if r := asked[i]; r.Destination != filepath.Join(dir, name) || r.Outputs[0].Name != name+"-web" || r.Outputs[1].Name != "film" {
			t.Errorf("asked for %+v", r)
		}
	}
}
