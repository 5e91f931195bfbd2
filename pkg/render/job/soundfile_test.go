package job_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
)

const toneRate = 44_100

// tone writes a FLAC file whose left channel has a tone of 440 Hz for half a second, and whose right channel is silent.
func tone(t *testing.T) (path, digest string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tone.flac")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "aevalsrc=0.5*sin(440*2*PI*t)|0:s=44100:d=0.5", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return path, hex.EncodeToString(sum[:])
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// The sound of a file begins with the film, and is as long as the film to the sample: it is cut, or silence follows.
func TestASoundFileIsAsLongAsTheFrames(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path, digest := tone(t)
	source := film.Source{URL: path, Demuxer: "flac", Size: sizeOf(t, path), Audio: []film.AudioTrack{{Channels: 2, SampleRate: toneRate}}}
	s := soundScript() // its sequencer has sound, too
	url := scene(t, s)
	samples := map[string][]byte{}
	for frames, want := range map[string]int64{"1-6": 11_025, "1-24": 44_100} { // at 24 frames a second
		found, problems := examine(t, program(t), url, render.Settings{Frames: frames, Sound: path})
		before := found.Version
		if err := found.SetSound(source, digest, found.Rate); err != nil || len(problems) > 0 || found.Version == before {
			t.Fatalf("%v, %v; the version is the same: %v", err, problems, found.Version == before)
		}
		if found.Sound.Samples != want {
			t.Errorf("%s: %d samples, not %d", frames, found.Sound.Samples, want)
		}
		scratch := store(t)
		if err := decodeSound(t, tools, found, scratch); err != nil {
			t.Fatal(err)
		}
		samples[frames] = samplesOf(t, content(t, scratch, render.SoundKey("j")))
		if got := int64(len(samples[frames])); got != want*2*render.SoundBytes {
			t.Errorf("%s: %d bytes, not %d", frames, got, want*2*render.SoundBytes)
		}
	}
	const half = toneRate / 2 * 2 * render.SoundBytes
	short, long := samples["1-6"], samples["1-24"]
	if !bytes.HasPrefix(long, short) || bytes.Equal(long[half-600:half], make([]byte, 600)) || !bytes.Equal(long[half:], make([]byte, len(long)-half)) {
		t.Error("the tone does not sound from the beginning to its end")
	}
	if bytes.Equal(short[:render.SoundBytes*200], make([]byte, render.SoundBytes*200)) {
		t.Error("the beginning is silent")
	}
}

// decodeSound is an attempt at the sound of a film that has a file for it.
func decodeSound(t *testing.T, tools ffmpeg.Tools, found job.Scene, scratch *dir.Store) error {
	t.Helper()
	_, err := makeSound(t, job.Sound{Blender: blender.Program{Path: "no-such-blender"}, Tools: tools}, found, scratch)
	return err
}

func TestASoundFileThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	path, digest := tone(t)
	source := film.Source{URL: path, Demuxer: "flac", Size: sizeOf(t, path), Audio: []film.AudioTrack{{Channels: 2, SampleRate: toneRate}}}
	url := scene(t, soundScript())
	rate := media.Rational{Num: 24, Den: 1}
	for name, c := range map[string]struct {
		how    render.Settings
		source film.Source
		want   string
	}{
		"a list":           {render.Settings{Frames: "1,3"}, source, "do not follow each other"},
		"a step":           {render.Settings{Step: 2}, source, "do not follow each other"},
		"no track":         {render.Settings{}, film.Source{URL: "/a/picture.png"}, "picture.png has no audio track"},
		"more than 4 GB":   {render.Settings{}, film.Source{Audio: []film.AudioTrack{{Channels: 8, SampleRate: 1 << 30}}}, "too long for one WAV file"},
		"a first look":     {render.Settings{FirstLook: true}, source, ""},
		"negative numbers": {render.Settings{Frames: "-3-4"}, source, ""},
	} {
		c.how.Sound = path
		found, problems := examine(t, program(t), url, c.how)
		err := found.SetSound(c.source, digest, rate)
		if len(problems)+len(found.Warnings) > 0 || (err == nil) != (c.want == "") || err != nil && (fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q; %v, warnings %q", name, err, c.want, problems, found.Warnings)
		}
	}
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, _ := examine(t, program(t), url, render.Settings{Sound: path})
	if err := found.SetSound(source, strings.Repeat("0", len(digest)), rate); err != nil {
		t.Fatal(err)
	}
	if err := decodeSound(t, tools, found, store(t)); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("a file that has changed: %v", err)
	}
}
