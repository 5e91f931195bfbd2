package many

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/progress/progresstest"
)

// tree makes empty files below a new folder, and returns it.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFoldersAndPatternsAreSearched(t *testing.T) {
	dir := tree(t, "in/b.MKV", "in/a.mov", "in/notes.txt", "in/.hidden.mkv", "in/deep/c.mp4", "in/deep/.trash/d.mp4", "other/x[1].avi", "other/y.avi", "other/raw", "empty/deep/z.mp4")
	for _, c := range []struct {
		sources   string
		recursive bool
		want      string // paths, with the folder of each
		others    int
		err       string
	}{
		{"in", false, "in/a.mov: in/b.MKV:", 1, ""},
		{"in", true, "in/a.mov: in/b.MKV: in/deep/c.mp4:deep", 1, ""},
		{"in/b.MKV in in/a.mov", false, "in/b.MKV: in/a.mov:", 1, ""},
		{"other/*.avi", false, "other/x[1].avi: other/y.avi:", 0, ""},
		{"other/x[1].avi", false, "other/x[1].avi:", 0, ""},
		{"other/raw", false, "other/raw:", 0, ""},
		{"empty", false, "", 0, "no video is in the folder DIR/empty"},
		{"empty", true, "empty/deep/z.mp4:deep", 0, ""},
		{"in/*.wmv", false, "", 0, "no file matches DIR/in/*.wmv"},
		{"in/**/*.mp4", true, "", 0, "DIR/in/**/*.mp4: ** is not supported"},
		{"in/none.mp4", false, "", 0, "cannot read DIR/in/none.mp4: no such file or directory"},
	} {
		found, err := Find(strings.Fields(c.sources), c.recursive, dir)
		if c.err != "" {
			if want := strings.ReplaceAll(c.err, "DIR", dir); err == nil || err.Error() != want || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %v, want %s", c.sources, err, want)
			}
			continue
		}
		var got []string
		for _, s := range found.List {
			below, _ := filepath.Rel(dir, s.Path)
			got = append(got, below+":"+s.Folder)
		}
		if text := strings.Join(got, " "); err != nil || text != c.want || found.Others != c.others {
			t.Errorf("%s: %s and %d others, %v; want %s and %d", c.sources, text, found.Others, err, c.want, c.others)
		}
	}
}

func TestASequenceOfPicturesIsOneSource(t *testing.T) {
	dir := tree(t, "frames/1.exr", "frames/2.exr")
	if Asked([]string{"frames/*.exr"}, "out.mp4", false, dir) {
		t.Error("a pattern of pictures is taken for several films")
	}
	if !Asked([]string{"frames/*.mkv"}, "out.mp4", false, dir) || !Asked([]string{"frames"}, "out.mp4", false, dir) || Asked([]string{"a.mkv"}, "a{1}.mp4", false, dir) {
		t.Error("a pattern of films or a folder is not taken for several, or a name with braces is")
	}
}

func TestOutputsAreNamedAfterTheirSources(t *testing.T) {
	s := Source{Path: "/films/old/Name.of.film.MOV", Folder: "old"}
	for pattern, want := range map[string]string{
		"out/{name}.mp4": "out/Name.of.film.mp4", "{folder}/{name}-{ext}.mp4": "old/Name.of.film-MOV.mp4", "{nam}.mp4": "{nam}.mp4",
	} {
		if got := Fill(pattern, s); got != want {
			t.Errorf("%s becomes %s, want %s", pattern, got, want)
		}
	}
	if got := Fill("{folder}/a", Source{Path: "/a.mkv"}); got != "./a" {
		t.Errorf("{folder}/a becomes %s outside of a folder", got)
	}
	for pattern, want := range map[string]string{
		"x.mp4": "--output: x.mp4 is one name, and there are 2 sources", "{nam}/{name}.mp4": "--output: {nam} is not one of {name}, {ext}, {folder}",
	} {
		if err := CheckPattern(pattern, 2); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", pattern, err, want)
		}
	}
}

func TestNamesThatCollideAreRefused(t *testing.T) {
	dir := tree(t, "in/a.mkv", "in/A.avi", "in/b.mkv", "out/link.mp4")
	if err := os.Symlink(filepath.Join(dir, "in"), filepath.Join(dir, "same")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "out/link.mp4")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "in/b.mkv"), filepath.Join(dir, "out/link.mp4")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sources, outputs, want string }{
		{"in/a.mkv in/b.mkv", "out/a.mp4 out/b.mp4", ""},
		{"in/a.mkv in/A.avi", "out/a.mp4 out/A.mp4", "DIR/in/a.mkv and DIR/in/A.avi would both become DIR/out/A.mp4"},
		{"in/a.mkv in/b.mkv", "out/a.mp4 in/a.mkv", "the output of DIR/in/b.mkv would replace the source DIR/in/a.mkv"},
		{"in/a.mkv in/b.mkv", "out/a.mp4 same/a.mkv", "the output of DIR/in/b.mkv would replace the source DIR/same/a.mkv"},
		{"in/a.mkv in/b.mkv", "out/link.mp4 out/b.mp4", "the output of DIR/in/a.mkv would replace the source DIR/out/link.mp4"},
		{"in", "in/x.mp4 out/y.mp4 out/z.mp4", "DIR/in/x.mp4 would be a source when the same command runs again"},
		{"in", "in/deep/x.mp4 out/y.mp4 out/z.mp4", ""},
	} {
		found, err := Find(strings.Fields(c.sources), false, dir)
		if err != nil {
			t.Fatal(err)
		}
		var films []Film
		for i, out := range strings.Fields(c.outputs) {
			films = append(films, Film{found.List[i], []string{filepath.Join(dir, out)}})
		}
		err = found.CheckNames(films)
		if want := strings.ReplaceAll(c.want, "DIR", dir); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s to %s: %v, want %q", c.sources, c.outputs, err, want)
		}
	}
}

