package judge

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/exact/source"
)

func TestEvaluateFindsEachProblem(t *testing.T) {
	t.Parallel()
	at := func(ms ...int) (list []time.Duration) {
		for _, v := range ms {
			list = append(list, time.Duration(v)*time.Millisecond)
		}
		return list
	}
	whole := Measurement{
		Frames: at(0, 40, 80, 120), Tick: 12 * time.Microsecond,
		Audio: []AudioTrack{{Samples: 96000, Rate: 48000, Beeps: at(250, 1250)}},
		Metadata: Metadata{Streams: []Stream{
			{Type: "video", Codec: "h264", Primaries: "bt709"},
			{Type: "audio", Codec: "aac", Channels: 2, Tags: map[string]string{"language": "ger"}},
		}},
	}
	one := Compare(whole, whole, "")
	one.Evaluate(whole, nil)
	if !one.Good() {
		t.Fatalf("a copy: %q", one.Problems)
	}
	for want, change := range map[string]func(*Measurement){
		"3 frames of 4":                 func(a *Measurement) { a.Frames = a.Frames[:3] },
		"time off by 2.0 ms":            func(a *Measurement) { a.Frames = at(0, 40, 82, 120) },
		"audio off by 6.0 ms to 6.0 ms": func(a *Measurement) { a.Audio = []AudioTrack{{Samples: 96000, Rate: 48000, Beeps: at(256, 1256)}} },
		"audio off by 0 µs to -7.0 ms":  func(a *Measurement) { a.Audio = []AudioTrack{{Samples: 96000, Rate: 48000, Beeps: at(250, 1243)}} },
		"1 beeps of 2":                  func(a *Measurement) { a.Audio = []AudioTrack{{Samples: 96000, Rate: 48000, Beeps: at(250)}} },
		"4000 samples from one pass":    func(a *Measurement) { a.Audio = []AudioTrack{{Samples: 92000, Rate: 48000, Beeps: at(250, 1250)}} },
		"lost: audio 1 with 2 channels de": func(a *Measurement) {
			a.Metadata.Streams = []Stream{whole.Metadata.Streams[0], {Type: "audio", Codec: "aac", Channels: 2}}
		},
		"lost: primaries bt709": func(a *Measurement) {
			a.Metadata.Streams = []Stream{{Type: "video", Codec: "h264"}, whole.Metadata.Streams[1]}
		},
		// The video begins later and the audio does not: what counts is their distance.
		"audio off by -40.0 ms to -40.0 ms": func(a *Measurement) { a.Frames = at(40, 80, 120, 160) },
	} {
		out := whole
		change(&out)
		f := Compare(whole, out, "")
		f.Evaluate(whole, &one)
		if len(f.Problems) != 1 || f.Problems[0] != want {
			t.Errorf("got %q, want %q", f.Problems, want)
		}
	}
}

// Playlists name languages by other codes than files, and Opus has no layout of three channels with one for low frequencies.
func TestTracksAreKeptByAnotherName(t *testing.T) {
	t.Parallel()
	tracks := func(codec, layout string, channels int, language string) Measurement {
		return Measurement{Metadata: Metadata{Streams: []Stream{{Type: "audio", Codec: codec, Layout: layout, Channels: channels, Tags: map[string]string{"language": language}}}}}
	}
	source := tracks("pcm_s24le", "2.1", 3, "fre")
	if f := Compare(source, tracks("opus", "5.1", 6, "fr"), ""); len(f.Lost) > 0 {
		t.Errorf("lost: %q", f.Lost)
	}
	for _, out := range []Measurement{tracks("opus", "stereo", 2, "fr"), tracks("opus", "5.1", 6, "de"), tracks("aac", "5.1", 6, "fra")} {
		if f := Compare(source, out, ""); len(f.Lost) != 1 {
			t.Errorf("%+v: lost %q", out.Metadata.Streams, f.Lost)
		}
	}
}

func TestRotationTurnsPixels(t *testing.T) {
	t.Parallel()
	turned := Metadata{Streams: []Stream{{Type: "video", Codec: "h264", Width: 160, Height: 90, SAR: "4:3", SideData: []sideData{{Rotation: "-90"}}}}}
	upright := Metadata{Streams: []Stream{{Type: "video", Codec: "h264", Width: 90, Height: 160, SAR: "3:4"}}}
	if f := Compare(Measurement{Metadata: turned}, Measurement{Metadata: upright}, ""); len(f.Lost) > 0 {
		t.Errorf("lost: %q", f.Lost)
	}
}

func TestFindingsOfVerifyCount(t *testing.T) {
	t.Parallel()
	for findings, want := range map[string]bool{"": true, "good": true, "frames: 3 of 4": false} {
		f := Finding{Verify: findings, PSNR: 50}
		f.Evaluate(Measurement{}, nil)
		if f.Good() != want {
			t.Errorf("findings of verify %q: good is %t", findings, f.Good())
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
	exact := Measurement{Tick: 12 * time.Microsecond}
	rounded, wrong := Measurement{Tick: time.Millisecond}, Measurement{Tick: time.Millisecond}
	for i := range 24 {
		at := 700*time.Microsecond + time.Duration(i)*time.Second/24
		exact.Frames = append(exact.Frames, at)
		rounded.Frames = append(rounded.Frames, at.Round(time.Millisecond))
		wrong.Frames = append(wrong.Frames, at.Round(time.Millisecond)+time.Duration(i%2)*time.Millisecond)
	}
	for out, want := range map[*Measurement]bool{&rounded: true, &wrong: false} {
		f := Compare(exact, *out, "")
		if f.Evaluate(exact, nil); f.Good() != want {
			t.Errorf("%q, error %v", f.Problems, f.TimeError)
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
	a, err := Measure(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	p := *a.Metadata.Video()
	worst, err := worstPSNR(t.Context(), input{path: path}, wrong, p, p, false, 0, "")
	if err != nil || worst > goodPSNR-3 {
		t.Errorf("PSNR %.1f dB, %v; the limit is %.1f", worst, err, goodPSNR)
	}
}

// ffprobe's own limit of 5 s ends before the first picture that tells the pixel format.
func TestTheFormatOfVideoThatBeginsAfterTheAudioIsFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "late.mp4")
	if _, err := output(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=32x18:rate=5:duration=0.4",
		"-f", "lavfi", "-i", "sine=duration=11", "-vf", "setpts=PTS+10/TB", "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path); err != nil {
		t.Fatal(err)
	}
	got, err := probe(t.Context(), path)
	if err != nil || got.Video() == nil || got.Video().PixelFormat != "yuv420p" {
		t.Errorf("got %+v, %v; want yuv420p", got.Video(), err)
	}
}
