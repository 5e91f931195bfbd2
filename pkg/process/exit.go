package process

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
)

// ExitError describes how a program failed.
type ExitError struct {
	Program string         // "ffmpeg"
	Code    int            // exit code; -1 when a signal ended it
	Signal  syscall.Signal // 0 when it exited by itself
	Line    string         // the line of its output that explains the failure; may be empty
	Tail    string         // the end of its standard error, at most 16 KiB, with the queries of URLs removed
}

func (e *ExitError) Error() string {
	end := fmt.Sprintf("%s exited with code %d", e.Program, e.Code)
	if e.Signal != 0 {
		end = fmt.Sprintf("%s was killed by %v", e.Program, e.Signal)
	}
	if e.Line == "" {
		return end
	}
	return e.Line + " (" + end + ")"
}

// Crashed reports whether the program ended by a signal that neither Run nor the kernel sends to
// stop it: not SIGKILL, which the kernel sends when memory runs out, and none of a limit.
func (e *ExitError) Crashed() bool {
	switch e.Signal {
	case 0, syscall.SIGKILL, syscall.SIGXCPU, syscall.SIGXFSZ:
		return false
	}
	return true
}

// Name returns the program's name.
func (e *ExitError) Name() string { return e.Program }

// LastLines returns the last n lines of the program's standard error, or fewer, each of bounded
// length.
func (e *ExitError) LastLines(n int) []string {
	lines := strings.FieldsFunc(e.Tail, func(r rune) bool { return r == '\n' || r == '\r' })
	lines = lines[max(0, len(lines)-n):]
	for i := range lines {
		lines[i] = Shorten(TrimLine(lines[i]))
	}
	return lines
}

var (
	// urlQuery matches a URL with a query. A presigned URL's query has a signature, which must reach
	// neither a log nor the ledger.
	urlQuery = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://[^\s?'"]*)\?[^\s'"]*`)
	// signature matches a parameter of a presigned URL (AWS General Reference, "Signature Version 4"; the other names
	// are those of version 2), for a URL that has lost its beginning.
	signature = regexp.MustCompile(`(?i)\b(X-Amz-[a-z-]+|AWSAccessKeyId|[a-z-]*(?:Credential|Token|Signature))=[^\s'"]*`)
)

// Redact removes the queries of URLs, and what is recognised as a part of one, from the output of a
// program.
func Redact(output string) string {
	output = urlQuery.ReplaceAllString(strings.ToValidUTF8(output, "�"), "$1")
	return signature.ReplaceAllString(output, "$1=…")
}

// failure returns the error of a program that has ended. waitErr is the result of exec's Wait; nil
// is success.
func failure(program string, waitErr error, stderr string, options Options, usage Usage) error {
	if waitErr == nil {
		return nil
	}
	explain := options.Explain
	if explain == nil {
		explain = lastLine
	}
	var exit *exec.ExitError
	if !errors.As(waitErr, &exit) {
		return fault.Wrap(fault.Internal, waitErr, "wait for "+program)
	}
	stderr = Redact(stderr)
	e := &ExitError{Program: program, Code: exit.ExitCode(), Tail: stderr}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() { //nolint:misspell // the name is syscall's
		e.Signal = status.Signal()
	}
	line, kind, hint := explain(stderr)
	e.Line = line
	if e.Crashed() && kind == fault.Internal {
		kind = fault.Transient // faulty memory may be the cause; the caller judges repeated crashes
	}
	limits := options.Limits
	switch {
	case e.Signal == syscall.SIGXCPU, e.Signal == syscall.SIGKILL && limits.CPU > 0 && usage.CPU >= limits.CPU:
		return limits.Exceeded(program, CPU, e)
	case e.Signal == syscall.SIGXFSZ:
		return limits.Exceeded(program, FileSize, e)
	case e.Signal == syscall.SIGKILL:
		// Run kills only when a context ends, which it handles before. So the kernel did, because
		// memory ran out.
		kind, hint = fault.OutOfSpace, "the machine ran out of memory; give the worker more, or less to do at once"
	}
	return &fault.Error{Kind: kind, Hint: hint, Err: e}
}

// lastLine explains the failure of a program whose messages mapreel does not know: by its last line of output.
func lastLine(stderr string) (line string, kind fault.Kind, hint string) {
	lines := strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := TrimLine(lines[i]); line != "" {
			return Shorten(line), fault.Internal, ""
		}
	}
	return "", fault.Internal, ""
}

// logContext matches the address of the part of libav that wrote a line: "[mov,mp4,m4a @ 0x55d0c8] ". It differs in each run.
var logContext = regexp.MustCompile(`^(\[[^\]]* @ 0x[0-9a-f]+\] )+`)

// TrimLine removes white space and addresses around a line of output.
func TrimLine(line string) string {
	return strings.TrimSpace(logContext.ReplaceAllString(strings.TrimSpace(line), ""))
}

// maxLine bounds a line of an error, in bytes. ffmpeg repeats whole filter graphs.
const maxLine = 300

// Shorten omits the middle of a long line: the explanation is at its start or its end.
func Shorten(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine/2], "") + " … " + strings.ToValidUTF8(line[len(line)-maxLine/2:], "")
}