func TestTheNextFilmBeginsWhenSlotsAreIdle(t *testing.T) {
	events := make([]func(local.Event), 3)
	proceed := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	begun := make(chan int, 3)
	var all sync.WaitGroup
	all.Go(func() {
		Run(t.Context(), 3, 2, func(_ context.Context, i int, observe func(local.Event)) {
			events[i] = observe
			begun <- i
			<-proceed[i]
		})
	})
	next := func() int {
		select {
		case i := <-begun:
			return i
		case <-time.After(50 * time.Millisecond):
			return -1
		}
	}
	if i, other := next(), next(); i != 0 || other != -1 {
		t.Fatalf("films %d and %d begin before the first is planned", i, other)
	}
	events[0](local.Event{Event: progresstest.Planned(3, 0, 0, 0, 0)})
	if i := next(); i != -1 {
		t.Errorf("film %d begins while the first has work for all slots", i)
	}
	for _, unit := range []string{"video/00000", "video/00000", "video/00001"} { // one of them twice
		events[0](local.Event{Event: engine.Event{Type: engine.Done, Unit: unit}})
	}
	if i := next(); i != 1 {
		t.Errorf("film %d begins when one unit of the first is left, want 1", i)
	}
	close(proceed[1]) // it fails before it is planned
	if i := next(); i != 2 {
		t.Errorf("film %d begins when the second has failed, want 2", i)
	}
	close(proceed[0])
	close(proceed[2])
	all.Wait()
}

func TestNoFilmBeginsAfterTheEndOfTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var begun []int
	Run(ctx, 5, 1, func(_ context.Context, i int, _ func(local.Event)) {
		begun = append(begun, i)
		cancel()
	})
	if !slices.Equal(begun, []int{0}) {
		t.Errorf("films %v began, want the first alone", begun)
	}
}

func TestTheBoardShowsEachFilm(t *testing.T) {
	b := NewBoard([]Film{{Source: Source{Path: "/films/a.mkv"}}, {Source: Source{Path: "/films/old/b\x1b.mkv"}}, {Source: Source{Path: "/films/c.mkv"}}})
	b.End(0, Failed, local.Report{}, "damaged")
	b.Begin(1)
	b.Add(1, local.Event{Event: progresstest.Planned(4, 2, 0, 4e6, 0), Time: time.Now()})
	want := []string{
		`all films       [===========>           ]  50%  0/3 done  1 failed  0:00`,
		`old/b\u001b.mkv [===========>           ]  50%  2/4 segments`,
	}
	got := b.Lines(72)
	for i, line := range got {
		if len(line) > 72 || line != want[i] {
			t.Errorf("got  %s\nwant %s", line, want[min(i, len(want)-1)])
		}
	}
	var text strings.Builder
	b.WriteSummary(&text)
	if diff := cmp.Diff("films       0/3 done, 1 failed in 0.0 s\nfailed      a.mkv: damaged\nrunning     old/b\\u001b.mkv\nnot begun   c.mkv\n", text.String()); diff != "" {
		t.Error(diff)
	}
}

// The name of an output never has what gives access to its source.
func TestSourcesOfOtherMachinesAreNamedAfterTheirFiles(t *testing.T) {
	found, err := Find([]string{"https://u:secret@Example.com/d/a%20b.mkv?sig=secret", "s3://bucket/in/c.mkv"}, false, t.TempDir())
	if err != nil || len(found.List) != 2 {
		t.Fatalf("found %v, %v", found.List, err)
	}
	var films []Film
	for i, want := range []string{"s3://out/a b-mkv.mp4", "s3://out/c-mkv.mp4"} {
		got := Fill("s3://out/{name}-{ext}.mp4", found.List[i])
		if got != want {
			t.Errorf("the output of %s is %s, want %s", found.List[i].Path, got, want)
		}
		films = append(films, Film{Source: found.List[i], Outputs: []string{got}})
	}
	if s := found.List[0]; s.Path != "https://example.com/d/a%20b.mkv" || s.Location() != "https://u:secret@Example.com/d/a%20b.mkv?sig=secret" {
		t.Errorf("%+v", s)
	}
	if err := found.CheckNames(films); err != nil {
		t.Error(err)
	}
	films[1].Outputs = []string{"s3://bucket/in/c.mkv"}
	if err := found.CheckNames(films); err == nil {
		t.Error("an output may replace its source in a bucket")
	}
	if _, err := Find([]string{"-", "a.mkv"}, false, t.TempDir()); err == nil {
		t.Error("standard input was taken beside a file")
	}
	if req := FillRequest(film.Request{Destination: "s3://out/{name}"}, Source{Path: local.Pipe}); req.Destination != "s3://out/stdin" || req.Source != "-" {
		t.Errorf("%+v", req)
	}
}

func TestAnImageSequenceIsOneOfSeveralSources(t *testing.T) {
	dir := tree(t, "shot_0001.png", "shot_0002.png", "film.mp4")
	found, err := Find([]string{"shot_%04d.png", "film.mp4"}, false, dir)
	if err != nil || len(found.List) != 2 {
		t.Fatalf("found %v, %v", found.List, err)
	}
	for i, want := range []string{"out/shot.mp4", "out/film.mp4"} {
		if got := Fill("out/{name}.mp4", found.List[i]); got != want {
			t.Errorf("the output of %s is %s, want %s", found.List[i].Path, got, want)
		}
	}
}
