package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Exit codes of the process.
const (
	exitDone        = 0
	exitFailed      = 1
	exitInvalid     = 2   // the request or the usage is wrong
	exitDiffers     = 1   // of verify
	exitNotCompared = 3   // of verify: the comparison could not be made
	exitOverBudget  = 4   // a job was stopped at its budget; what is finished is kept
	exitInterrupted = 130 // 128 + SIGINT, the convention of shells
)

// exitCode returns the exit code of a process that ends with err.
func exitCode(err error) int {
	var signalled interruptedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &signalled):
		return exitInterrupted
	case fault.KindOf(err) == fault.Invalid:
		return exitInvalid
	case fault.KindOf(err) == fault.OverBudget:
		return exitOverBudget
	case errors.As(err, new(notComparedError)):
		return exitNotCompared
	}
	return exitFailed
}

// crashLines is how many of the last lines of a crashed program are shown.
const crashLines = 5

// formatError returns the lines that standard error gets for err: one for the error, or one for each problem of a
// request, then the last output of a program that crashed, then the hint if there is one.
func formatError(err error) []string {
	lines := errorMessages(err)
	for i := range lines {
		lines[i] = "mapreel: " + lines[i]
	}
	var exit *ffmpeg.ExitError
	if errors.As(err, &exit) && exit.Crashed() { // only its output can explain the crash
		for _, line := range exit.LastLines(crashLines) {
			lines = append(lines, "  "+exit.Program+": "+oneLine(line))
		}
	}
	if hint := fault.HintOf(err); hint != "" {
		lines = append(lines, "  hint: "+oneLine(hint))
	}
	return lines
}

// errorMessages returns the text of err for users: a line for each problem of a request, else one line without Go's own
// terms, system calls and exit statuses.
func errorMessages(err error) []string {
	var ps film.Problems
	if errors.As(err, &ps) {
		lines := make([]string, len(ps))
		for i, p := range ps {
			lines[i] = oneLine(p.String())
		}
		return lines
	}
	text := err.Error()
	for _, e := range errorTree(err) {
		if message := plainMessage(e); message != "" {
			text = strings.Replace(text, e.Error(), message, 1)
		}
	}
	return []string{tidyMessage(text)}
}

// errorTree returns every error in the tree of err, err first.
func errorTree(err error) []error {
	list := []error{err}
	switch e := err.(type) { //nolint:errorlint // walks the tree itself, link by link
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			list = append(list, errorTree(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = append(list, errorTree(inner)...)
		}
	}
	return list
}

// plainMessage rewords the errors of the standard library that name system calls or Go's own terms. It returns "" for an
// error whose text needs no change.
func plainMessage(err error) string {
	switch e := err.(type) { //nolint:errorlint // called for each link
	case *fs.PathError:
		return e.Path + ": " + plainCause(e.Err)
	case *os.LinkError:
		return e.New + ": " + plainCause(e.Err)
	case *os.SyscallError:
		return plainCause(e.Err)
	case *exec.Error:
		if errors.Is(e.Err, exec.ErrNotFound) {
			return e.Name + " is not installed, or not in PATH"
		}
		return e.Name + ": " + plainCause(e.Err)
	}
	return ""
}

// plainCause returns the text of the error of a system call, reworded where the system's own words mislead.
func plainCause(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno) && errno == syscall.ENOTDIR:
		return "a part of this path is not a folder"
	case errors.As(err, &errno) && errno == syscall.ENOSPC:
		return "the disk is full"
	case errors.As(err, &errno) && errno == syscall.EROFS:
		return "the file system is read-only"
	}
	return err.Error()
}

// exitStatus matches what os/exec and pkg/ffmpeg append to a message that already says why a program failed.
var exitStatus = regexp.MustCompile(`(: )?\b(exit status \d+|signal: [a-z ]+)\b| \(ff(mpeg|probe) exited with code \d+\)`)

// tidyMessage joins the lines of text and removes exit statuses and prefixes that occur twice in a row.
func tidyMessage(text string) string {
	text = oneLine(text)
	if cut := exitStatus.ReplaceAllString(text, ""); strings.Trim(cut, ": ") != "" {
		text = strings.TrimPrefix(cut, ": ")
	}
	parts := strings.Split(text, ": ")
	return strings.Join(slices.Compact(parts), ": ")
}

// oneLine joins the lines of text with semicolons, without blank ones, in printable characters.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return printable.Line(strings.Join(lines, "; "))
}
