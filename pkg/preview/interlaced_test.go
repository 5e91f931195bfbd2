package preview_test

import (
	"bytes"
	"image"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// samplesOf returns the samples of the frames that one pass of ffmpeg with a filter gives: three bytes a pixel.
func samplesOf(t *testing.T, path, filter string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-vf", filter, "-fps_mode", "passthrough",
		"-pix_fmt", "rgb24", "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The fields of a frame show two moments. A still has what a transcode makes of them by default, to the bit, at the edges of segments too:
// the frame without the comb of the second field.
func TestAStillOfMovingFieldsIsDeinterlaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fields.ts")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=50:duration=4",
		"-vf", "tinterlace=mode=interleave_top,setfield=tff", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "4", "-flags", "+ildct+ilme",
		"-x264opts", "tff=1", "-g", "25", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir, d, err := run(t.Context(), t, path, t.TempDir(), time.Second, nil, film.Output{Container: film.Stills, Preview: &film.Preview{Format: film.PNG}})
	if err != nil {
		t.Fatal(err)
	}
	const (
		each  = 3 * 160 * 96
		shape = "select=not(mod(n\\,25)),scale=flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:in_color_matrix=bt601"
	)
	want, woven := samplesOf(t, path, "bwdif=mode=send_frame:deint=interlaced,"+shape), samplesOf(t, path, shape)
	if n := len(d.Previews[0].Files); n != 4 || len(want) != 4*each || len(woven) != 4*each {
		t.Fatalf("%d stills, and %d bytes of frames", n, len(want))
	}
	for k, f := range d.Previews[0].Files {
		img := decode(t, filepath.Join(dir, f.Path))
		got := make([]byte, 0, each)
		for i := range 160 * 96 {
			r, g, b, _ := img.At(i%160, i/160).RGBA()
			got = append(got, byte(r>>8), byte(g>>8), byte(b>>8))
		}
		if img.Bounds().Size() != image.Pt(160, 96) || !bytes.Equal(got, want[k*each:(k+1)*each]) {
			t.Errorf("still %d is not what one pass of ffmpeg makes of the fields", k)
		}
		if bytes.Equal(got, woven[k*each:(k+1)*each]) {
			t.Errorf("still %d has both fields as they are", k)
		}
	}
}
