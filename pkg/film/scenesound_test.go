package film_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

func TestTheSoundOfASceneIsANamedFile(t *testing.T) {
	t.Parallel()
	const request = `{"source": "/a/shot.blend", "destination": "/out", "render": {"sound": "/a/music.flac"}, "outputs": [{"name": "shot", "container": "CONTAINER"}]}`
	r, err := film.Parse([]byte(strings.ReplaceAll(request, "CONTAINER", "mp4")))
	if err != nil {
		t.Fatal(err)
	}
	if files := r.NamedFiles(); len(files) != 1 || files[0].Pointer != film.SoundPointer || *files[0].URL != "/a/music.flac" || !files[0].Sound {
		t.Errorf("got %+v", files)
	}
	for _, container := range []string{"frames", "gif"} {
		_, err = film.Parse([]byte(strings.ReplaceAll(request, "CONTAINER", container)))
		if err == nil || !strings.Contains(err.Error(), "/render/sound: no output is a film, which could have the sound") {
			t.Errorf("%s alone: %v", container, err)
		}
	}
}
