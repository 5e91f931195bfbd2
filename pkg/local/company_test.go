package local_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/local"
)

// Where the sound is ready a segment's piece holds it as the movie does, and the movie is the same: also of pieces that
// have none, that have sound which was made anew since, and of another output of the same picture.
func TestPiecesTakeInTheSoundThatIsReady(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	source := clip(t, "in.mkv", args(picture(7), tone(7), tone(7), []string{
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "veryfast", "-g", "36", "-bf", "3", "-c:a", "flac",
	})...)
	scratch, out := t.TempDir(), t.TempDir()
	req := request(source, out, "mp4")
	req.Outputs[0].Audio = &film.Audio{Codec: film.AAC}
	second := req.Outputs[0]
	second.Name, second.Container = "second", "mkv"
	third := req.Outputs[0]
	third.Name, third.Audio = "third", &film.Audio{Codec: film.Opus}
	req.Outputs = append(req.Outputs, second, third)
	again := func(remove ...string) (files [3][]byte) {
		for _, pattern := range append(remove, filepath.Join(out, "*")) {
			paths, err := filepath.Glob(pattern)
			if err != nil || len(paths) == 0 && len(remove) > 0 {
				t.Fatalf("%s: %q, %v", pattern, paths, err)
			}
			for _, path := range paths {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := local.Run(context.WithoutCancel(t.Context()), req, local.Options{
			Scratch: scratch, Tools: found, Jobs: 2, AudioPartLength: 3 * time.Second, Keep: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"out.mp4", "second.mkv", "third.mp4"} {
			if files[i], err = os.ReadFile(filepath.Join(out, name)); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	pieces := func() (paths []string, guests int) {
		paths, _ = filepath.Glob(filepath.Join(scratch, "*", "*", "video", "*.mp4"))
		if len(paths) == 0 {
			paths, _ = filepath.Glob(filepath.Join(scratch, "*", "video", "*.mp4"))
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			piece, err := isobmff.ReadChunk(data)
			if err != nil {
				t.Fatal(err)
			}
			guests += len(piece.Interleaved)
		}
		return paths, guests
	}
	same := func(what string, got, want [3][]byte) {
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("output %d, %s, differs", i, what)
			}
		}
	}
	want := again()
	paths, before := pieces()
	video := filepath.Dir(paths[0])
	same("made when all sound was ready", again(filepath.Join(video, "*")), want)
	_, ready := pieces()
	// A second of two sounds beside each second of the picture, but where a joint or a segment lies.
	if ready < 2*7 {
		t.Errorf("%d guests in all pieces (at first %d), want %d at least", ready, before, 2*7)
	}
	same("whose sound was made anew", again(filepath.Join(filepath.Dir(video), "audio", "*")), want)
}
