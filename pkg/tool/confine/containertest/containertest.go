// Package containertest makes images for tests of tools that run in containers.
//
//	image := containertest.Image(t, "bash", "sleep")
package containertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Image makes an image of programs of this machine with their libraries, and removes it after the test. It has /bin/sh, and nothing else
// of this machine. The test is skipped where podman is not installed, or runs no container.
func Image(t *testing.T, programs ...string) (name string) {
	t.Helper()
	return ImageWith(t, "GREETING=hello", programs...)
}

// ImageWith makes an image that sets an environment variable, "name=value".
func ImageWith(t *testing.T, variable string, programs ...string) (name string) {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("SKIPPED: 1 test of tools in containers needs podman, which make setup installs")
	}
	name = importImage(t, variable, programs)
	if err := try(name); err != nil {
		t.Skipf("SKIPPED: 1 test of tools in containers: podman is installed, but runs no container: %v", err)
	}
	return name
}

// try finds out once whether podman runs a container in any way. It uses no code of mapreel, whose mistakes must not skip tests.
func try(image string) error {
	tried.once.Do(func() {
		for _, flags := range [][]string{nil, {"--cgroup-manager", "cgroupfs"}, {"--runtime", "runc", "--cgroup-manager", "cgroupfs"}} {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			argv := slices.Concat(flags, []string{
				"run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", "--pull", "never", "--network", "none", image, "sh", "-c", ":",
			})
			out, err := exec.CommandContext(ctx, "podman", argv...).CombinedOutput() //nolint:gosec // a program of this machine
			cancel()
			if err == nil {
				tried.err = nil
				return
			}
			if tried.err == nil { // later attempts may fail only because a runtime is not installed
				tried.err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
			}
		}
	})
	return tried.err
}

var tried struct { //nolint:gochecknoglobals // what a machine can do does not change
	once sync.Once
	err  error
}

// importImage makes an image. The test is skipped where podman stores none.
func importImage(t *testing.T, variable string, programs []string) (name string) {
	t.Helper()
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
	cmd := exec.CommandContext(t.Context(), "podman", "import", "--quiet", "--change", "ENV "+variable, "-", name)
	cmd.Stdin = bytes.NewReader(pack(t, files))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	id, err := cmd.Output()
	if err != nil {
		t.Skipf("SKIPPED: 1 test of tools in containers: podman is installed, but stores no image: %v: %s", err, complaint.String())
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
