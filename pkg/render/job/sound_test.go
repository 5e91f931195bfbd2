package job_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// mix is an attempt at the sound of a scene.
func mix(t *testing.T, p blender.Program, found job.Scene, scratch *dir.Store) (work.Result, error) {
	t.Helper()
	return makeSound(t, job.Sound{Blender: p}, found, scratch)
}

// makeSound is an attempt at the unit that makes the sound of a film.
func makeSound(t *testing.T, kind job.Sound, found job.Scene, scratch *dir.Store) (work.Result, error) {
	t.Helper()
	doc, err := json.Marshal(map[string]any{"render": found.Job})
	if err != nil {
		t.Fatal(err)
	}
	env := &work.Env{
		Job: "j", Doc: doc, Unit: render.SoundUnit, Attempt: 1, Dir: t.TempDir(), Scratch: scratch, Resolve: resolve,
		Progress: func(work.Amount) {}, Log: slog.New(slog.DiscardHandler),
	}
	return kind.Run(t.Context(), env, work.Unit{Name: env.Unit})
}

// samplesOf returns what follows the header of a WAV file.
func samplesOf(t *testing.T, wav []byte) []byte {
	t.Helper()
	at := bytes.Index(wav, []byte("data"))
	if at < 0 {
		t.Fatalf("%d bytes are no WAV file", len(wav))
	}
	return wav[at+8:]
}

func TestTheSoundIsAsLongAsTheFrames(t *testing.T) {
	t.Parallel()
	p, scratch := program(t), store(t)
	s := script{About: about()}
	s.About.Sounds, s.About.SoundRate, s.About.SoundChannels, s.About.FPSBase = true, 48_000, 2, 1
	url := scene(t, s)
	found, problems := examine(t, p, url, render.Settings{Frames: "2-4"})
	if want := (render.Sound{Rate: 48_000, Channels: 2, First: 2, Last: 4, Samples: 6000}); len(problems)+len(found.Warnings) > 0 || found.Sound == nil || *found.Sound != want {
		t.Fatalf("sound %+v, want %+v; %v, %q", found.Sound, want, problems, found.Warnings)
	}
	for range 2 {
		result, err := mix(t, p, found, scratch)
		const want = 3 * 2000 * 2 * 3 // frames of 1/24 s, channels, bytes
		if got := samplesOf(t, content(t, scratch, render.SoundKey("j"))); err != nil || len(got) != want || len(result.Artifacts) != 1 {
			t.Errorf("%d bytes, want %d: %+v, %v", len(got), want, result, err)
		}
	}
	save(t, url, script{About: s.About, Fail: []int{99}})
	if _, err := mix(t, p, found, store(t)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the scene changed: %v", err)
	}
	s.About.Sounds = false
	save(t, url, s)
	if quiet, _ := examine(t, p, url, render.Settings{Frames: "2-4"}); quiet.Sound != nil || len(quiet.Warnings) > 0 {
		t.Errorf("a scene without sound: %+v, %q", quiet.Sound, quiet.Warnings)
	}
}

// Blender mixes from one frame to another, at the rate of the scene.
func TestSoundThatDoesNotFitTheFramesIsLeftOut(t *testing.T) {
	t.Parallel()
	s := script{About: about()}
	s.About.Sounds, s.About.SoundRate, s.About.SoundChannels = true, 48_000, 2
	p, url := program(t), scene(t, s)
	for frames, how := range map[string]render.Settings{
		"a list": {Frames: "1,3"}, "a step": {Step: 2}, "a first look": {FirstLook: true}, "negative ones": {Frames: "-3-4"},
	} {
		found, problems := examine(t, p, url, how)
		before := len(found.Warnings)
		if found.WarnOfSilence(); len(problems) > 0 || found.Sound != nil || !strings.Contains(strings.Join(found.Warnings, "\n"), "sound of the scene's sequencer is not in the film, because ") {
			t.Errorf("%s: %+v, %v, warnings %q", frames, found.Sound, problems, found.Warnings)
		}
		if len(found.Warnings) != before+1 {
			t.Errorf("%s, without a film: %q", frames, found.Warnings[:before])
		}
	}
}

// checkMix checks the sound of exact.blend, which begins at its third frame.
func checkMix(t *testing.T, p blender.Program, folder string) {
	t.Helper()
	scratch := store(t)
	found, problems := examine(t, p, filepath.Join(folder, "exact.blend"), render.Settings{Frames: "2-3"})
	if len(problems)+len(found.Warnings) > 0 || found.Sound == nil {
		t.Fatalf("%+v, %v, %q", found.Sound, problems, found.Warnings)
	}
	if _, err := mix(t, p, found, scratch); err != nil {
		t.Fatal(err)
	}
	const frame = 1920 * 2 * 3 // samples of 1/25 s, channels, bytes
	got := samplesOf(t, content(t, scratch, render.SoundKey("j")))
	if len(got) != 2*frame || !bytes.Equal(got[:frame], make([]byte, frame)) || bytes.Equal(got[frame:], make([]byte, frame)) {
		t.Errorf("%d bytes, want %d, of which the second half sounds", len(got), 2*frame)
	}
}
