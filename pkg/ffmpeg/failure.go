package ffmpeg

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
)

// ExitError is how a program ended when it did not end well.
type ExitError struct {
	Program string         // "ffmpeg"
	Code    int            // exit code; -1 when a signal ended it
	Signal  syscall.Signal // 0 when it exited by itself
	Line    string         // the one line of its output that tells why; may be empty
	Tail    string         // the end of its standard error, at most 16 KiB, without the queries of URLs
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

// Crashed says whether the program was ended by a signal that was not meant to: neither by who stops it nor by the
// kernel for want of memory or at a limit.
func (e *ExitError) Crashed() bool {
	switch e.Signal {
	case 0, syscall.SIGKILL, syscall.SIGXCPU, syscall.SIGXFSZ:
		return false
	}
	return true
}

// LastLines are the last lines of the program's standard error, at most n, each of a bounded length.
func (e *ExitError) LastLines(n int) []string {
	lines := strings.FieldsFunc(e.Tail, func(r rune) bool { return r == '\n' || r == '\r' })
	lines = lines[max(0, len(lines)-n):]
	for i := range lines {
		lines[i] = shortened(strings.TrimSpace(origin.ReplaceAllString(strings.TrimSpace(lines[i]), "")))
	}
	return lines
}

// cause is a thing that ffmpeg says when it fails, and what it means to us.
type cause struct {
	says *regexp.Regexp
	kind fault.Kind
	hint string
}

// causes are tried in this order, because one failure writes several lines and the first entries explain the others.
// The texts are those of libavutil/error.c, the C library's strerror, and the messages of the demuxers and ffmpeg.c.
var causes = []cause{
	{regexp.MustCompile(`No space left on device|Disk quota exceeded`), fault.OutOfSpace, "free some disk space, or choose another scratch folder"},
	{regexp.MustCompile(`File too large`), fault.OutOfSpace, tooLarge},
	{regexp.MustCompile(`Cannot allocate memory|[Oo]ut of memory|malloc of size \d+ failed`), fault.OutOfSpace, "give the worker more memory, or less to do at once"},
	{regexp.MustCompile(`Unknown encoder|Unknown decoder|Decoder \(codec .+\) not found|Encoder not found|Unrecogni.ed option|` +
		`Option .+ not found|No such filter|Unknown input format|Requested output format .* is not|Error parsing option`), fault.Unsupported, "install a full build of ffmpeg 5.1 or newer"},
	{regexp.MustCompile(`Cannot load lib(cuda|nvidia-encode|nvcuvid)|No NVENC capable devices|No capable devices found|` +
		`no CUDA-capable device|Driver does not support the required nvenc API version|Cannot init CUDA`), fault.Unsupported, "this machine has no usable NVIDIA GPU; leave out gpu"},
	{regexp.MustCompile(`HTTP error 429|HTTP error 5\d\d|Server returned 5XX|Server returned 429|Too Many Requests`), fault.Transient, ""},
	{regexp.MustCompile(`HTTP error 404|HTTP error 410|Server returned 404`), fault.NotFound, ""},
	// A presigned URL that ran out answers 403; the next attempt makes a fresh one.
	{regexp.MustCompile(`HTTP error 40[13]|Server returned 40[13]`), fault.Transient, "the address may have expired, or its permissions do not allow reading"},
	{regexp.MustCompile(`^file:.*: End of file`), fault.Corrupt, "the file is cut short, or is not what its first bytes say"},
	{regexp.MustCompile(`Connection (reset|refused|timed out)|Broken pipe|Network is unreachable|No route to host|` +
		`Failed to resolve hostname|Temporary failure in name resolution|End of file|Operation timed out|` +
		`Stream ends prematurely|The TLS connection was non-properly terminated`), fault.Transient, ""},
	{regexp.MustCompile(`certificate|TLS`), fault.Invalid, "the server's certificate is not trusted on this machine"},
	{regexp.MustCompile(`No such file or directory`), fault.NotFound, ""},
	{regexp.MustCompile(`Permission denied|Read-only file system|Is a directory`), fault.Invalid, "check the permissions of the files named"},
	{regexp.MustCompile(`Protocol '?.*'? not on whitelist`), fault.Invalid, "the source refers to other files; only one self-contained file is accepted"},
	{regexp.MustCompile(`Error setting (option|preset)|Unable to parse option value|Possible presets`), fault.Invalid, "check the preset and the quality against what the encoder takes"},
	{regexp.MustCompile(`moov atom not found`), fault.Corrupt, "the file is cut short: its index is missing"},
	{regexp.MustCompile(`matches no streams`), fault.NotFound, ""},
	{regexp.MustCompile(`Could not find tag for codec|codec not currently supported in container|not supported in (container|WebM)|` +
		`Only VP8 or VP9 or AV1 video`), fault.Unsupported, "choose another container or codec"},
	{regexp.MustCompile(`incompatible pixel format|Specified pixel format .* is (invalid|not supported)|Specified sample rate .* is not supported|` +
		`[Ww]idth.* not (divisible|supported)|not divisible by 2|Picture size .* is invalid|exceeds specified max pixel count|doesn't support`), fault.Unsupported, ""},
	{regexp.MustCompile(`Invalid data found when processing input|EBML header parsing failed|Could not find codec parameters|` +
		`Packet corrupt|partial file|Truncat|invalid NAL|Error splitting the input into NAL units`), fault.Corrupt, "the file is damaged, or is not what its first bytes say"},
	{regexp.MustCompile(`Input/output error`), fault.Transient, ""},
}

const tooLarge = "a file would be larger than the limit that is set for it, or than the disk's format allows"

// noise is what ffmpeg writes after the line that tells, or beside it.
var noise = regexp.MustCompile(`^(Conversion failed!|Error while filtering.*|Error opening (input|output) files?.*|` +
	`Last message repeated .*|Failed to inject frame into filter network.*|Error while processing the decoded data.*|` +
	`Exiting normally.*|Received signal.*|Error initiali.ing output stream.*|Error splitting the argument list.*|Press .*|)$`)

var (
	origin = regexp.MustCompile(`^(\[[^\]]* @ 0x[0-9a-f]+\] )+`) // "[mov,mp4,m4a @ 0x55d0c8] "
	query  = regexp.MustCompile(`(https?://[^\s?'"]*)\?[^\s'"]*`)
	// A presigned URL carries a signature in its query. It must reach neither a log nor the ledger.
)

// failure turns the end of a program into an error. waitErr is what exec's Wait returned; nil is success.
func failure(program string, waitErr error, stderr string) error {
	if waitErr == nil {
		return unfinished(program, stderr)
	}
	var exit *exec.ExitError
	if !errors.As(waitErr, &exit) {
		return fault.Wrap(fault.Internal, waitErr, "wait for "+program)
	}
	stderr = query.ReplaceAllString(strings.ToValidUTF8(stderr, "�"), "$1")
	e := &ExitError{Program: program, Code: exit.ExitCode(), Tail: stderr}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() { //nolint:misspell // the name is syscall's
		e.Signal = status.Signal()
	}
	line, kind, hint := explain(stderr)
	e.Line = line
	if e.Crashed() && kind == fault.Internal {
		kind = fault.Transient // a worker's memory may be at fault; who sees it again and again knows better
	}
	switch e.Signal {
	case syscall.SIGXCPU:
		kind, hint = fault.OutOfTime, "the work took more of the processor than its limit allows"
	case syscall.SIGXFSZ:
		kind, hint = fault.OutOfSpace, tooLarge
	case syscall.SIGKILL:
		// We kill only on behalf of a context, which is told apart before. So it was the kernel, for want of memory.
		kind, hint = fault.OutOfSpace, "the machine ran out of memory; give the worker more, or less to do at once"
	}
	return &fault.Error{Kind: kind, Hint: hint, Err: e}
}

// lost is what ffmpeg 5.1 prints when the end of an output could not be written. It exits with 0 all the same.
var lost = regexp.MustCompile(`Error (closing file|writing trailer)`)

// unfinished is the error of a program that says it succeeded although its output is not whole.
func unfinished(program, stderr string) error {
	if !lost.MatchString(stderr) {
		return nil
	}
	stderr = query.ReplaceAllString(strings.ToValidUTF8(stderr, "�"), "$1")
	line, kind, hint := explain(stderr)
	return &fault.Error{Kind: kind, Hint: hint, Err: &ExitError{Program: program, Line: line, Tail: stderr}}
}

// explain finds the line that tells why, and what it means. The tail is read from the end: the last word on a cause is
// the one that made ffmpeg give up.
func explain(stderr string) (line string, kind fault.Kind, hint string) {
	lines := strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(origin.ReplaceAllString(strings.TrimSpace(lines[i]), ""))
	}
	for _, c := range causes {
		for i := len(lines) - 1; i >= 0; i-- {
			if c.says.MatchString(lines[i]) {
				return shortened(lines[i]), c.kind, c.hint
			}
		}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if !noise.MatchString(lines[i]) {
			return shortened(lines[i]), fault.Internal, ""
		}
	}
	return "", fault.Internal, ""
}

// maxLine is how long a line of an error may be, in bytes. ffmpeg repeats whole filter graphs.
const maxLine = 300

// shortened leaves out the middle of a long line: what happened stands at its start or its end.
func shortened(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine/2], "") + " … " + strings.ToValidUTF8(line[len(line)-maxLine/2:], "")
}
