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

// Where the audio is ready, the chunk of a segment has it interleaved as the movie does. The movie has the same bytes whether
// or not its chunks have audio interleaved, also where that audio was made again later or belongs to another output with the
// same video.
func TestChunksInterleaveTheAudioThatIsReady(t *testing.T) {
	t.Parallel()
	s := films(t)
	s.Kinds.AudioPartLength = 3 * time.Second
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
		_, err := s.run(context.WithoutCancel(t.Context()), req, local.Options{Scratch: scratch, Jobs: 2, Keep: true})
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
	chunks := func() (paths []string, ranges int) {
		paths, _ = filepath.Glob(filepath.Join(scratch, "pieces", "*", "video", "*.mp4"))
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			chunk, err := isobmff.ReadChunk(data)
			if err != nil {
				t.Fatal(err)
			}
			ranges += len(chunk.Interleaved)
		}
		return paths, ranges
	}
	same := func(what string, got, want [3][]byte) {
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("output %d, %s, differs", i, what)
			}
		}
	}
	want := again()
	paths, before := chunks()
	if len(paths) == 0 {
		t.Fatal("no chunks in scratch")
	}
	video := filepath.Dir(paths[0])
	same("with chunks made when all audio was ready", again(filepath.Join(video, "*")), want)
	_, ready := chunks()
	// A range for each second of each of the two tracks, except at the joins of parts and segments.
	if ready < 2*7 {
		t.Errorf("%d interleaved ranges in all chunks (at first %d), want at least %d", ready, before, 2*7)
	}
	same("with audio made again", again(filepath.Join(filepath.Dir(video), "audio", "*")), want)
}
