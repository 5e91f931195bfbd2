package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Every user of a machine can read the command lines of all programs, and the address has a secret part.
func TestABrowserIsNotGivenTheAddressOnItsCommandLine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the program that opens a browser is a script here")
	}
	dir := t.TempDir()
	said := filepath.Join(dir, "arguments")
	script := "#!/bin/sh\necho \"$@\" > " + said + ".part\nmv " + said + ".part " + said + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("TMPDIR", dir)
	const address = "http://127.0.0.1:1/SECRET/"
	remove, err := openBrowser(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	var arguments []byte
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if arguments, err = os.ReadFile(said); err == nil || time.Now().After(end) {
			break
		}
	}
	page := strings.TrimSpace(string(arguments))
	if err != nil || strings.Contains(page, "SECRET") {
		t.Fatalf("the browser is started with %q, %v", page, err)
	}
	text, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(text), "url="+address+`"`) {
		t.Errorf("the page is %q, %v", text, err)
	}
	for path, want := range map[string]os.FileMode{page: 0o600, filepath.Dir(page): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, %v; want %o", path, info.Mode(), err, want)
		}
	}
	remove()
	if _, err := os.Stat(filepath.Dir(page)); !os.IsNotExist(err) {
		t.Errorf("the page stays: %v", err)
	}
}
