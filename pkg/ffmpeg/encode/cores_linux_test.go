package encode

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
)

func TestOutputDoesNotDependOnTheNumberOfCores(t *testing.T) {
	tools := ffmpegtest.Find(t)
	path := ffmpegtest.Clip(t, "a.mp4", 2, "-c:v", "libx264", "-preset", "ultrafast")
	in, stream := ffmpegtest.Stream(t, tools, path, "mov", "video")
	for _, r := range everyCodec {
		t.Run(r.Codec, func(t *testing.T) {
			v := Video{Input: in, Stream: stream.Index, Timebase: stream.Timebase, Threads: 2, Renditions: []Rendition{r}}
			want := encodeOne(t.Context(), t, tools, v)
			onOneCore(t, func() {
				if got := encodeOne(t.Context(), t, tools, v); !slices.Equal(got, want) {
					t.Errorf("%d cores gave %d bytes, one core gave %d, and they differ", runtime.NumCPU(), len(want), len(got))
				}
			})
			for range 3 { // threads are scheduled differently in each run
				if got := encodeOne(t.Context(), t, tools, v); !slices.Equal(got, want) {
					t.Errorf("one run gave %d bytes, another gave %d, and they differ", len(want), len(got))
				}
			}
		})
	}
}

// onOneCore calls f with this thread, and every process that it starts, bound to one core.
func onOneCore(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	var one unix.CPUSet
	for core := range 1024 {
		if before.IsSet(core) {
			one.Set(core)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Error(err)
		}
	}()
	f()
}
