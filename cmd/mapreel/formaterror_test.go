package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

func TestErrorMessagesAreOneLineInPlainWords(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{fmt.Errorf("probe film.mp4: %w", errors.New("exit status 1")), "probe film.mp4"},
		{fmt.Errorf("ffmpeg: exit status 187: No space left on device"), "ffmpeg: No space left on device"},
		{fmt.Errorf("ffmpeg: signal: killed"), "ffmpeg"},
		{errors.New("exit status 1"), "exit status 1"},
		{errors.New("read film.mp4: moov atom not found (ffprobe exited with code 1)"), "read film.mp4: moov atom not found"},
		{errors.New("encode: ffmpeg exited with code 1"), "encode: ffmpeg exited with code 1"},
		{errors.New("analyse film.mp4: analyse film.mp4: it is empty"), "analyse film.mp4: it is empty"},
		{errors.New("it broke\n\n  twice \nfor good"), "it broke; twice; for good"},
		{&fs.PathError{Op: "open", Path: "/a/b.mp4", Err: syscall.ENOENT}, "/a/b.mp4: no such file or directory"},
		{fault.Wrap(fault.Invalid, &fs.PathError{Op: "mkdir", Path: "/a/f/x", Err: syscall.ENOTDIR}, "make the output's folder"), "make the output's folder: /a/f/x: a part of this path is not a folder"},
		{fault.Wrap(fault.OutOfSpace, &os.LinkError{Op: "rename", Old: "/a", New: "/b", Err: syscall.ENOSPC}, "publish"), "publish: /b: the disk is full"},
		{&fs.PathError{Op: "open", Path: "/ro/x", Err: os.NewSyscallError("openat", syscall.EROFS)}, "/ro/x: the file system is read-only"},
		{fault.Wrap(fault.Unsupported, &exec.Error{Name: "ffmpeg", Err: exec.ErrNotFound}, ""), "ffmpeg is not installed, or not in PATH"},
		{errors.Join(fault.New(fault.NotFound, "no film"), &fs.PathError{Op: "close", Path: "/x", Err: fs.ErrClosed}), "no film; /x: file already closed"},
		{fault.Wrap(fault.Invalid, film.Problems{{Pointer: "/a", Message: "x"}, {Message: "y\nz"}}, "invalid request"), "/a: x|y; z"},
	} {
		if got := strings.Join(errorMessages(test.err), "|"); got != test.want {
			t.Errorf("%q is shown as %q, want %q", test.err, got, test.want)
		}
	}
}

func TestExitCodeFollowsTheKindOfTheError(t *testing.T) {
	for _, kind := range fault.Kinds() {
		want := exitFailed
		if kind == fault.Invalid {
			want = exitInvalid
		}
		if kind == fault.OverBudget {
			want = exitOverBudget
		}
		if got := exitCode(fault.New(kind, "x")); got != want {
			t.Errorf("%s exits with %d, want %d", kind, got, want)
		}
	}
	if got := exitCode(interruptedError{1, 2, "segment"}); got != exitInterrupted {
		t.Errorf("an interruption exits with %d, want %d", got, exitInterrupted)
	}
}

func TestInterruptedErrorNamesTheFinishedSegments(t *testing.T) {
	for e, want := range map[interruptedError]string{
		{0, 0, "segment"}: "interrupted: nothing is finished yet; run the same command again to continue",
		{0, 1, "segment"}: "interrupted: 0 of 1 segment is finished; run the same command again to continue",
		{3, 9, "segment"}: "interrupted: 3 of 9 segments are finished; run the same command again to continue",
		{3, 9, "piece"}:   "interrupted: 3 of 9 pieces are finished; run the same command again to continue",
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
