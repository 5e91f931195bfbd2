package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestKindsAreTheNamesThatTheStateMachineMatches(t *testing.T) {
	var got []string
	for _, k := range fault.Kinds() {
		e := &fault.Error{Kind: k}
		got = append(got, e.ErrorName())
	}
	want := strings.Fields("Invalid NotFound Unsupported Corrupt OutOfTime OutOfSpace Transient Internal")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTextSaysWhatAndCauseOnce(t *testing.T) {
	cause := errors.New("unexpected end")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"new", fault.New(fault.Invalid, "%d outputs", 21), "21 outputs"},
		{"wrapped", fault.Wrap(fault.Corrupt, cause, "index of a.mp4"), "index of a.mp4: unexpected end"},
		{"wrapped without words", fault.Wrap(fault.Corrupt, cause, ""), "unexpected end"},
		{"hint", fault.WithHint(fault.Wrap(fault.Corrupt, cause, "index"), "fetch it again"), "index: unexpected end"},
		{"nothing but a kind", &fault.Error{Kind: fault.OutOfTime}, "OutOfTime"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNilStaysNil(t *testing.T) {
	if err := fault.Wrap(fault.Corrupt, nil, "index"); err != nil {
		t.Errorf("Wrap of nil gives %v", err)
	}
	if err := fault.WithHint(nil, "try again"); err != nil {
		t.Errorf("WithHint of nil gives %v", err)
	}
	if k := fault.KindOf(nil); k != "" {
		t.Errorf("nil has the kind %q", k)
	}
	if h := fault.HintOf(nil); h != "" {
		t.Errorf("nil has the hint %q", h)
	}
}

func TestCauseStaysInReach(t *testing.T) {
	err := fault.WithHint(fault.Wrap(fault.Transient, fmt.Errorf("get: %w", fs.ErrNotExist), "read"), "wait")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v hides its cause", err)
	}
}

// realErrors come from the operating system itself, as a stage meets them.
func realErrors(t *testing.T) (absent, timeout error) {
	t.Helper()
	_, absent = os.Open(filepath.Join(t.TempDir(), "none"))
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := a.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	_, timeout = a.Read(make([]byte, 1))
	if absent == nil || timeout == nil {
		t.Fatal("reading what is not there succeeds")
	}
	return absent, timeout
}

func TestKindOf(t *testing.T) {
	corrupt := fault.New(fault.Corrupt, "bad box")
	absent, timeout := realErrors(t)
	expired, cancel := context.WithTimeoutCause(t.Context(), 0, fault.New(fault.OutOfSpace, "disk watch"))
	defer cancel()
	<-expired.Done()
	disk := func(e syscall.Errno) error { return &fs.PathError{Op: "write", Path: "/s/a", Err: e} }
	for _, c := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"our own", corrupt, fault.Corrupt},
		{"beneath other errors", fmt.Errorf("segment 3: %w", fmt.Errorf("piece: %w", corrupt)), fault.Corrupt},
		{"the outermost counts", fault.Wrap(fault.Unsupported, corrupt, "probe"), fault.Unsupported},
		{"ours over the system's", fault.Wrap(fault.Corrupt, disk(syscall.ENOENT), "piece"), fault.Corrupt},
		{"hint keeps it", fault.WithHint(corrupt, "fetch it again"), fault.Corrupt},
		{"hint on a system error", fault.WithHint(absent, "check the path"), fault.NotFound},
		{"joined: the first that has one", errors.Join(errors.New("plain"), corrupt, absent), fault.Corrupt},
		{"joined: a context's end before a later fault", errors.Join(context.Canceled, corrupt), fault.Transient},
		{"joined: beneath", fmt.Errorf("stop: %w and %w", errors.New("plain"), fmt.Errorf("x: %w", corrupt)), fault.Corrupt},
		{"missing file", absent, fault.NotFound},
		{"missing file, named twice", fmt.Errorf("source: %w", absent), fault.NotFound},
		{"no permission", disk(syscall.EACCES), fault.Invalid},
		{"read-only", disk(syscall.EROFS), fault.Invalid},
		{"disk full", disk(syscall.ENOSPC), fault.OutOfSpace},
		{"quota", disk(syscall.EDQUOT), fault.OutOfSpace},
		{"file size", disk(syscall.EFBIG), fault.OutOfSpace},
		{"no memory", os.NewSyscallError("fork", syscall.ENOMEM), fault.OutOfSpace},
		{"deadline", expired.Err(), fault.OutOfTime},
		{"a deadline's own cause", context.Cause(expired), fault.OutOfSpace},
		{"cancelled", fmt.Errorf("encode: %w", context.Canceled), fault.Transient},
		{"slow connection", fmt.Errorf("get: %w", timeout), fault.Transient},
		{
			"lost connection",
			&url.Error{Op: "Get", URL: "https://b", Err: &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
			fault.Transient,
		},
		{"stale handle of EFS", disk(syscall.ESTALE), fault.Transient},
		{"too many files", disk(syscall.EMFILE), fault.Transient},
		{"anything else", errors.New("surprise"), fault.Internal},
	} {
		if got := fault.KindOf(c.err); got != c.want {
			t.Errorf("%s: %v: got %s, want %s", c.name, c.err, got, c.want)
		}
	}
}

func TestHintOf(t *testing.T) {
	hinted := fault.WithHint(fault.New(fault.OutOfSpace, "full"), "free some space")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"none", fault.New(fault.Invalid, "x"), ""},
		{"its own", hinted, "free some space"},
		{"beneath", fmt.Errorf("a: %w", fault.Wrap(fault.Internal, hinted, "b")), "free some space"},
		{"the outermost counts", fault.WithHint(hinted, "choose another folder"), "choose another folder"},
		{"in a joined error", errors.Join(errors.New("plain"), fmt.Errorf("close: %w", hinted)), "free some space"},
	} {
		if got := fault.HintOf(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
