package local_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// umask returns the umask of this process, which only /proc shows without changing it.
func umask(t *testing.T) fs.FileMode {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not show the umask")
	}
	_, rest, _ := strings.Cut(string(status), "\nUmask:\t")
	var mask fs.FileMode
	for _, digit := range rest[:4] {
		mask = mask*8 + fs.FileMode(digit-'0')
	}
	return mask
}

// What a job leaves in scratch is for its user alone. Its output has the permissions that the user's umask gives.
func TestScratchIsPrivateAndOutputsRespectTheUmask(t *testing.T) {
	t.Parallel()
	s, source, out := withToy(t), toytest.NoisyWAV(t, 1000, 3), t.TempDir()
	scratch := filepath.Join(t.TempDir(), "scratch")
	for _, route := range []work.Route{work.RouteLambda, work.RouteBatch} {
		if _, err := s.run(t.Context(), toyRequest(source, out, route), local.Options{Scratch: scratch, Jobs: 1, Keep: true}); err != nil {
			t.Fatal(err)
		}
	}
	files := 0
	for _, folder := range []string{".", "pieces", "locks", "slots", "logs"} {
		if info, err := os.Stat(filepath.Join(scratch, folder)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v; want mode 0700", folder, info.Mode(), err)
		}
	}
	for _, pattern := range []string{"ledger.db*", "slots/*", "locks/*"} {
		list, err := filepath.Glob(filepath.Join(scratch, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range list {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v; want mode 0600", path, info.Mode(), err)
			}
			files++
		}
	}
	if files < 2 {
		t.Errorf("only %d files were looked at", files)
	}
	want := 0o666 &^ umask(t)
	if info, err := os.Stat(filepath.Join(out, "noise.wav.sha256")); err != nil || info.Mode().Perm() != want {
		t.Errorf("the output: %v, %v; want mode %04o", info.Mode(), err, want)
	}
}

// A link in the place of an output is replaced. It led root to another user's file, which was overwritten.
func TestALinkInThePlaceOfAnOutputIsReplaced(t *testing.T) {
	t.Parallel()
	s, source, out := withToy(t), toytest.NoisyWAV(t, 1000, 3), t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(out, "noise.wav.sha256")
	if err := os.Symlink(victim, output); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds its output in its place
		if _, err := s.run(t.Context(), toyRequest(source, out, work.RouteLambda), local.Options{
			Scratch: t.TempDir(), Jobs: 1, Outputs: []string{output},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file that the link led to holds %q, %v", data, err)
	}
	if info, err := os.Lstat(output); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the output is %v, %v", info, err)
	}
}

// An output folder, and a scratch folder, may be the user's own link to another disk.
func TestFoldersMayBeTheUsersOwnLinks(t *testing.T) {
	t.Parallel()
	s, source, disk := withToy(t), toytest.NoisyWAV(t, 1000, 3), t.TempDir()
	links := t.TempDir()
	for name, target := range map[string]string{"out": filepath.Join(disk, "out"), "scratch": filepath.Join(disk, "scratch"), "source.wav": source} {
		if name != "source.wav" {
			if err := os.Mkdir(target, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(target, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, route := range []work.Route{work.RouteLambda, work.RouteBatch} {
		if _, err := s.run(t.Context(), toyRequest(filepath.Join(links, "source.wav"), filepath.Join(links, "out", "new"), route), local.Options{
			Scratch: filepath.Join(links, "scratch"), Jobs: 1,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(disk, "out", "new", "source.wav.sha256")); err != nil {
		t.Error(err)
	}
	if list, err := local.Jobs(t.Context(), filepath.Join(links, "scratch")); err != nil || len(list) == 0 {
		t.Errorf("jobs %v, %v", list, err)
	}
}

// Another user prepares the scratch folder, or a part of it, with links that lead elsewhere.
func TestScratchOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	s, source, out := withToy(t), toytest.NoisyWAV(t, 1000, 3), t.TempDir()
	target := filepath.Join(t.TempDir(), "target")
	prepare := func(t *testing.T, part string, mode fs.FileMode, owner int) string {
		t.Helper()
		scratch := filepath.Join(t.TempDir(), "scratch")
		if err := os.MkdirAll(filepath.Join(scratch, part), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(scratch, "ledger.db"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"0", "1"} {
			if err := os.Symlink(target, filepath.Join(scratch, part, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(scratch, part), mode); err != nil {
			t.Fatal(err)
		}
		if owner != 0 && os.Geteuid() != 0 {
			t.Skip("only root can make a folder another user's")
		}
		if owner != 0 {
			if err := os.Chown(filepath.Join(scratch, part), owner, owner); err != nil {
				t.Fatal(err)
			}
		}
		return scratch
	}
	for name, c := range map[string]struct {
		part  string
		mode  fs.FileMode
		owner int
		want  string
	}{
		"others can write to it": {".", 0o777, 0, "can be used by others"},
		"it is another user's":   {".", 0o777, 54321, "belongs to user 54321"},
		"a part is":              {"slots", 0o777, 54321, "belongs to user 54321"},
		"a slot is a link":       {"slots", 0o700, 0, "is a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			scratch := prepare(t, c.part, c.mode, c.owner)
			_, err := s.run(t.Context(), toyRequest(source, out, work.RouteLambda), local.Options{Scratch: scratch, Jobs: 2})
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a job ends with %v (%s), want Invalid with %q", err, fault.KindOf(err), c.want)
			}
			if c.part == "." || c.owner != 0 {
				for what, err := range map[string]error{"jobs": second(local.Jobs(t.Context(), scratch)), "gc": second(local.Collect(t.Context(), scratch, false))} {
					if fault.KindOf(err) != fault.Invalid {
						t.Errorf("%s: %v", what, err)
					}
				}
			}
			if _, err := os.Lstat(target); err == nil {
				t.Error("a link was followed")
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// The folder in which outputs are locked is not used where others can write to it.
func TestOutputsAreNotLockedInAFolderOfOthers(t *testing.T) {
	s, source, out := withToy(t), toytest.NoisyWAV(t, 1000, 3), t.TempDir()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	squatted := filepath.Join(temp, fmt.Sprintf("mapreel-%d", os.Getuid()))
	if err := os.Mkdir(squatted, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(squatted, 0o777); err != nil { // as another user's would be; where it is, scratch is used instead
		t.Fatal(err)
	}
	if _, err := s.run(t.Context(), toyRequest(source, out, work.RouteLambda), local.Options{
		Scratch: filepath.Join(t.TempDir(), "scratch"), Jobs: 1, Outputs: []string{filepath.Join(out, "noise.wav.sha256")},
	}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(squatted); err != nil || len(left) > 0 {
		t.Errorf("the folder of others holds %v, %v", left, err)
	}
}
