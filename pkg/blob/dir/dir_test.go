package dir_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/blobtest"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
)

// writerEnv makes this test binary write an object for ever, in the folder that it names.
const writerEnv = "MAPREEL_TEST_ENDLESS_WRITER"

func TestMain(m *testing.M) {
	if root := os.Getenv(writerEnv); root != "" {
		endlessWriter(root)
	}
	os.Exit(m.Run())
}

func open(t *testing.T) *dir.Store {
	t.Helper()
	return openAt(t, t.TempDir())
}

func openAt(t *testing.T, root string) *dir.Store {
	t.Helper()
	s, err := dir.New(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsTheContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t) })
}

func TestNewCreatesNoFolder(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "yet")
	s := openAt(t, root)
	if _, err := s.Stat(t.Context(), "a"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("stat in a folder that does not exist: %v, want NotFound", err)
	}
	for range s.List(t.Context(), "") {
		t.Error("list of a folder that does not exist yields an object")
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading created the folder: %v", err)
	}
	put(t, s, "a/b", "x")
	if b, err := os.ReadFile(filepath.Join(root, "a", "b")); string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestNewRefusesPathsThatAreNotFolders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, filepath.Join(file, "below"), ""} {
		if _, err := dir.New(root); fault.KindOf(err) != fault.Invalid {
			t.Errorf("New(%q): got %v, want Invalid", root, err)
		}
	}
}

func TestLocateIsAbsoluteForARelativeRoot(t *testing.T) {
	t.Chdir(t.TempDir())
	s := openAt(t, "sub")
	put(t, s, "a b/#%.mp4", "x")
	where, err := s.Locate(t.Context(), "a b/#%.mp4")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	if b, err := os.ReadFile(where); string(b) != "x" {
		t.Errorf("%s holds %q, %v", where, b, err)
	}
}

func TestFailedWriteLeavesNoFile(t *testing.T) {
	s := open(t)
	boom := errors.New("boom")
	if _, err := s.Put(t.Context(), "a/b", iotest.ErrReader(boom)); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Compose(t.Context(), "a/c", []blob.Part{{From: s, Key: "absent", Length: 1}}); err == nil {
		t.Error("compose of an absent object returns no error")
	}
	if got := files(t, s.Root()); len(got) > 0 {
		t.Errorf("files left: %q", got)
	}
}

func TestErrorOfTheReaderKeepsItsKind(t *testing.T) {
	for _, err := range []error{fault.New(fault.Corrupt, "the source is broken"), unix.ENOSPC, os.ErrPermission} {
		_, got := open(t).Put(t.Context(), "a", iotest.ErrReader(err))
		if fault.KindOf(got) != fault.KindOf(err) || fault.HintOf(got) != "" {
			t.Errorf("reader's error %v becomes %s with hint %q", err, fault.KindOf(got), fault.HintOf(got))
		}
	}
}

func TestAStoreThatKeepsWhatExistsReplacesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	keep := s.KeepExisting()
	if _, err := keep.Put(t.Context(), "a/new", strings.NewReader("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := keep.Put(t.Context(), "a/new", strings.NewReader("second")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a second object at the key: %v, want kind %s", err, fault.Invalid)
	}
	files, err := os.ReadDir(filepath.Join(s.Root(), "a"))
	if err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v, want the object alone", files, err)
	}
	if data, err := os.ReadFile(filepath.Join(s.Root(), "a", "new")); err != nil || string(data) != "first" {
		t.Errorf("the object is %q, %v", data, err)
	}
}

func TestLinksOutOfTheFolderAreRefused(t *testing.T) {
	outside, s := t.TempDir(), open(t)
	secret := filepath.Join(outside, "secret")
	write(t, secret, "secret")
	put(t, s, "real/file", "inside")
	for link, target := range map[string]string{
		"file": secret, "folder": outside, "relative": "../../../../../../../../etc/passwd", "inside": "real/file",
		"insidefolder": "real", "dangling": "nowhere", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(s.Root(), link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "folder/secret", "relative", "loop"} {
		_, statErr := s.Stat(t.Context(), key)
		_, openErr := s.Open(t.Context(), key, 0, -1)
		_, locateErr := s.Locate(t.Context(), key)
		_, composeErr := s.Compose(t.Context(), "out", []blob.Part{{From: s, Key: key, Length: 1}})
		for op, err := range map[string]error{"Stat": statErr, "Open": openErr, "Locate": locateErr, "Compose": composeErr} {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s(%s): got %v of kind %s, want Invalid", op, key, err, fault.KindOf(err))
			}
		}
	}
	for _, op := range []error{putErr(t, s, "folder/new"), putErr(t, s, "folder/secret"), s.Delete(t.Context(), "folder/secret")} {
		if fault.KindOf(op) != fault.Invalid {
			t.Errorf("change through a link that leads out: got %v, want Invalid", op)
		}
	}
	if got := files(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("the outer folder now holds %q", got)
	}
	if got := read(t, s, "inside"); got != "inside" {
		t.Errorf("a link inside the folder reads %q", got)
	}
	var listed []string
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, info.Key)
	}
	if want := []string{"inside", "real/file"}; !slices.Equal(listed, want) {
		t.Errorf("list yields %q, want %q", listed, want)
	}
	put(t, s, "file", "replaced") // replaces the link, not its target
	if b, _ := os.ReadFile(secret); string(b) != "secret" {
		t.Errorf("a Put to a link wrote to its target: %q", b)
	}
}

