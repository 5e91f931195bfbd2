package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAScratchFolderIsJudgedByItsFileSystem(t *testing.T) {
	good := volume{kind: "ext4", free: 50e9, files: 1e6}
	for _, c := range []struct {
		name   string
		change func(*volume)
		check  string
		want   Level
		hint   string
	}{
		{"plenty", func(*volume) {}, "scratch", OK, ""},
		{"little space", func(v *volume) { v.free = 3e9 }, "scratch", Warning, "a film of two hours takes about 10.0 GB"},
		{"few inodes", func(v *volume) { v.files = 100 }, "scratch", Warning, "up to 20000 files"},
		{"inodes without limit", func(v *volume) { v.files = -1 }, "scratch", OK, ""},
		{"memory", func(v *volume) { v.kind, v.memory = "tmpfs", true }, "scratch", Warning, "take up memory"},
		{"a server", func(v *volume) { v.kind, v.remote = "nfs", true }, "scratch", Warning, "from one machine only"},
		{"FAT", func(v *volume) { v.kind, v.limit = "vfat", 1<<32-1 }, "scratch", Warning, "a file in vfat has at most 4.3 GB"},
		{"a limit of the shell", func(v *volume) { v.ulimit = 1 << 20 }, "file size", Warning, "ulimit -f unlimited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := good
			c.change(&v)
			var r Report
			r.judge("/scratch", v)
			got := check(t, r, c.check)
			if got.Level != c.want || !strings.Contains(got.Hint, c.hint) || c.hint == "" && got.Hint != "" {
				t.Errorf("%+v; want %s with %q", got, c.want, c.hint)
			}
		})
	}
}

func TestAFolderThatCannotBeWrittenIsAFailure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"/proc/scratch", filepath.Join(file, "scratch"), file} {
		var r Report
		r.examineScratch(t.Context(), folder)
		if c := check(t, r, "scratch"); c.Level != Failure || !strings.Contains(c.Text, folder) || !strings.Contains(c.Hint, "--scratch") {
			t.Errorf("%s: %+v", folder, c)
		}
		if len(r) != 1 {
			t.Errorf("%s: more than one check: %+v", folder, r)
		}
	}
}

func TestAMissingFeatureIsNamedWithItsConsequence(t *testing.T) {
	kept := features
	defer func() { features = kept }()
	for i, f := range kept {
		features = append([]feature{}, kept...)
		features[i].try = func(context.Context, string) error { return errors.New("not supported here") }
		var r Report
		r.tryFeatures(t.Context(), t.TempDir())
		if c := check(t, r, f.name); c.Level != f.level || c.Text != "not supported here" || c.Hint == "" {
			t.Errorf("%+v", c)
		}
		if c := check(t, r, "file system"); strings.Contains(c.Text, f.name) || strings.Count(c.Text, ",") < len(kept)-2 {
			t.Errorf("%s is missing, but the file system has %q", f.name, c.Text)
		}
	}
}
