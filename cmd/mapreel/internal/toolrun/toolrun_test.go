package toolrun_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render/blender"
)

// bomb is YAML whose aliases would expand to 10^9 strings.
func bomb() string {
	var b strings.Builder
	b.WriteString("a: &a [x, x, x, x, x, x, x, x, x, x]\n")
	for c := 'b'; c <= 'i'; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), c-1)
	}
	return b.String() + "tools: *i\n"
}

func TestHostileToolsFilesAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(filepath.Dir(dir), "outside.sh")
	if err := os.WriteFile(outside, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := "tools:\n  - {name: a, script: large.sh}\n"
	if err := os.WriteFile(filepath.Join(dir, "large.sh"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	one := func(field string) string { return "tools:\n  - name: a\n    command: [x]\n    " + field + "\n" }
	for name, c := range map[string]struct{ text, want string }{
		"ten megabytes":           {"tools:\n" + strings.Repeat("  - {name: a, command: [x]}\n", 10<<20/28), "larger than"},
		"one long line":           {"tools: [" + strings.Repeat("x,", 100_000) + "x]", "YAML tokens, more than"},
		"deep nesting":            {"tools: " + strings.Repeat("[", 10_000), "nest"},
		"an alias bomb":           {bomb(), "aliases"},
		"a script outside":        {"tools:\n  - {name: a, script: ../outside.sh}\n", "../outside.sh does not lie beside the tools file"},
		"an absolute script":      {"tools:\n  - {name: a, script: /etc/passwd}\n", "/etc/passwd does not lie beside the tools file"},
		"a large script":          {large, "is larger than"},
		"a name that leads out":   {"tools:\n  - {name: ../a, command: [x]}\n", "/tools/0/name"},
		"an output that does":     {one("outputs: [{path: ../../etc}]"), "must be a folder below the destination"},
		"an absolute output":      {one("outputs: [{path: /etc}]"), "must be a folder below the destination"},
		"a suffix that does":      {one(`outputs: [{suffix: ["/../../x"]}]`), "/tools/0/outputs/0/suffix/0"},
		"a variable of mapreel's": {one("environment: {TMP_OUTPUT_DIR: /etc}"), "mapreel sets TMP_OUTPUT_DIR itself"},
		"a zero byte":             {one(`environment: {A: "a\0b"}`), "zero byte"},
		"another destination":     {"destination: /etc\ntools:\n  - {name: a, command: [x]}\nfolder: 3\n", ""},
		"a tag":                   {one("timeout: !!python/object/apply:os.system [x]"), "/tools/0/timeout"},
		"a film": {
			one("each: frames\n    outputs:\n      - {join: video, films: [{container: hls, video: [{crf: 99}]}]}"),
			"a-film.yaml:6:57: /tools/0/outputs/0/films/0/video/0/crf: 99 is outside 0 to 51 for h264",
		},
		"two documents": {one("timeout: 3") + "---\n" + one("timeout: 3"), "document"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			job, err := toolrun.Run{Tools: file, Source: "film.mp4", Output: "out"}.Job(dir, nil)
			if c.want == "" { // what the arguments say holds
				if err != nil || strings.Contains(string(job.Request), "/etc") {
					t.Errorf("got %s, %v", job.Request, err)
				}
				return
			}
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %s: %.500v, want %q", fault.KindOf(err), err, c.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A film does not replace the source, also where its folder leads there by another path.
func TestAFilmDoesNotReplaceTheSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = "tools:\n  - name: film\n    each: segment\n    command: [x]\n    outputs: [{join: video, films: [{container: poster}, {}]}]\n"
	for name, text := range map[string]string{"film.mp4": "", "tools.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(".", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for output, refused := range map[string]bool{".": true, "link": true, "out": false} {
		_, err := toolrun.Run{Tools: filepath.Join(dir, "tools.yaml"), Source: "film.mp4", Output: output}.Job(dir, nil)
		const want = "tools.yaml:5:58: /tools/0/outputs/0/films/1/name: "
		if refused && (fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "is the source")) || !refused && err != nil {
			t.Errorf("into %s: %v", output, err)
		}
	}
}

// Two jobs that would write a film of one name exclude each other, whatever their tools are called.
func TestFilmsOfToolsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = "tools:\n  - {name: a, command: [x], outputs: [{path: cues}]}\n" +
		"  - {name: b, each: segment, command: [x], outputs: [{path: films, join: video, films: [{name: film, container: hls}, {}]}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "tools.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	job, err := toolrun.Run{Tools: filepath.Join(dir, "tools.yaml"), Source: "film.mp4", Output: "out"}.Job(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range job.Outputs {
		name, err := filepath.Rel(filepath.Join(dir, "out"), path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if diff := cmp.Diff([]string{"cues/a.0", "films/film.m3u8", "films/film", "films/b.mp4"}, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// A command that ends early stops the preparations for its scene, and waits for them.
func TestPreparationsForASceneEndWithTheirCommand(t *testing.T) { //nolint:paralleltest // it sets PATH
	bin, temp, out := t.TempDir(), t.TempDir(), t.TempDir()
	began := filepath.Join(out, "began")
	script := "#!/bin/sh\n: > " + began + "\nexec /bin/sleep 60\n"
	if err := os.WriteFile(filepath.Join(bin, "bwrap"), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	for name, value := range map[string]string{"PATH": bin, "TMPDIR": temp, blender.Variable: "/bin/true"} {
		t.Setenv(name, value)
	}
	end := toolrun.PrepareScenes(t.Context())
	deadline := time.Now().Add(20 * time.Second)
	for _, err := os.Stat(began); err != nil; _, err = os.Stat(began) {
		if time.Now().After(deadline) {
			end()
			t.Fatal("nothing was prepared")
		}
		time.Sleep(10 * time.Millisecond)
	}
	asked := time.Now()
	end()
	if took := time.Since(asked); took > 20*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTheToolsFileSaysHowManyPiecesRunAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "tools.yaml")
	for _, c := range []struct {
		compute string
		flag    int
		want    int
		refused string
	}{
		{"{}", 0, 0, ""},
		{"{concurrency: 1}", 0, 1, ""},
		{"{concurrency: 10000}", 0, runtime.NumCPU(), ""},
		{"{concurrency: 1}", 7, 7, ""},
		{"{gpu: true}", 0, 0, "gpu"},
		{"{mode: batch}", 0, 0, "mode"},
	} {
		if err := os.WriteFile(file, []byte("tools:\n  - {name: a, command: [x]}\ncompute: "+c.compute+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		job, err := toolrun.Run{Tools: file, Source: "film.mp4", Output: "out", Jobs: c.flag}.Job(dir, nil)
		if c.refused != "" {
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v", c.compute, err)
			}
			continue
		}
		if err != nil || job.Jobs != c.want {
			t.Errorf("%s: %d at once, %v, want %d", c.compute, job.Jobs, err, c.want)
		}
	}
}
