// Package containertest makes images for tests of tools that run in containers.
//
//	image := containertest.Image(t, "bash", "sleep")
package containertest

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Image makes an image of programs of this machine with their libraries, and removes it after the test. It has /bin/sh, and nothing else
// of this machine. The test is skipped where podman is not installed.
func Image(t *testing.T, programs ...string) (name string) {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("SKIPPED: 1 test of tools in containers needs podman, which make setup installs")
	}
	files := map[string]string{} // by their paths in the image
	for _, program := range append(programs, "sh") {
		at, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		files["bin/"+program] = at
		out, _ := exec.CommandContext(t.Context(), "ldd", at).Output() // it fails for a program without libraries
		for field := range strings.FieldsSeq(string(out)) {
			if filepath.IsAbs(field) {
				files[strings.TrimPrefix(path.Clean(field), "/")] = field
			}
		}
	}
	name = "localhost/mapreel-test-" + strings.ToLower(rand.Text()) + ":1"
	cmd := exec.CommandContext(t.Context(), "podman", "import", "--quiet", "--change", "ENV GREETING=hello", "-", name)
	cmd.Stdin = bytes.NewReader(pack(t, files))
	cmd.Stderr = os.Stderr
	id, err := cmd.Output()
	if err != nil {
		t.Fatalf("podman import: %v", err)
	}
	t.Cleanup(func() { // a test may give the name to another image
		if out, err := exec.Command("podman", "rmi", "--force", string(bytes.TrimSpace(id))).CombinedOutput(); err != nil { //nolint:noctx // the test's context has ended
			t.Errorf("podman rmi: %v: %s", err, out)
		}
	})
	return name
}

// pack packs files, and the folders of every image.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, folder := range []string{"bin/", "dev/", "etc/", "proc/", "sys/", "tmp/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	for name, at := range files {
		if err := add(w, name, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func add(w *tar.Writer, name, at string) error {
	f, err := os.Open(at)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
