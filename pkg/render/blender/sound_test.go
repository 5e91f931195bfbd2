package blender

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/render"
)

func TestSoundIsCutAndHasNoMetadata(t *testing.T) {
	t.Parallel()
	sound := render.Sound{Rate: 48_000, Channels: 2, Samples: 2}
	format := []byte{1, 0, 2, 0, 0x80, 0xbb, 0, 0, 0, 0x65, 4, 0, 6, 0, 24, 0}
	samples := []byte("abcdefABCDEF")
	plain := slices.Concat(wavHeader(format, 12), samples)
	file := func(format []byte, samples string) []byte {
		list := slices.Concat([]byte("LIST"), []byte{3, 0, 0, 0}, []byte("abc\x00"))
		return slices.Concat([]byte("RIFF0000WAVE"), list, []byte("fmt "), []byte{16, 0, 0, 0}, format, list, []byte("data"), []byte{byte(len(samples)), 0, 0, 0}, []byte(samples))
	}
	r, err := CutWAV(bytes.NewReader(file(format, "abcdefABCDEF-beyond")), sound)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %q, %v, want %q", got, err, plain)
	}
	if r, err = CutWAV(bytes.NewReader(file(format, "abcdef")), sound); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || len(got) != len(plain) || !bytes.HasSuffix(got, []byte("abcdef\x00\x00\x00\x00\x00\x00")) {
		t.Errorf("one sample less: got %q, %v", got, err)
	}
	whole := file(format, string(samples))
	if r, err = CutWAV(bytes.NewReader(whole[:len(whole)-1]), sound); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that ends early: got %q, %v", got, err)
	}
	for name, data := range map[string][]byte{
		"another rate":    file(append([]byte{1, 0, 2, 0, 0x80, 0xba}, format[6:]...), string(samples)),
		"one channel":     file(append([]byte{1, 0, 1, 0}, format[4:]...), string(samples)),
		"16 bits":         file(append(slices.Clone(format[:14]), 16, 0), string(samples)),
		"too short":       file(format, string(samples[:5])),
		"no samples":      file(format, "")[:80],
		"another thing":   []byte("fLaC, and more than twelve bytes"),
		"nothing":         nil,
		"no format":       append([]byte("RIFF0000WAVEdata"), 12, 0, 0, 0),
		"a format of 1GB": append([]byte("RIFF0000WAVEfmt "), 0, 0, 0, 64),
	} {
		if _, err := CutWAV(bytes.NewReader(data), sound); err == nil {
			t.Errorf("%s: it is accepted", name)
		}
	}
}
