package film_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

// refusalOf returns what is wrong with a request for one output with the given fields of its video.
func refusalOf(t *testing.T, container string, video ...string) string {
	t.Helper()
	body := `{"source": "/in.mkv", "destination": "/out", "outputs": [{"name": "a", "container": "` + container + `", "video": [{` + strings.Join(video, "}, {") + `}]}]}`
	if !json.Valid([]byte(body)) {
		t.Fatalf("not JSON: %s", body)
	}
	if _, err := film.Parse([]byte(body)); err != nil {
		return strings.TrimPrefix(err.Error(), "invalid request: ")
	}
	return ""
}

func TestCropAndPadAreChecked(t *testing.T) {
	for video, want := range map[string]string{
		`"crop": "auto"`:                      "",
		`"crop": "1920:800:0:140"`:            "",
		`"crop": "1920:801:0:140"`:            "/outputs/0/video/0/crop: 1920:801:0:140: all four numbers must be even, because chroma is stored for pairs of pixels",
		`"crop": "8:800:0:140"`:               "/outputs/0/video/0/crop: 8:800:0:140: less than 16 pixels are left",
		`"crop": "1920:800"`:                  `/outputs/0/video/0/crop: "1920:800" is neither auto nor a region W:H:X:Y such as 1920:800:0:140`,
		`"pad": "1920:1080", "upscale": true`: "",
		`"pad": "1920x1080"`:                  `/outputs/0/video/0/pad: "1920x1080" is not a size W:H such as 1920:1080`,
		`"pad": "1920:1080", "height": 720`:   "/outputs/0/video/0/pad: the frame has the size of pad; leave out height",
		`"pad": "62:1080"`:                    "/outputs/0/video/0/pad: 62:1080 is outside 64:64 to 17280:8640",
		`"pad": "641:360"`:                    "/outputs/0/video/0/pad: 641:360: both numbers must be even, because chroma is stored for pairs of pixels",
	} {
		if got := refusalOf(t, "mp4", video); got != want {
			t.Errorf("%s: %q, want %q", video, got, want)
		}
	}
	const want = "/outputs/0/video/1/crop: all renditions of a package must show the same part of the picture, so that players can switch between them"
	if got := refusalOf(t, "hls", `"crop": "auto", "height": 360`, `"height": 180`); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestATuningMustBeTheEncoders(t *testing.T) {
	for video, want := range map[string]string{
		`"tune": "film"`:                   "",
		`"codec": "h265", "tune": "grain"`: "",
		`"tune": "zerolatency"`:            "/outputs/0/video/0/tune: zerolatency takes away the look-ahead, without which segments would meet at visible seams",
		`"codec": "h265", "tune": "film"`:  `/outputs/0/video/0/tune: "film" is not a tuning of h265; there are: animation, grain, psnr, ssim, fastdecode`,
		`"codec": "av1", "tune": "film"`:   "/outputs/0/video/0/tune: there is none for av1; leave it out",
	} {
		if got := refusalOf(t, "mp4", video); got != want {
			t.Errorf("%s: %q, want %q", video, got, want)
		}
	}
}
