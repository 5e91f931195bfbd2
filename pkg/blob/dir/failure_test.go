package dir

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestFullDiskIsOutOfSpaceAndNamesThePath(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0) // fails every write as a full disk does
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	s := &Store{root: "/scratch"}
	err = (&writer{file: full}).copyAll(t.Context(), strings.NewReader("bytes"))
	err = s.fail("write", "job/1", err)
	if fault.KindOf(err) != fault.OutOfSpace || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v of kind %s, want OutOfSpace", err, fault.KindOf(err))
	}
	if !strings.Contains(err.Error(), "/scratch/job/1") || !strings.Contains(fault.HintOf(err), "/scratch") {
		t.Errorf("error %q with hint %q does not name the path and the folder", err, fault.HintOf(err))
	}
}

func TestFolderWithoutWritePermissionIsInvalid(t *testing.T) {
	s, err := New("/sys/kernel") // not even root may write there
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b"} {
		_, err = s.Put(t.Context(), key, strings.NewReader("x"))
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("got %v of kind %s and hint %q, want Invalid with a hint", err, fault.KindOf(err), fault.HintOf(err))
		}
	}
}

func TestErrorsOfTheOperatingSystemHaveTheirKind(t *testing.T) {
	s := &Store{root: "/r"}
	for errno, want := range map[syscall.Errno]fault.Kind{
		syscall.ENOSPC: fault.OutOfSpace, syscall.EDQUOT: fault.OutOfSpace, syscall.EFBIG: fault.OutOfSpace,
		syscall.EACCES: fault.Invalid, syscall.EPERM: fault.Invalid, syscall.EROFS: fault.Invalid,
		syscall.ENAMETOOLONG: fault.Invalid, syscall.ENOTDIR: fault.Invalid, syscall.ELOOP: fault.Invalid,
		syscall.ENOENT: fault.NotFound,
		syscall.EIO:    fault.Transient, syscall.ESTALE: fault.Transient, syscall.EMFILE: fault.Transient,
		syscall.EFAULT: fault.Internal,
	} {
		err := s.fail("do", "k", &os.PathError{Op: "write", Path: "hidden", Err: errno})
		if got := fault.KindOf(err); got != want {
			t.Errorf("%v is %s, want %s", errno, got, want)
		}
		if text := "do /r/k: " + errno.Error(); want != fault.Internal && err.Error() != text {
			t.Errorf("got %q, want %q", err, text)
		}
	}
}

func TestComposeKeepsAtMostMaxOpenFilesOpen(t *testing.T) {
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := openFiles{byName: map[fileName]*list.Element{}}
	defer o.close()
	for i := range 3 * maxOpen {
		key := fmt.Sprint(i)
		if _, err := s.Put(t.Context(), key, strings.NewReader(key)); err != nil {
			t.Fatal(err)
		}
		f, err := o.open(s, key)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := o.open(s, key); err != nil || again != f {
			t.Errorf("%s was opened twice in a row (%v)", key, err)
		}
		if o.recent.Len() > maxOpen || o.recent.Len() != len(o.byName) {
			t.Fatalf("%d files are open and %d are indexed, want at most %d", o.recent.Len(), len(o.byName), maxOpen)
		}
	}
}
