package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// What a program may take of the machine, and what a program that takes more is told.
func TestAProgramIsHeldToItsLimits(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		script string
		limits Limits
		kind   fault.Kind
		signal syscall.Signal
	}{
		"CPU time":      {"while :; do :; done", Limits{CPU: time.Second}, fault.OutOfTime, syscall.SIGXCPU},
		"CPU, stubborn": {"trap '' XCPU; while :; do :; done", Limits{CPU: time.Second}, fault.OutOfSpace, syscall.SIGKILL},
		"file size":     {"sleep 0.2; head -c 100000 /dev/zero > " + dir + "/f & wait $!; kill -$(( $? - 128 )) $$", Limits{FileSize: 4096}, fault.OutOfSpace, syscall.SIGXFSZ},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Run(t.Context(), "/bin/sh", []string{"-c", test.script}, RunOptions{Limits: test.limits})
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Signal != test.signal || fault.KindOf(err) != test.kind {
				t.Errorf("error %v of kind %s, want %s by %v", err, fault.KindOf(err), test.kind, test.signal)
			} else if exit.Crashed() {
				t.Error("it counts as a crash")
			}
		})
	}
	var out bytes.Buffer
	script := "sleep 0.2; ulimit -v; ulimit -d; ulimit -n; ulimit -c; ulimit -H -t; ulimit -f"
	limits := Limits{Memory: 1 << 30, CPU: 90 * time.Second, FileSize: 1 << 20}
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", script}, RunOptions{Stdout: &out, Limits: limits}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(out.String()), "10485760 1048576 1024 0 91 2048"; strings.Join(got, " ") != want {
		t.Errorf("limits %q, want %q (KiB of address space and data, files, core, seconds, blocks)", got, want)
	}
}

// A limit that is set already is never raised.
func TestLimitsAreOnlyLowered(t *testing.T) {
	var out bytes.Buffer
	script := "ulimit -v 50000000; ulimit -f 2; ulimit -n 64; sleep 0.3; ulimit -v; ulimit -f; ulimit -n"
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "sh -c '" + script + "'"}, RunOptions{Stdout: &out, Limits: Limits{FileSize: 1 << 30}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(out.String()), " "); got != "50000000 2 64" {
		t.Errorf("limits %q, want those that were stricter", got)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := lower(0, unix.RLIMIT_FSIZE, old.Cur, old.Max); err != nil { // equal is no change
		t.Fatal(err)
	}
}

// A program sees no secret of ours: neither what the environment says, nor a descriptor that we were started with.
func TestAProgramInheritsNothing(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	t.Setenv("FFREPORT", "file=/dev/full")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(secret, unix.O_RDONLY, 0) // without O_CLOEXEC, as a shell's 9< leaves it
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var out, pipe bytes.Buffer
	if _, err := Run(t.Context(), "/bin/sh", []string{"-c", "env; cd /proc/self/fd; for f in *; do readlink $f; done; echo piped >&3"},
		RunOptions{Stdout: &out, Pipe: &pipe}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hidden") || strings.Contains(out.String(), "FFREPORT") || strings.Contains(out.String(), "secret") {
		t.Errorf("the program sees what it should not:\n%s", out.String())
	}
	if pipe.String() != "piped\n" || !strings.Contains(out.String(), "PATH=") {
		t.Errorf("descriptor 3 carried %q, the environment is\n%s", pipe.String(), out.String())
	}
}

// A sound picture of 17,000 x 9,000 pixels is refused for its size alone: its 230 MB would fit the bound of an allocation,
// and a file of 1 MB holds it.
func TestAPictureAboveTheLimitIsNotDecoded(t *testing.T) {
	const width, height = 17_000, 9_000
	if width*height <= MaxPixels {
		t.Fatal("the picture is within the limit")
	}
	tools := found(t)
	file := filepath.Join(t.TempDir(), "large.avi")
	sh(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("color=black:size=%dx%d:rate=25", width, height), "-frames:v", "1",
		"-c:v", "mjpeg", "-pix_fmt", "yuvj420p", file)
	in := Input{Location: file, Demuxer: "avi"}
	for name, args := range map[string][]string{
		"an encode": VideoArgs(Video{
			Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Threads: 1,
			Renditions: []Rendition{{Codec: "h264", CRF: 30, Preset: "ultrafast", Width: 64, Height: 36, Path: filepath.Join(t.TempDir(), "out.mp4")}},
		}),
		"a comparison": PicturesArgs(Pictures{Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Width: 64, Height: 36, PixelFormat: "yuv420p"}),
	} {
		usage, err := Run(t.Context(), tools.FFmpeg, args, RunOptions{Pipe: &FrameLog{}, Stdout: io.Discard})
		if kind := fault.KindOf(err); kind != fault.Unsupported && kind != fault.Corrupt {
			t.Errorf("%s: error %v of kind %q, want a refusal", name, err, kind)
		}
		if usage.MaxRSS > 200<<20 {
			t.Errorf("%s: ffmpeg took %d MiB", name, usage.MaxRSS>>20)
		}
	}
}
