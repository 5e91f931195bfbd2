package ffmpeg

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// Failures that cannot be provoked on every machine, in ffmpeg's own words.
func TestExplainFindsTheLineAndKind(t *testing.T) {
	for _, test := range []struct {
		tail, line string
		kind       fault.Kind
	}{
		{
			"[https @ 0x55d] HTTP error 503 Slow Down\nhttps://b/k?X-Amz-Signature=s: Server returned 5XX Server Error reply\n",
			"https://b/k?X-Amz-Signature=s: Server returned 5XX Server Error reply", fault.Transient,
		},
		{"[tcp @ 0x1] Connection to tcp://1.2.3.4:443 failed: Connection timed out\nhttps://b/k: Connection timed out\n", "https://b/k: Connection timed out", fault.Transient},
		{"file:/a/film.mkv: End of file\n", "file:/a/film.mkv: End of file", fault.Corrupt},
		{"file:/a/film.rm: Operation not permitted\n", "file:/a/film.rm: Operation not permitted", fault.Corrupt}, // of a demuxer that returns -1
		{"https://b/k: End of file\n", "https://b/k: End of file", fault.Transient},
		{"https://b/k: Connection reset by peer\n", "https://b/k: Connection reset by peer", fault.Transient},
		{"[tls @ 0x1] The certificate's issuer is unknown\nhttps://b/k: Input/output error", "The certificate's issuer is unknown", fault.Invalid},
		{"[h264_nvenc @ 0x2] Cannot load libcuda.so.1\nConversion failed!\n", "Cannot load libcuda.so.1", fault.Unsupported},
		{"x264 [error]: malloc of size 4096 failed\nConversion failed!\n", "x264 [error]: malloc of size 4096 failed", fault.OutOfSpace},
		{
			"[libvpx-vp9 @ 0x7f] Failed to initialize encoder: Memory allocation error\nError initializing output stream 0:0\n", //nolint:misspell // its words
			"Failed to initialize encoder: Memory allocation error", fault.OutOfSpace,                                           //nolint:misspell // its words
		},
		{
			"x265 [error]: memory allocation failure, aborting encode\nError submitting video frame to the encoder\n",
			"x265 [error]: memory allocation failure, aborting encode", fault.OutOfSpace,
		},
		{"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n", "what():  std::bad_alloc", fault.OutOfSpace},
		{
			"SvtMalloc[fatal]: allocate memory failed, at ./Source/Lib/Encoder/Codec/EbEncodeContext.c:152\n",
			"SvtMalloc[fatal]: allocate memory failed, at ./Source/Lib/Encoder/Codec/EbEncodeContext.c:152", fault.OutOfSpace,
		},
		{"something new\nError while filtering: x\nConversion failed!\n", "something new", fault.Internal},
		{"Conversion failed!\n\n", "", fault.Internal},
		{"", "", fault.Internal},
	} {
		line, kind, _ := explain(test.tail)
		if line != test.line || kind != test.kind {
			t.Errorf("%q: %q of kind %q, want %q of kind %q", test.tail, line, kind, test.line, test.kind)
		}
	}
}

func TestSignalsBecomeKinds(t *testing.T) {
	_, err := Run(t.Context(), "/bin/sh", []string{"-c", "kill -KILL $$"}, RunOptions{Limits: process.Unlimited()})
	var exit *ExitError
	if fault.KindOf(err) != fault.OutOfSpace || !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL || fault.HintOf(err) == "" {
		t.Errorf("error %v of kind %q with hint %q, want OutOfSpace", err, fault.KindOf(err), fault.HintOf(err))
	}
	_, err = Run(t.Context(), "/bin/sh", []string{"-c", "kill -SEGV $$"}, RunOptions{Limits: process.Unlimited()})
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "segmentation") {
		t.Errorf("error %v of kind %q, want Transient and the signal", err, fault.KindOf(err))
	}
	_, err = Run(t.Context(), "/no/such/program", nil, RunOptions{Limits: process.Unlimited()})
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("error %v of kind %q, want Unsupported", err, fault.KindOf(err))
	}
}
