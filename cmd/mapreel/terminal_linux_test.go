package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/progress/progresstest"
)

// pseudoTerminal opens a pseudo-terminal of 80 columns. It returns the side that a program writes to, and what a user would see.
func pseudoTerminal(t *testing.T) (tty *os.File, shown *syncBuffer) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	buffer := &syncBuffer{}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(buffer, master) // ends with an error when the last writer closes
		close(done)
	}()
	t.Cleanup(func() { tty.Close(); <-done; master.Close() })
	return tty, buffer
}

func TestATerminalGetsBarsThenTheReport(t *testing.T) {
	dir := chdirTemp(t)
	tty, shown := pseudoTerminal(t)
	b := newCLITest(t, func(ctx context.Context, req film.Request, opts local.Options) (local.Report, error) {
		report, err := fakeRun(ctx, req, opts)
		waitForOutput(t, shown, "merging  2.5 kB")
		return report, err
	})
	t.Setenv("TERM", "xterm")
	b.Stderr = tty
	if code := b.main(t.Context(), []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitDone {
		t.Errorf("exit code %d, want 0", code)
	}
	waitForOutput(t, shown, "mapreel: warning: a subtitle track of pictures was left out\r\n")
	if got := b.out.String(); !strings.HasPrefix(got, "done      in 6.0 s") {
		t.Errorf("standard output %q, want the report", got)
	}
	_, _ = io.WriteString(tty, "the shell's prompt")
	waitForOutput(t, shown, "\x1b[1A\x1b[J\r\x1b[Jthe shell's prompt") // one line up, then everything below is erased
}

func TestBarsShowTheProgressOfTheEncoding(t *testing.T) {
	dir := chdirTemp(t)
	tty, shown := pseudoTerminal(t)
	b := newCLITest(t, func(_ context.Context, _ film.Request, opts local.Options) (local.Report, error) {
		waitForOutput(t, shown, "reading the source  0:00")
		for _, e := range encodingEvents() {
			opts.Observe(local.Event{Event: e, Time: time.Now()})
		}
		waitForOutput(t, shown, "video [")
		waitForOutput(t, shown, " 25%  1/4 segments")
		waitForOutput(t, shown, "audio [")
		return local.Report{}, fault.New(fault.Corrupt, "it broke")
	})
	t.Setenv("TERM", "xterm")
	b.Stderr = tty
	if code := b.main(t.Context(), []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitFailed {
		t.Errorf("exit code %d, want 1", code)
	}
	waitForOutput(t, shown, "mapreel: it broke\r\n")
	if b.out.Len() > 0 {
		t.Errorf("standard output %q after a failure, want nothing", &b.out)
	}
}

func TestADumbTerminalGetsNoBars(t *testing.T) {
	dir := chdirTemp(t)
	tty, shown := pseudoTerminal(t)
	b := newCLITest(t, fakeRun)
	t.Setenv("TERM", "dumb")
	b.Stderr = tty
	if code := b.main(t.Context(), []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitDone {
		t.Errorf("exit code %d, want 0", code)
	}
	waitForOutput(t, shown, "warning: ")
	if strings.Contains(shown.String(), "\x1b") {
		t.Errorf("the cursor was moved: %q", shown)
	}
}

func TestASignalIsAnsweredBeforeTheWorkHasStopped(t *testing.T) {
	dir := chdirTemp(t)
	tty, shown := pseudoTerminal(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newCLITest(t, func(_ context.Context, _ film.Request, opts local.Options) (local.Report, error) {
		opts.Observe(local.Event{Event: progresstest.Planned(4, 1, 0, 4e6, 0), Time: time.Now()})
		waitForOutput(t, shown, "video [")
		cancel(errSignalled)
		waitForOutput(t, shown, "\r\x1b[Jmapreel: stopping; finished work is kept\r\n")
		opts.Observe(local.Event{Event: engine.Event{Type: engine.Warning, Error: "late"}, Time: time.Now()})
		return local.Report{}, fault.New(fault.Transient, "stopped")
	})
	t.Setenv("TERM", "xterm")
	b.Stderr = tty
	if code := b.main(ctx, []string{"transcode", "in.mp4", "-o", dir + "/o.mp4"}); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	waitForOutput(t, shown, "kept\r\nmapreel: warning: late\r\nmapreel: interrupted: 1 of 4 segments")
}

// waitForOutput waits until the terminal has received text.
func waitForOutput(t *testing.T, shown *syncBuffer, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(shown.String(), text) {
			return
		}
	}
	t.Errorf("the terminal did not get %q, only %q", text, shown)
}
