package blender

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A scene that has taken Blender over must not have this program read other files for it, nor wait for a FIFO.
func TestOnlyFilesThatBlenderWroteAreRead(t *testing.T) {
	t.Parallel()
	folder, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	secret := filepath.Join(elsewhere, "secret.png")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Mkdir(at("frames"), 0o700), os.Symlink(elsewhere, at("linked")), os.WriteFile(at("frames/whole.png"), []byte("whole"), 0o600),
		os.Symlink(secret, at("frames/link.png")), syscall.Mkfifo(at("frames/fifo.png"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"frames/whole.png": "whole", "frames/link.png": "", "frames/fifo.png": "", "frames/missing.png": "", "linked/secret.png": "",
	} {
		data, err := Frame{Path: at(name)}.Read()
		if string(data) != want || (err == nil) != (want != "") {
			t.Errorf("%s: read %q, %v", name, data, err)
		}
	}
	if _, err := readBounded(folder, "frames/whole.png", 4); err == nil {
		t.Error("5 bytes are read where 4 are the limit")
	}
}

// The name of a frame in the store follows from its number, so that of another unit would be overwritten.
func TestAFrameThatWasNotAskedForIsRefused(t *testing.T) {
	t.Parallel()
	report := filepath.Join(t.TempDir(), "frames.jsonl")
	if err := os.WriteFile(report, []byte(`{"frame": 2, "seconds": 1}`+"\n"+`{"frame": 7, "seconds": 1}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []int
	w := watcher{report: report, numbers: []int{1, 2}, done: func(f Frame) error {
		got = append(got, f.Number)
		return nil
	}}
	if err := w.look(); err == nil || !strings.Contains(err.Error(), "frame 7") || len(got) != 1 || got[0] != 2 {
		t.Errorf("got the frames %v and %v", got, err)
	}
}
