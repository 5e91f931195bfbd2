package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The umask is the process's own, so this test does not run beside others.
func TestADrawingRespectsTheUmaskAndReplacesALink(t *testing.T) {
	dir := t.TempDir()
	victim, drawing := filepath.Join(dir, "victim"), filepath.Join(dir, "plot.svg")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, drawing); err != nil {
		t.Fatal(err)
	}
	defer syscall.Umask(syscall.Umask(0o077))
	if err := replaceFile(drawing, "--plot", []byte("<svg/>")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(drawing); err != nil || info.Mode() != 0o600 {
		t.Errorf("the drawing is %v, %v; want a regular file of mode 0600", info.Mode(), err)
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file that a link led to holds %q, %v", data, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".mapreel-*")); err != nil || left != nil {
		t.Errorf("left over: %v, %v", left, err)
	}
}
