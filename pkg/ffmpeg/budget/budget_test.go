package budget

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

const hour = media.Ticks(time.Hour / time.Microsecond)

// all returns the budget of every kind of run for a source.
func all(s Source) map[string]process.Limits {
	return map[string]process.Limits{
		"split":   Split(s),
		"sidecar": Sidecar(s),
		"encode":  Audio{Source: s, Bitrate: 160_000, Channels: 2, SampleRate: 48_000}.Limits(),
		"copy":    Audio{Source: s, Copied: true, Channels: 2, SampleRate: 48_000}.Limits(),
		"remux":   Remux(s.Size, s.Duration),
		"probe":   Probe(),
		"packets": Packets(s),
		"video":   Video{Source: s, Width: 1920, Height: 1080, Frames: 250, Threads: 2, Renditions: []Picture{{1920, 1080, "h264"}}}.Limits(),
		"gpu":     Video{Source: s, Width: 1920, Height: 1080, Threads: 2, Renditions: []Picture{{1920, 1080, "h264"}}, GPU: true}.Limits(),
		"frames":  DecodedVideo(s, 1920, 1080, 25),
		"samples": DecodedAudio(s, 2),
	}
}

// A program refuses a zero limit. None may be negative either, however absurd the source's claims are.
func TestEveryBudgetHasEveryLimit(t *testing.T) {
	for _, s := range []Source{{}, {Size: 1 << 62, Duration: 1 << 62}, {Size: -1, Duration: -1}, {Size: 4 << 20, Duration: 10 * hour}} {
		for name, l := range all(s) {
			for r, value := range map[string]int64{
				"memory": l.Memory, "CPU": int64(l.CPU), "wall": int64(l.Wall), "file size": l.FileSize, "written": l.Written,
				"files": int64(l.OpenFiles), "processes": int64(l.Processes),
			} {
				if value == 0 || value < process.None {
					t.Errorf("%s of %+v: %s is %d", name, s, r, value)
				}
			}
			if l.CPU <= 0 || l.Wall < l.CPU || l.Wall > maxWall {
				t.Errorf("%s of %+v: %v of CPU time in %v", name, s, l.CPU, l.Wall)
			}
		}
	}
}

// A small file must not fill a disk or keep a core busy for hours, whatever is compressed in it.
func TestASmallSourceHasASmallBudget(t *testing.T) {
	s := Source{Size: 4_300_000, Duration: media.Ticks(10 * time.Second / time.Microsecond)}
	for name, most := range map[string]struct {
		written int64
		cpu     time.Duration
	}{
		"split": {100e6, 30 * time.Second}, "sidecar": {100e6, 15 * time.Second}, "copy": {100e6, 30 * time.Second},
		"encode": {150e6, 3 * time.Minute}, "remux": {100e6, 30 * time.Second},
	} {
		l := all(s)[name]
		if l.Written > most.written || l.FileSize > most.written || l.CPU > most.cpu {
			t.Errorf("%s: %d bytes, %v of CPU time, want at most %d and %v", name, l.Written, l.CPU, most.written, most.cpu)
		}
	}
}

// A film of a day, a source that does not say how long it is, and one in 8K are ordinary work.
func TestOrdinaryWorkFitsItsBudget(t *testing.T) {
	day := Source{Size: 100e9, Duration: 24 * hour}
	for name, least := range map[string]struct {
		written int64
		cpu     time.Duration
	}{
		"split":   {100e9, 10 * time.Minute},   // a copy of the video
		"sidecar": {10e9, 5 * time.Minute},     // fonts, and bitmaps of a day
		"copy":    {50e9, 10 * time.Minute},    // PCM of 7.1 in 24 bits
		"encode":  {2 * 1728e6, 2 * time.Hour}, // 160 kbit/s, at 30 times real time on two channels
	} {
		l := all(day)[name]
		if l.Written < least.written || l.CPU < least.cpu {
			t.Errorf("%s of a day: %d bytes, %v of CPU time, want at least %d and %v", name, l.Written, l.CPU, least.written, least.cpu)
		}
	}
	// Speech of 6 kbit/s for ten hours, in a container that declares no duration.
	if l := all(Source{Size: 27_000_000})["encode"]; l.Written < 10*3600*20_000 || l.CPU < 20*time.Minute {
		t.Errorf("ten hours of unknown length: %d bytes, %v of CPU time", l.Written, l.CPU)
	}
	// An encode of 8K by x264 holds 4 GB, measured with -preset medium; at 1080p, 0.6 GB.
	for _, test := range []struct {
		width, height int
		need          int64
	}{{7680, 4320, 4e9}, {1920, 1080, 400e6}} {
		v := Video{Width: test.width, Height: test.height, Frames: 250, Threads: 2, Renditions: []Picture{{test.width, test.height, "h264"}}}
		if got := v.Need(); got < test.need || got > 2*test.need {
			t.Errorf("%d x %d is expected to need %d bytes, want %d to twice that", test.width, test.height, got, test.need)
		}
		if l := v.Limits(); l.Memory < 2*v.Need() {
			t.Errorf("%d x %d may hold %d bytes, and needs %d", test.width, test.height, l.Memory, v.Need())
		}
	}
}

// Frames of another size are scaled to the first, but they are decoded before.
func TestASourceThatGrowsInItsMiddleHasMemoryForIt(t *testing.T) {
	v := Video{Width: 320, Height: 240, Frames: 250, Threads: 2, Renditions: []Picture{{320, 240, "h264"}}}
	if got, want := v.Limits().Memory, int64(4096*2304*6*decodedFrames); got < want {
		t.Errorf("%d bytes, want at least %d for 64 frames of 4096 x 2304", got, want)
	}
}

func TestAWorkerLowersABudgetToWhatItHas(t *testing.T) {
	l := Video{Width: 16384, Height: 8704, Frames: 250, Threads: 2, Renditions: []Picture{{16384, 8704, "h264"}}}.Limits()
	free, err := process.FreeDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got := Worker{Memory: 3 << 30, Dir: t.TempDir()}.Limit(context.WithoutCancel(t.Context()), l)
	if got.Memory != 3<<30 || got.Written > free+1<<30 || got.FileSize > free+1<<30 {
		t.Errorf("%+v on a worker with 3 GiB of memory and %d bytes of disk", got, free)
	}
	if all := process.MachineMemory(); all > 0 {
		if got := (Worker{}).Limit(t.Context(), l); got.Memory >= all {
			t.Errorf("%d bytes of memory on a machine of %d", got.Memory, all)
		}
	}
	onAllCores := func(d time.Duration) time.Duration { return d * time.Duration(runtime.NumCPU()) }
	for left, want := range map[time.Duration]time.Duration{time.Hour: onAllCores(time.Hour), -time.Hour: onAllCores(time.Second)} {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		got := Worker{}.Limit(ctx, Video{}.Limits()).CPU
		cancel()
		if got > want || got < want-onAllCores(time.Minute) {
			t.Errorf("%v before the deadline: %v of CPU time, want %v", left, got, want)
		}
	}
}