func TestFIFOIsRefusedWithoutBlocking(t *testing.T) {
	s := open(t)
	if err := unix.Mkfifo(filepath.Join(s.Root(), "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), "fifo", 0, -1); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v, want Invalid", err)
	}
	for info := range s.List(t.Context(), "") {
		t.Errorf("list yields %s", info.Key)
	}
}

func TestKeysThatConflictWithAFolderOrFileAreRefused(t *testing.T) {
	s := open(t)
	put(t, s, "a/b", "x")
	for _, key := range []string{"a", "a/b/c"} {
		if err := putErr(t, s, key); fault.KindOf(err) != fault.Invalid {
			t.Errorf("put %s while a/b exists: got %v, want Invalid", key, err)
		}
	}
	if got := files(t, s.Root()); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("the folder holds %q", got)
	}
}

func TestConcurrentPutsAndDeletesInOneFolderSucceed(t *testing.T) {
	s := open(t)
	var group errgroup.Group
	for _, key := range []string{"a/b/c/1", "a/b/c/2", "a/b/3"} {
		group.Go(func() error {
			for range 100 {
				if _, err := s.Put(t.Context(), key, strings.NewReader(key)); err != nil {
					return err
				}
				if err := s.Delete(t.Context(), key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.Root()); err != nil || len(entries) > 0 {
		t.Errorf("entries left: %v, %v", entries, err)
	}
}

func TestSweepRemovesTemporariesOfKilledWritersOnly(t *testing.T) {
	s := open(t)
	put(t, s, "job/done", "x")
	killed := startWriter(t, s.Root())
	living := startWriter(t, s.Root())
	if got := temporaries(t, s.Root()); got != 2 {
		t.Fatalf("two writers have %d temporary files", got)
	}
	if n, err := s.Sweep(t.Context(), ""); n != 0 || err != nil {
		t.Errorf("swept %d, %v while the writers are alive", n, err)
	}
	kill(t, killed)
	if n, err := s.Sweep(t.Context(), "elsewhere/"); n != 0 || err != nil {
		t.Errorf("swept %d, %v in another folder", n, err)
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil || info.Key != "job/done" {
			t.Errorf("list yields %s, %v", info.Key, err)
		}
	}
	if n, err := s.Sweep(t.Context(), "job/"); n != 1 || err != nil {
		t.Errorf("swept %d, %v, want the killed writer's", n, err)
	}
	if got := temporaries(t, s.Root()); got != 1 {
		t.Errorf("%d temporary files are left, want the living writer's", got)
	}
	kill(t, living)
	if n, err := s.Sweep(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if got := files(t, s.Root()); !slices.Equal(got, []string{"job/done"}) {
		t.Errorf("the folder holds %q", got)
	}
}

// startWriter starts a process and returns when it is in the middle of a Put.
func startWriter(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the writer printed %q, %v", line, err)
	}
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // returns that it was killed
}

func endlessWriter(root string) {
	s, err := dir.New(root)
	if err == nil {
		_, err = s.Put(context.Background(), "job/half", &blockingReader{})
	}
	panic(err)
}

// blockingReader returns some bytes, prints a line on standard output, and blocks for ever.
type blockingReader struct{ read int }

func (r *blockingReader) Read(p []byte) (int, error) {
	if r.read > 100_000 {
		_, _ = os.Stdout.WriteString("writing\n")
		for { // not select{}: the Go runtime would report a deadlock
			time.Sleep(time.Hour)
		}
	}
	r.read += len(p)
	return len(p), nil
}

func put(t *testing.T, s *dir.Store, key, body string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func putErr(t *testing.T, s *dir.Store, key string) error {
	t.Helper()
	_, err := s.Put(t.Context(), key, strings.NewReader("x"))
	return err
}

func read(t *testing.T, s *dir.Store, key string) string {
	t.Helper()
	r, err := s.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, body string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files returns the paths, relative to root, of everything below root that is not a folder.
func files(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel, _ := filepath.Rel(root, name)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func temporaries(t *testing.T, root string) int {
	t.Helper()
	n := 0
	for _, name := range files(t, root) {
		if strings.HasPrefix(filepath.Base(name), blob.Reserved) {
			n++
		}
	}
	return n
}
