package private

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

// stranger is a user other than the one who runs the tests.
const stranger = 54321

// give makes a path another user's. Only root can do that.
func give(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a file another user's")
	}
	if err := os.Lchown(path, stranger, stranger); err != nil {
		t.Fatal(err)
	}
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// mkdir makes a folder of exactly this mode, whatever the umask.
func mkdir(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func refused(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("%s: error %v of kind %s, want one of kind Invalid", what, err, fault.KindOf(err))
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %v, want one with %q", what, err, w)
		}
	}
}

func TestWhatIsMadeIsPrivate(t *testing.T) {
	dir := t.TempDir()
	f, err := Make(filepath.Join(dir, "above", "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := f.Sub("locks")
	if err != nil {
		t.Fatal(err)
	}
	file, err := sub.File("lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Reserve("ledger.db"); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]fs.FileMode{f.Path(): 0o700, sub.Path(): 0o700, file.Name(): 0o600, filepath.Join(f.Path(), "ledger.db"): 0o600} {
		if got := mode(t, path); got != want {
			t.Errorf("the mode of %s is %04o, want %04o", path, got, want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(f.Path(), ".mapreel-*")); err != nil || left != nil {
		t.Errorf("left over: %v, %v", left, err)
	}
	if _, err := Open(filepath.Join(dir, "missing")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Open of a missing folder: %v", err)
	}
}

// What earlier versions made for all to read becomes private, but not the user's own folder around it.
func TestPermissionsForOthersAreRemoved(t *testing.T) {
	f, err := Make(mkdir(t, filepath.Join(t.TempDir(), "scratch"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	pieces := mkdir(t, filepath.Join(f.Path(), "pieces"), 0o775)
	ledger, lock := filepath.Join(f.Path(), "ledger.db"), filepath.Join(pieces, "lock")
	journal := ledger + "-wal"
	for _, path := range []string{ledger, journal, lock} {
		if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o664); err != nil {
			t.Fatal(err)
		}
	}
	sub, err := f.Sub("pieces")
	if err != nil {
		t.Fatal(err)
	}
	file, err := sub.File("lock")
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := f.ReserveDatabase("ledger.db"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{f.Path(): 0o755, pieces: 0o700, lock: 0o600, ledger: 0o600, journal: 0o600} {
		if got := mode(t, path); got != want {
			t.Errorf("the mode of %s is %04o, want %04o", path, got, want)
		}
	}
	if data, err := os.ReadFile(ledger); err != nil || string(data) != "x" {
		t.Errorf("the ledger holds %q, %v", data, err)
	}
}

func TestFoldersOfOthersAreRefused(t *testing.T) {
	dir := t.TempDir()
	for _, m := range []fs.FileMode{0o720, 0o702, 0o777 | fs.ModeSticky} {
		_, err := Make(mkdir(t, filepath.Join(dir, "writable"), m))
		refused(t, m.String(), err, "can be used by others")
		if fault.HintOf(err) == "" {
			t.Errorf("%v has no hint", err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "writable")); err != nil || len(left) > 0 {
		t.Errorf("left in a folder that was refused: %v, %v", left, err)
	}
	foreign := mkdir(t, filepath.Join(dir, "foreign"), 0o777)
	give(t, foreign)
	_, err := Make(foreign)
	refused(t, "foreign folder", err, "belongs to user 54321, and this is user 0")

	f, err := Make(filepath.Join(dir, "mine"))
	if err != nil {
		t.Fatal(err)
	}
	give(t, mkdir(t, filepath.Join(f.Path(), "slots"), 0o700))
	_, err = f.Sub("slots")
	refused(t, "foreign folder inside", err, "belongs to user 54321")
	lock := filepath.Join(f.Path(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	give(t, lock)
	_, err = f.File("lock")
	refused(t, "foreign file", err, "belongs to user 54321")
	refused(t, "foreign ledger", f.Reserve("lock"), "belongs to user 54321")
}

func TestLinksInsideAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	f, err := Make(filepath.Join(dir, "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "target")
	for _, name := range []string{"file", "folder", "fifo"} {
		if err := os.Symlink(target, filepath.Join(f.Path(), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(f.Path(), "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = f.File("file")
	refused(t, "file", err, "is a symbolic link")
	refused(t, "ledger", f.Reserve("file"), "is not a regular file")
	_, err = f.Sub("folder")
	refused(t, "folder", err, "is a symbolic link")
	_, err = f.File("pipe") // does not wait for the other end
	refused(t, "FIFO", err, "is not a regular file")
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestResolveFollowsTheUsersOwnLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	disk := mkdir(t, filepath.Join(dir, "disk", "films"), 0o700)
	for link, target := range map[string]string{"absolute": disk, "relative": "disk/../disk/films", "twice": "relative", "broken": "nowhere/at/all"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"absolute/a/b": "disk/films/a/b", "relative": "disk/films", "twice/../x": "disk/x", "disk//./films/": "disk/films", "none/x": "none/x",
		"broken/x": "nowhere/at/all/x", "..": "..",
	} {
		got, err := Resolve(dir + "/" + path)
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want)
		}
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	_, err = Resolve(filepath.Join(dir, "loop", "x"))
	refused(t, "a loop", err)
}

// Another user's link in a folder that all can write to led root to a file of its choice.
func TestResolveRefusesTheLinksOfOthers(t *testing.T) {
	dir := mkdir(t, filepath.Join(t.TempDir(), "tmp"), 0o777|fs.ModeSticky)
	link := filepath.Join(dir, "out")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	give(t, link)
	for _, path := range []string{link, filepath.Join(link, "film"), filepath.Join(link, "none", "film")} {
		_, err := Resolve(path)
		refused(t, path, err, "is a symbolic link of user 54321, and this is user 0")
	}
	_, err := Make(filepath.Join(link, "scratch"))
	refused(t, "scratch behind the link", err, "is a symbolic link")
	give(t, dir) // also where the owner of the folder placed it
	_, err = Resolve(link)
	refused(t, "the link of a folder's owner, for root", err)
}

func TestWhoseLinksAreFollowed(t *testing.T) {
	const root, me, other, third = 0, 1000, 1001, 1002
	for _, c := range []struct {
		me, link, folder uint32
		want             bool
	}{
		{me, me, me, true},
		{me, me, root, true},
		{me, root, other, true},
		{me, other, other, true},
		{me, other, root, false},
		{me, other, me, false},
		{me, third, other, false},
		{root, root, root, true},
		{root, other, other, false},
		{root, other, root, false},
	} {
		if got := trusted(c.me, c.link, c.folder); got != c.want {
			t.Errorf("user %d follows a link of %d in a folder of %d: %v, want %v", c.me, c.link, c.folder, got, c.want)
		}
	}
}
