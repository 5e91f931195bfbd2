package qoi_test

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"testing"

	"github.com/mapreel/mapreel/pkg/qoi"
)

// ffmpeg returns what ffmpeg writes of a test picture in a format.
func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	command := append([]string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=96x60:duration=1:rate=1,scale=97:61,noise=alls=20:allf=t:all_seed=3"}, args...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(command, "-")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAPictureOfFFmpegIsReadExactly(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"rgb24", "rgba"} {
		data := ffmpeg(t, "-vf", "format="+format, "-c:v", "qoi", "-f", "image2pipe")
		want := ffmpeg(t, "-vf", "format=rgb24", "-f", "rawvideo")
		width, height, err := qoi.Size(data)
		if err != nil || width != 97 || height != 61 {
			t.Fatalf("%d x %d: %v", width, height, err)
		}
		got := make([]byte, 3*width*height)
		if err := qoi.Decode(got, data); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the samples are not those of ffmpeg", format)
		}
	}
}

func TestADamagedPictureIsRefused(t *testing.T) {
	t.Parallel()
	data := ffmpeg(t, "-vf", "format=rgb24", "-c:v", "qoi", "-f", "image2pipe")
	rgb := make([]byte, 3*97*61)
	if err := qoi.Decode(rgb[:len(rgb)-3], data); err == nil {
		t.Error("a picture of another size was read")
	}
	for _, n := range []int{0, 13, 14, 15, 16, 17, len(data) / 2} {
		if err := qoi.Decode(rgb, data[:n]); err == nil {
			t.Errorf("the first %d bytes were read as a picture", n)
		}
	}
	for _, side := range []uint32{0, 1<<16 + 1, 1 << 31} {
		bad := bytes.Clone(data)
		binary.BigEndian.PutUint32(bad[8:], side)
		if _, _, err := qoi.Size(bad); err == nil {
			t.Errorf("a picture with %d rows was accepted", side)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("qoif\x00\x00\x00\x02\x00\x00\x00\x02\x03\x00\xfe\x01\x02\x03\xc1\x7f"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		w, h, err := qoi.Size(data)
		if err != nil || w*h > 1<<16 {
			return
		}
		_ = qoi.Decode(make([]byte, 3*w*h), data) // must not panic
	})
}
