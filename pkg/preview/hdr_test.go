package preview_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// A still of HDR is what ffmpeg's own filters make of that frame for an SDR display in one pass, not the frame's samples as they are.
func TestAStillOfHDRIsToneMapped(t *testing.T) {
	t.Parallel()
	for name, transfer := range map[string]string{"PQ": "smpte2084", "HLG": "arib-std-b67"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := source(t, "a.mp4", ",format=yuv420p10le", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "4", "-g", "30",
				"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv")
			const onePass = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0:peak=4.926,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
			want, animated := lumaOf(t, path, onePass), lumaOf(t, path, "fps=10", onePass)
			plain := lumaOf(t, path)
			dir, d, err := run(t.Context(), t, path, t.TempDir(), time.Second, nil, film.Output{Container: film.Stills}, film.Output{Container: film.GIF})
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Previews[0].Files) != 5 {
				t.Fatalf("%d stills", len(d.Previews[0].Files))
			}
			changed := 0
			for k, f := range d.Previews[0].Files {
				got, right := brightness(decode(t, filepath.Join(dir, f.Path))), int(want[24*k])
				if got < right-6 || got > right+6 {
					t.Errorf("still %d has brightness %d; one pass of ffmpeg makes it %d, and %d without tone mapping", k, got, right, plain[24*k])
				}
				if diff := right - int(plain[24*k]); diff < -8 || diff > 8 {
					changed++
				}
			}
			if changed == 0 {
				t.Error("tone mapping changes nothing here")
			}
			frames := lumaOf(t, filepath.Join(dir, d.Previews[1].Files[0].Path))
			if len(frames) != len(animated) {
				t.Fatalf("%d frames in the GIF instead of %d", len(frames), len(animated))
			}
			for k, got := range frames {
				if right := int(animated[k]); int(got) < right-8 || int(got) > right+8 {
					t.Errorf("frame %d of the GIF has brightness %d instead of %d", k, got, right)
				}
			}
		})
	}
}
