package nut_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/nut"
)

// The frames are those that ffmpeg writes without a container, also where their times are uneven and where they are small.
func TestFramesAreThoseOfRawVideo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filter string
		size   int
	}{
		"small":         {"testsrc2=s=16x8:r=25:d=3,format=yuv420p", 16 * 8 * 3 / 2},
		"uneven times":  {"testsrc2=s=320x180:r=30000/1001:d=40,select='mod(n,7)-mod(n,3)',select='lt(n,5)+gt(n,700)',format=yuv420p", 320 * 180 * 3 / 2},
		"two bytes":     {"testsrc2=s=64x34:r=24:d=1,format=yuv420p10le", 64 * 34 * 3},
		"larger blocks": {"testsrc2=s=1280x720:r=24:d=0.3,format=yuv420p", 1280 * 720 * 3 / 2},
	} {
		dir := t.TempDir()
		raw, kept := filepath.Join(dir, "frames.yuv"), filepath.Join(dir, "frames.nut")
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", c.filter, "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo", raw,
			"-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "nut", kept).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		got, err := frames(data, c.size)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of frames, want %d: %v", name, len(got), len(want), err)
		}
		if got, err := frames(data[:len(data)/2], c.size); !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(want, got) {
			t.Errorf("%s: half of the file gives %d bytes of frames, %v", name, len(got), err)
		}
		for length, want := range map[int]bool{len(data): true, len(data) - 1: false, len(data) - c.size: false, 11: false, 0: false} {
			if whole, err := nut.Ends(bytes.NewReader(data[:length]), int64(length)); whole != want || err != nil {
				t.Errorf("%s: %d of %d bytes: the file ends there: %v, %v, want %v", name, length, len(data), whole, err, want)
			}
		}
		if _, err := frames(data, c.size+2); err == nil {
			t.Errorf("%s: frames of another size are accepted", name)
		}
	}
}

func frames(data []byte, size int) (all []byte, err error) {
	r, err := nut.NewReader(bytes.NewReader(data), size)
	if err != nil {
		return nil, err
	}
	for {
		frame, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, frame...)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("nut/multimedia container\x00NM\x7a\x56\x1f\x5f\x04\xad\x05\x03\x01\x80\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := frames(data, 6)
		if len(got) > len(data) {
			t.Errorf("%d bytes of frames in a file of %d, %v", len(got), len(data), err)
		}
	})
}
