package input

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestJumpsListTheOtherStreamsOnlyWhereTheClockJumps(t *testing.T) {
	src := film.Source{
		Video: &film.VideoTrack{Stream: 0}, Audio: []film.AudioTrack{{Stream: 1}, {Stream: 3}},
		Origin: media.Instant{Ticks: 90_000, Timebase: media.Rational{Num: 1, Den: 90_000}},
	}
	if got := Jumps(src, 1); got != nil {
		t.Errorf("got %+v for a clock that does not jump", got)
	}
	src.Jumps = true
	for stream, others := range map[int][]int{0: {1, 3}, 1: {0, 3}, NoStream: {0, 1, 3}} {
		want := &ffmpeg.Jumps{Start: 1_000_000, Also: others}
		if diff := cmp.Diff(want, Jumps(src, stream)); diff != "" {
			t.Errorf("stream %d (-want +got):\n%s", stream, diff)
		}
	}
}

func TestCPUTimeEndsWithTheDeadline(t *testing.T) {
	onAllCores := func(d time.Duration) time.Duration { return d * time.Duration(runtime.NumCPU()) }
	limits := CopyLimits(1000)
	if got := WithDeadline(context.WithoutCancel(t.Context()), limits); got.CPU != onAllCores(24*time.Hour) || got.Memory != limits.Memory || got.FileSize != limits.FileSize {
		t.Errorf("without a deadline: %+v", got)
	}
	for left, want := range map[time.Duration]time.Duration{time.Hour: onAllCores(time.Hour), -time.Hour: onAllCores(time.Second)} {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		got := WithDeadline(ctx, ffmpeg.Limits{}).CPU
		cancel()
		if got > want || got < want-onAllCores(time.Minute) {
			t.Errorf("%v before the deadline: %v of CPU time, want %v", left, got, want)
		}
	}
}
