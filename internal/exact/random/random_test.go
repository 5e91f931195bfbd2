package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/internal/exact/judge"
	"github.com/mapreel/mapreel/internal/exact/recipe"
	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
)

// The short form: its seeds draw many properties each and are cheap.
var shortForm = []uint64{2, 9}

func TestSourcesDrawnAtRandomComeOutAsOfOnePass(t *testing.T) {
	t.Parallel()
	all := newTrials(t)
	for _, seed := range shortForm {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			o, err := all.draw(t.Context(), seed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if o.verdict.class != good {
				t.Errorf("%s: %s", o.recipe, o.verdict)
			}
		})
	}
}

// A job that loses frames must not pass.
func TestAWrongOutputIsFound(t *testing.T) {
	t.Parallel()
	all := newTrials(t)
	r := recipe.Plain()
	r.Frames = 48
	source, err := r.Make(t.Context(), all.work)
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]string{
		"a frame is missing": {"-vf", "select='not(eq(n,20))'"},
		"two are exchanged":  {"-vf", "shuffleframes=0 1 2 3 5 4"},
		"the audio is late":  {"-af", "adelay=50:all=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, problems := all.judgeOutput(t, source, options)
			if problems == nil {
				t.Error("the judge says good")
			}
			if said == "good" {
				t.Error("verify says good")
			}
		})
	}
}

// What fails is shrunk to what it takes.
func TestShrinkingKeepsWhatItTakes(t *testing.T) {
	t.Parallel()
	r := recipe.Plain()
	r.Times, r.Size, r.Colour, r.Aspect = "dropped", "64x36", "bt709", "4/3"
	r.Tracks = append(r.Tracks, r.Tracks[0])
	r.Tracks[1].Language = "ger"
	fails := func(_ context.Context, r recipe.Recipe) (verdict, error) {
		if r.Times == "dropped" && r.Colour == "bt709" && len(r.Tracks) == 2 {
			return verdict{class: wrong}, nil
		}
		return verdict{class: good}, nil
	}
	s, err := shrink(t.Context(), outcome{recipe: r, verdict: verdict{class: wrong}}, fails)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.recipe.String(), "Times dropped, Colour bt709, Track1, Track2"; got != want {
		t.Errorf("shrunk to %q, want %q", got, want)
	}
	again, err := r.Usual(s.usual)
	if err != nil || again.String() != s.recipe.String() {
		t.Errorf("the printed properties give %q (%v), want %q", again, err, s.recipe)
	}
}

func newTrials(t *testing.T) trials {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return trials{tools: tools, jobs: judge.Mapreel(tools), work: t.TempDir()}
}

// judgeOutput encodes a source with options of ffmpeg, and returns what the judge and verify say.
func (t trials) judgeOutput(test *testing.T, source string, options []string) (said string, problems error) {
	test.Helper()
	measured, err := judge.Measure(test.Context(), source)
	if err != nil {
		test.Fatal(err)
	}
	dir := test.TempDir()
	task := func(name string) judge.Task {
		return judge.Task{Path: source, Measured: measured, Container: film.MP4, Dir: filepath.Join(dir, name)}
	}
	c := judge.Candidate{Name: "bad", Encode: func(_ context.Context, to judge.Task) ([]string, error) {
		args := append([]string{"-i", source, "-map", "0", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "14", "-c:a", "aac", "-fps_mode", "passthrough"}, options...)
		mediatest.FFmpeg(test, "", append(args, to.Output())...)
		return nil, nil
	}}
	_, problems = t.run(test.Context(), c, task)
	return judge.Verify(test.Context(), t.tools, task("bad"), nil), problems
}
