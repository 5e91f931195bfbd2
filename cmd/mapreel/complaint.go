package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
)

// Exit codes of the process.
const (
	exitDone        = 0
	exitFailed      = 1
	exitInvalid     = 2   // the request or the usage is wrong
	exitDiffers     = 1   // of verify
	exitTrouble     = 3   // of verify: nothing is known of the output
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// exitCode is the process's answer to an error.
func exitCode(err error) int {
	var stopped interrupted
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &stopped):
		return exitInterrupted
	case fault.KindOf(err) == fault.Invalid:
		return exitInvalid
	case errors.As(err, new(unknown)):
		return exitTrouble
	}
	return exitFailed
}

// crashLines is how many of the lines that a program wrote before it crashed a person gets to see.
const crashLines = 5

// complaint is what standard error gets: a line for what is wrong, or several where a request has several problems, and
// one for what to do about it where that is known.
func complaint(err error) []string {
	said := sentences(err)
	for i := range said {
		said[i] = "mapreel: " + said[i]
	}
	var exit *ffmpeg.ExitError
	if errors.As(err, &exit) && exit.Crashed() { // nothing else tells why
		for _, line := range exit.LastLines(crashLines) {
			said = append(said, "  "+exit.Program+": "+oneLine(line))
		}
	}
	if hint := fault.HintOf(err); hint != "" {
		said = append(said, "  hint: "+oneLine(hint))
	}
	return said
}

// sentences are the text of an error for people, without what only programmers know.
func sentences(err error) []string {
	var ps film.Problems
	if errors.As(err, &ps) {
		said := make([]string, len(ps))
		for i, p := range ps {
			said[i] = oneLine(p.String())
		}
		return said
	}
	text := err.Error()
	for _, old := range leaves(err) {
		if human := inWords(old); human != "" {
			text = strings.Replace(text, old.Error(), human, 1)
		}
	}
	return []string{tidy(text)}
}

// leaves lists every error in the tree of err, err first.
func leaves(err error) []error {
	list := []error{err}
	switch e := err.(type) { //nolint:errorlint // walks the tree itself, link by link
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			list = append(list, leaves(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = append(list, leaves(inner)...)
		}
	}
	return list
}

// inWords says the errors of the standard library that name system calls or Go's own terms as a person would; "" for
// those that need no change.
func inWords(err error) string {
	switch e := err.(type) { //nolint:errorlint // called for each link
	case *fs.PathError:
		return e.Path + ": " + plain(e.Err)
	case *os.LinkError:
		return e.New + ": " + plain(e.Err)
	case *os.SyscallError:
		return plain(e.Err)
	case *exec.Error:
		if errors.Is(e.Err, exec.ErrNotFound) {
			return e.Name + " is not installed, or not in PATH"
		}
		return e.Name + ": " + plain(e.Err)
	}
	return ""
}

func plain(err error) string {
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

// exitNoise is how os/exec and pkg/ffmpeg end a message that has told already why a program gave up.
var exitNoise = regexp.MustCompile(`(: )?\b(exit status \d+|signal: [a-z ]+)\b| \(ff(mpeg|probe) exited with code \d+\)`)

// tidy makes one line of a message, without exit statuses and without saying a prefix twice in a row.
func tidy(text string) string {
	text = oneLine(text)
	if cut := exitNoise.ReplaceAllString(text, ""); strings.Trim(cut, ": ") != "" {
		text = strings.TrimPrefix(cut, ": ")
	}
	parts := strings.Split(text, ": ")
	kept := parts[:1]
	for _, part := range parts[1:] {
		if part != kept[len(kept)-1] {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ": ")
}

// oneLine joins the lines of a text.
func oneLine(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "; ")
}
