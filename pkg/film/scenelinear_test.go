package film_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

func TestFramesInLinearLightAreKeptOnly(t *testing.T) {
	t.Parallel()
	const request = `{"source": "/a/shot.blend", "destination": "/out", "render": {"format": "FORMAT"}, "outputs": [{"name": "frames", "container": "frames"}, OTHER]}`
	for other, pointer := range map[string]string{
		`{"name": "more", "container": "frames"}`:  "",
		`{"name": "shot", "container": "mp4"}`:     "/outputs/1/container",
		`{"name": "still", "container": "poster"}`: "/outputs/1/container",
	} {
		for _, format := range []string{"exr", "exr32", "png16"} {
			_, err := film.Parse([]byte(strings.NewReplacer("FORMAT", format, "OTHER", other).Replace(request)))
			if refused := pointer != "" && format != "png16"; refused != (err != nil) || refused && !strings.Contains(err.Error(), pointer+": frames of the format "+format) {
				t.Errorf("%s and %s: %v", format, other, err)
			}
		}
	}
}
