package job

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/tool/confine"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestOnlyANumberFromZeroToOneIsProgress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), progressName)
	for text, want := range map[string]float64{
		"0": 0, "1": 1, "0.25": 0.25, "0.5\n": 0.5, " .75 \r\n": 0.75, "0.": 0, "1.000": 1,
		"": -1, ".": -1, "1.1": -1, "2": -1, "-0.5": -1, "1e-3": -1, "0x1p-2": -1, "NaN": -1, "Inf": -1, "0,5": -1, "50%": -1, "0.5 0.6": -1, "half": -1,
		"0.5\x00": -1, "0." + strings.Repeat("1", 31): -1, strings.Repeat(" ", 1<<20) + "0.5": -1,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readProgress(file); err == nil && got != want || err != nil && want >= 0 {
			t.Errorf("%.40q is %v, %v; want %v", text, got, err, want)
		}
	}
}

// A tool owns the folder of the file, so it can put anything there.
func TestWhatIsNoFileIsNoProgress(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, []byte("0.5"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, create := range map[string]func(path string) error{
		"a link":   func(path string) error { return os.Symlink(plain, path) },
		"a device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"nothing":  func(string) error { return nil },
	} {
		file := filepath.Join(folder, name)
		if err := create(file); err != nil {
			t.Fatal(err)
		}
		if got, err := readProgress(file); err == nil {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got, err := readProgress(plain); got != 0.5 || err != nil {
		t.Errorf("a file is %v, %v", got, err)
	}
}

// The file lies in a folder that the container of a tool has, and may write to.
func TestAToolInAnImageCanReportItsProgress(t *testing.T) {
	t.Parallel()
	a := &attempt{Env: &work.Env{Dir: "/d"}, image: "sha256:1", input: "/d/input", work: "/d/work", output: "/d/output"}
	env := a.environment("/d/input/in.wav", nil)
	const want = "MAPREEL_PROGRESS_FILE=/mapreel/work/" + progressName
	if !slices.Contains(env, want) {
		t.Errorf("the environment is %q, without %s", env, want)
	}
	folder := confine.Mount{Host: filepath.Dir(a.progressFile()), Path: "/mapreel/work", Writable: true, Own: true}
	if mounts := a.container().Mounts; !slices.Contains(mounts, folder) {
		t.Errorf("the container has %+v, without %+v", mounts, folder)
	}
}
