package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/exact/source"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
)

var tools = sync.OnceValues(func() (ffmpeg.Tools, error) {
	return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{}) //nolint:forbidigo // shared by all tests, so no test owns the context
})

func TestAwkwardSourcesKeepEveryFrameAndBeepAtItsTime(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	m := matrix{candidates: candidates(found)[1:2], container: film.MP4, work: t.TempDir()}
	for _, s := range source.All() {
		if !s.Quick {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r, err := m.run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if cell := r.verdict("mapreel"); cell != "good" {
				t.Error(cell)
			}
		})
	}
}

// The comparison is worth what it detects.
func TestUsualRecipeIsNotGood(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	m := matrix{candidates: candidates(found)[2:], container: film.MP4, work: t.TempDir()}
	r, err := m.run(t.Context(), source.Named("MP4, moov last"))
	if err != nil {
		t.Fatal(err)
	}
	if cell := r.verdict("usual recipe"); cell == "good" {
		t.Error("a file with repeated audio passes")
	}
}

func TestEvaluateFindsEachProblem(t *testing.T) {
	t.Parallel()
	at := func(ms ...int) (list []time.Duration) {
		for _, v := range ms {
			list = append(list, time.Duration(v)*time.Millisecond)
		}
		return list
	}
	whole := measurement{
		frames: at(0, 40, 80, 120), tick: 12 * time.Microsecond,
		audio: []audioTrack{{samples: 96000, rate: 48000, beeps: at(250, 1250)}},
		metadata: metadata{Streams: []stream{
			{Type: "video", Codec: "h264", Primaries: "bt709"},
			{Type: "audio", Codec: "aac", Channels: 2, Tags: map[string]string{"language": "ger"}},
		}},
	}
	one := compare(whole, whole, "")
	one.evaluate(whole, nil)
	if !one.good() {
		t.Fatalf("a copy: %q", one.problems)
	}
	for want, change := range map[string]func(*measurement){
		"3 frames of 4":                 func(a *measurement) { a.frames = a.frames[:3] },
		"time off by 2.0 ms":            func(a *measurement) { a.frames = at(0, 40, 82, 120) },
		"audio off by 6.0 ms to 6.0 ms": func(a *measurement) { a.audio = []audioTrack{{samples: 96000, rate: 48000, beeps: at(256, 1256)}} },
		"audio off by 0 µs to -7.0 ms":  func(a *measurement) { a.audio = []audioTrack{{samples: 96000, rate: 48000, beeps: at(250, 1243)}} },
		"1 beeps of 2":                  func(a *measurement) { a.audio = []audioTrack{{samples: 96000, rate: 48000, beeps: at(250)}} },
		"4000 samples from one pass":    func(a *measurement) { a.audio = []audioTrack{{samples: 92000, rate: 48000, beeps: at(250, 1250)}} },
		"lost: audio 1 with 2 channels ger": func(a *measurement) {
			a.metadata.Streams = []stream{whole.metadata.Streams[0], {Type: "audio", Codec: "aac", Channels: 2}}
		},
		"lost: primaries bt709": func(a *measurement) {
			a.metadata.Streams = []stream{{Type: "video", Codec: "h264"}, whole.metadata.Streams[1]}
		},
		// The video begins later and the audio does not: what counts is their distance.
		"audio off by -40.0 ms to -40.0 ms": func(a *measurement) { a.frames = at(40, 80, 120, 160) },
	} {
		out := whole
		change(&out)
		f := compare(whole, out, "")
		f.evaluate(whole, &one)
		if len(f.problems) != 1 || f.problems[0] != want {
			t.Errorf("got %q, want %q", f.problems, want)
		}
	}
}

func TestFindingsOfVerifyCount(t *testing.T) {
	t.Parallel()
	for findings, want := range map[string]bool{"": true, "good": true, "frames: 3 of 4": false} {
		f := finding{verify: findings, psnr: 50}
		f.evaluate(measurement{}, nil)
		if f.good() != want {
			t.Errorf("findings of verify %q: good is %t", findings, f.good())
		}
	}
}

func TestGapsCountAsSilence(t *testing.T) {
	t.Parallel()
	// Frames of 1024 samples of two bytes; one comes 3072 late, one 20, and one too early.
	r := frameLog{num: 1, den: 48000, entries: []logEntry{{0, 2048}, {1024, 2048}, {5120, 2048}, {6164, 2048}, {7000, 2048}}}
	if got := r.missingSamples(); got != 3072 {
		t.Errorf("%d samples are missing, want 3072", got)
	}
}

func TestRoundingToMillisecondsIsNotAnError(t *testing.T) {
	t.Parallel()
	exact := measurement{tick: 12 * time.Microsecond}
	rounded, wrong := measurement{tick: time.Millisecond}, measurement{tick: time.Millisecond}
	for i := range 24 {
		at := 700*time.Microsecond + time.Duration(i)*time.Second/24
		exact.frames = append(exact.frames, at)
		rounded.frames = append(rounded.frames, at.Round(time.Millisecond))
		wrong.frames = append(wrong.frames, at.Round(time.Millisecond)+time.Duration(i%2)*time.Millisecond)
	}
	for out, want := range map[*measurement]bool{&rounded: true, &wrong: false} {
		f := compare(exact, *out, "")
		if f.evaluate(exact, nil); f.good() != want {
			t.Errorf("%q, error %v", f.problems, f.timeError)
		}
	}
}

func TestFramesWithWrongContentAreFound(t *testing.T) {
	t.Parallel()
	path, err := source.Named("no audio").Make(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The same timestamps, but each frame shows the content of the next.
	wrong := filepath.Join(filepath.Dir(path), "wrong.mp4")
	if _, err := output(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-vf", "trim=start_frame=1,setpts=PTS-STARTPTS,tpad=stop=1:stop_mode=clone",
		"-c:v", "libx264", "-preset", "ultrafast", "-crf", "14", wrong); err != nil {
		t.Fatal(err)
	}
	a, err := measure(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	p := *a.metadata.video()
	worst, err := psnr(t.Context(), path, wrong, p, p, false)
	if err != nil || worst > goodPSNR-3 {
		t.Errorf("PSNR %.1f dB, %v; the limit is %.1f", worst, err, goodPSNR)
	}
}
