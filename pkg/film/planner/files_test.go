package planner

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/media"
)

func withOverlays(paths ...string) (r film.Request) {
	for _, p := range paths {
		r.Outputs = append(r.Outputs, film.Output{Video: []film.Video{{Overlay: &overlay.Overlay{Image: p}}}})
	}
	return r
}

func TestTheFilesOfARequestAreReadOnceAndWhatIsWrongIsOneError(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	var logo strings.Builder
	if err := png.Encode(&logo, image.NewGray(image.Rect(0, 0, 6, 4))); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"logo.png": []byte(logo.String()), "text.png": []byte("#EXTM3U"), "cut.png": []byte(logo.String()[:45])} {
		if err := os.WriteFile(path(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("logo.png", path("link.png")); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	files, err := readFiles(ctx, resolvePath, withOverlays(path("logo.png"), path("link.png"), path("logo.png")))
	if err != nil || len(files) != 2 || files[0].Digest != files[1].Digest || files[0].Pixels != (media.Size{Width: 6, Height: 4}) || files[0].Size != int64(logo.Len()) {
		t.Fatalf("%+v, %v", files, err)
	}
	_, err = readFiles(ctx, resolvePath, withOverlays(path("text.png"), path("none.png"), path("cut.png")))
	for _, want := range []string{"/outputs/0/video/0/overlay/image: cannot use", "it is not a PNG", "/outputs/1/video/0/overlay/image: cannot read", "no such file", "/outputs/2/video/0", "cannot be decoded"} {
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := input.SameFile(ctx, resolvePath, files[0]); err != nil {
		t.Error(err)
	}
	for _, change := range []string{"x", "longer than the logo" + logo.String()} {
		if err := os.WriteFile(path("logo.png"), []byte(change), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := input.SameFile(ctx, resolvePath, files[0]); err == nil || !strings.Contains(err.Error(), "logo.png has changed since the job began") {
			t.Errorf("after a change: %v", err)
		}
	}
}
