package ffmpeg

import (
	"errors"
	"regexp"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// cause maps a message of a failing ffmpeg to the kind and hint of the error.
type cause struct {
	message *regexp.Regexp
	kind    fault.Kind
	hint    string
}

// causes are tried in this order, because one failure writes several lines, and the earlier entries
// are the causes of the later ones. The texts come from libavutil/error.c, the C library's
// strerror, the demuxers and ffmpeg.c.
var causes = []cause{
	{regexp.MustCompile(`No space left on device|Disk quota exceeded`), fault.OutOfSpace, "free some disk space, or choose another scratch folder"},
	{tooLarge, fault.OutOfSpace, "a file would be larger than the file system allows"},
	{noMemory, fault.OutOfSpace, "give the worker more memory, or less to do at once"},
	{tooManyFiles, fault.Transient, ""},
	{regexp.MustCompile(`Unknown encoder|Unknown decoder|Decoder \(codec .+\) not found|Encoder not found|Unrecogni.ed option|` +
		`Option .+ not found|No such filter|Unknown input format|Requested output format .* is not|Error parsing option`), fault.Unsupported, "install a full build of ffmpeg 5.1 or newer"},
	{regexp.MustCompile(`Cannot load lib(cuda|nvidia-encode|nvcuvid)|No NVENC capable devices|No capable devices found|` +
		`no CUDA-capable device|Driver does not support the required nvenc API version|Cannot init CUDA`), fault.Unsupported, "this machine has no usable NVIDIA GPU; leave out gpu"},
	{regexp.MustCompile(`HTTP error 429|HTTP error 5\d\d|Server returned 5XX|Server returned 429|Too Many Requests`), fault.Transient, ""},
	{regexp.MustCompile(`HTTP error 404|HTTP error 410|Server returned 404`), fault.NotFound, ""},
	// An expired presigned URL answers 403; the next attempt makes a new one.
	{regexp.MustCompile(`HTTP error 40[13]|Server returned 40[13]`), fault.Transient, "the address may have expired, or its permissions do not allow reading"},
	{regexp.MustCompile(`^file:.*: (End of file|Operation not permitted)`), fault.Corrupt, "the file is cut short, or is not what its first bytes say"},
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
	// The muxer of MP4 says so of timestamps that are more than 2^31 ticks apart.
	{regexp.MustCompile(`Not yet implemented in FFmpeg`), fault.Unsupported, "ffmpeg cannot do this; frames whose timestamps are days apart are one cause"},
}

// Messages that show that a limit was exceeded, where there is one.
var (
	tooLarge = regexp.MustCompile(`File too large|File size limit exceeded`) // ffmpeg's words, and a shell's around ffmpeg
	noMemory = regexp.MustCompile(`Cannot allocate memory|[Oo]ut of memory|malloc of size \d+ failed|Memory allocation error|memory allocation failure|` +
		`std::bad_alloc|allocate memory failed|insufficient resources`)
	tooManyFiles = regexp.MustCompile(`Too many open files`)
)

// excess returns err as the excess of a limit if the line that explains it shows one.
func excess(program string, err error, l Limits) error {
	var exit *ExitError
	var already *process.Excess
	if !errors.As(err, &exit) || errors.As(err, &already) {
		return err
	}
	for _, sign := range []struct {
		message  *regexp.Regexp
		resource process.Resource
		limit    int64
	}{
		{noMemory, process.Memory, l.Memory},
		{tooLarge, process.FileSize, l.FileSize},
		{tooManyFiles, process.OpenFiles, int64(l.OpenFiles)},
	} {
		if sign.limit > 0 && sign.message.MatchString(exit.Line) {
			return l.Exceeded(program, sign.resource, exit)
		}
	}
	return err
}

// noise matches lines that ffmpeg writes around the one that explains a failure.
var noise = regexp.MustCompile(`^(Conversion failed!|Error while filtering.*|Error opening (input|output) files?.*|` +
	`Last message repeated .*|Failed to inject frame into filter network.*|Error while processing the decoded data.*|` +
	`Exiting normally.*|Received signal.*|Error initiali.ing output stream.*|Error splitting the argument list.*|Press .*|)$`)

// incomplete matches what ffmpeg 5.1 prints when it could not write the end of an output. It still
// exits with 0.
var incomplete = regexp.MustCompile(`Error (closing file|writing trailer)`)

// incompleteOutput returns the error of a program that exited with 0 although its output is
// incomplete, or nil.
func incompleteOutput(program, stderr string) error {
	if !incomplete.MatchString(stderr) {
		return nil
	}
	stderr = process.Redact(stderr)
	line, kind, hint := explain(stderr)
	return &fault.Error{Kind: kind, Hint: hint, Err: &ExitError{Program: program, Line: line, Tail: stderr}}
}

// explain returns the line that explains a failure, with its kind and hint. It searches from the
// end, because the last message of a cause is the one at which ffmpeg gave up.
func explain(stderr string) (line string, kind fault.Kind, hint string) {
	lines := strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		_, text := Level(lines[i])
		lines[i] = process.TrimLine(text)
	}
	for _, c := range causes {
		for i := len(lines) - 1; i >= 0; i-- {
			if c.message.MatchString(lines[i]) {
				return process.Shorten(lines[i]), c.kind, c.hint
			}
		}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if !noise.MatchString(lines[i]) {
			return process.Shorten(lines[i]), fault.Internal, ""
		}
	}
	return "", fault.Internal, ""
}
