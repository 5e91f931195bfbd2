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
	want := strings.Fields("Invalid NotFound Unsupported Corrupt OutOfTime OutOfSpace Transient OverBudget Internal")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestErrorTextHoldsOperationAndCauseOnce(t *testing.T) {
	cause := errors.New("unexpected end")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"new", fault.New(fault.Invalid, "%d outputs", 21), "21 outputs"},
		{"wrapped", fault.Wrap(fault.Corrupt, cause, "index of a.mp4"), "index of a.mp4: unexpected end"},
		{"wrapped without text", fault.Wrap(fault.Corrupt, cause, ""), "unexpected end"},
		{"hint", fault.WithHint(fault.Wrap(fault.Corrupt, cause, "index"), "fetch it again"), "index: unexpected end"},
		{"only a kind", &fault.Error{Kind: fault.OutOfTime}, "OutOfTime"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNilStaysNil(t *testing.T) {
	if err := fault.Wrap(fault.Corrupt, nil, "index"); err != nil {
		t.Errorf("Wrap of nil returns %v", err)
	}
	if err := fault.WithHint(nil, "try again"); err != nil {
		t.Errorf("WithHint of nil returns %v", err)
	}
	if k := fault.KindOf(nil); k != "" {
		t.Errorf("nil has kind %q", k)
	}
	if h := fault.HintOf(nil); h != "" {
		t.Errorf("nil has hint %q", h)
	}
}

func TestErrorsIsFindsTheCause(t *testing.T) {
	err := fault.WithHint(fault.Wrap(fault.Transient, fmt.Errorf("get: %w", fs.ErrNotExist), "read"), "wait")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v hides its cause", err)
	}
}

// realErrors returns errors of the operating system, as a stage receives them.
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
		t.Fatal("reading a missing file or an expired connection succeeds")
	}
	return absent, timeout
}

func TestKindOfIsTheKindOfTheFirstErrorThatHasOne(t *testing.T) {
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
		{"an Error", corrupt, fault.Corrupt},
		{"wrapped in other errors", fmt.Errorf("segment 3: %w", fmt.Errorf("chunk: %w", corrupt)), fault.Corrupt},
		{"the outermost counts", fault.Wrap(fault.Unsupported, corrupt, "probe"), fault.Unsupported},
		{"an Error around a system error", fault.Wrap(fault.Corrupt, disk(syscall.ENOENT), "chunk"), fault.Corrupt},
		{"a hint keeps the kind", fault.WithHint(corrupt, "fetch it again"), fault.Corrupt},
		{"hint on a system error", fault.WithHint(absent, "check the path"), fault.NotFound},
		{"joined: the first that has a kind", errors.Join(errors.New("plain"), corrupt, absent), fault.Corrupt},
		{"joined: a context's end before a later fault", errors.Join(context.Canceled, corrupt), fault.Transient},
		{"joined: wrapped", fmt.Errorf("stop: %w and %w", errors.New("plain"), fmt.Errorf("x: %w", corrupt)), fault.Corrupt},
		{"missing file", absent, fault.NotFound},
		{"missing file, named twice", fmt.Errorf("source: %w", absent), fault.NotFound},
		{"no permission", disk(syscall.EACCES), fault.Invalid},
		{"read-only", disk(syscall.EROFS), fault.Invalid},
		{"disk full", disk(syscall.ENOSPC), fault.OutOfSpace},
		{"quota", disk(syscall.EDQUOT), fault.OutOfSpace},
		{"file size", disk(syscall.EFBIG), fault.OutOfSpace},
		{"no memory", os.NewSyscallError("fork", syscall.ENOMEM), fault.OutOfSpace},
		{"deadline", expired.Err(), fault.OutOfTime},
		{"the cause of a deadline", context.Cause(expired), fault.OutOfSpace},
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

func TestContextErrorHoldsTheEndAndItsCause(t *testing.T) {
	cause := errors.New("the user had enough")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	expired, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	<-expired.Done()
	for _, c := range []struct {
		name string
		ctx  context.Context //nolint:containedctx // the input of a test case
		want string
		is   []error
	}{
		{"a live context", t.Context(), "", nil},
		{"cancelled for a reason", cancelled, "context canceled: the user had enough", []error{context.Canceled, cause}},
		{"a deadline", expired, "context deadline exceeded", []error{context.DeadlineExceeded}},
	} {
		err := fault.ContextError(c.ctx)
		if got := fmt.Sprint(err); c.want != "" && got != c.want || c.want == "" && err != nil {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		for _, want := range c.is {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v does not wrap %v", c.name, err, want)
			}
		}
	}
}

func TestHintOfIsTheFirstHint(t *testing.T) {
	hinted := fault.WithHint(fault.New(fault.OutOfSpace, "full"), "free some space")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"none", fault.New(fault.Invalid, "x"), ""},
		{"the error's own", hinted, "free some space"},
		{"wrapped", fmt.Errorf("a: %w", fault.Wrap(fault.Internal, hinted, "b")), "free some space"},
		{"the outermost counts", fault.WithHint(hinted, "choose another folder"), "choose another folder"},
		{"in a joined error", errors.Join(errors.New("plain"), fmt.Errorf("close: %w", hinted)), "free some space"},
	} {
		if got := fault.HintOf(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
