package source

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/job"
)

// opaque is a picture that the encoder stores without alpha.
type opaque struct{ image.Image }

func (opaque) Opaque() bool { return true }

func writePicture(t *testing.T, name string, alpha, deep bool) {
	t.Helper()
	size := image.Rect(0, 0, 64, 36)
	var picture image.Image = image.NewNRGBA(size)
	if deep {
		picture = image.NewNRGBA64(size)
	}
	if !alpha {
		picture = opaque{picture}
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, picture); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSceneFramesAreWhatFFprobeSaysOfThem(t *testing.T) {
	t.Parallel()
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	for _, alpha := range []bool{false, true} {
		for _, format := range []render.Format{render.PNG, render.PNG16} {
			t.Run(fmt.Sprintf("%s with alpha %v", format, alpha), func(t *testing.T) {
				t.Parallel()
				scene := job.Scene{
					Job:     render.Job{Settings: render.Settings{Format: format}, Frames: "1-3", Width: 64, Height: 36, Alpha: alpha},
					Numbers: []int{1, 2, 3}, Rate: media.Rational{Num: 24, Den: 1}, Aspect: media.Rational{Num: 1, Den: 1},
				}
				got, err := OfScene(scene, film.Sequence{})
				if err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				writePicture(t, filepath.Join(dir, ffmpeg.SequenceName(0, "png")), alpha, format.Deep())
				probed, err := probe.Inspect(t.Context(), tools, input.SequenceInput(*got.Source.Sequence, dir, 0))
				if err != nil {
					t.Fatal(err)
				}
				want := Found{Source: film.Source{URL: got.Source.URL, Demuxer: "image2", Sequence: got.Source.Sequence}}
				if err := describeFrames(&want, probed, 3); err != nil {
					t.Fatal(err)
				}
				want.Source.Video.SampleAspect = scene.Aspect
				if diff := cmp.Diff(want.Source.Video, got.Source.Video); diff != "" {
					t.Errorf("ffprobe (-) and OfScene (+) differ:\n%s", diff)
				}
			})
		}
	}
}
