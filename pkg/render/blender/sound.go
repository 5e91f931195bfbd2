package blender

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
)

// Sound is what Mix does: the sound of the sequencer of a scene, mixed down.
type Sound struct {
	render.Sound
	Settings render.Settings
	Threads  int // 0: all of the machine's
	Memory   int64
	Files    []string // paths of what the scene reads
}

// Mix has Blender mix the sound of a scene's sequencer down, and returns it as a WAV file, which the caller closes. dir is a private folder.
func (p Program) Mix(ctx context.Context, at Place, s Sound, dir string) (io.ReadCloser, error) {
	in, err := p.open(ctx, at, how{s.Settings, s.Threads, s.Memory, s.Files}, dir, "sound")
	if err != nil {
		return nil, err
	}
	defer in.end() // the open file remains
	t := task{Settings: s.Settings, Report: in.path("report"), Output: in.path("frames"), Sound: []int{s.First, s.Last}}
	if err := in.run(ctx, t, rendering); err != nil {
		return nil, err
	}
	f, err := open(in.work, filepath.Join(filepath.Base(t.Output), "sound.wav"))
	if err != nil {
		return nil, fault.Wrap(fault.Unsupported, err, "Blender ended without mixing the sound")
	}
	wav, err := CutWAV(f, s.Sound)
	if err != nil {
		return nil, fault.Wrap(fault.Unsupported, errors.Join(err, f.Close()), "sound that Blender has mixed")
	}
	return struct {
		io.Reader
		io.Closer
	}{wav, f}, nil
}

// Parts of a WAV file.
const (
	chunkHeader = 8       // bytes: a name and a size
	maxFormat   = 1 << 10 // bytes of the chunk fmt, which has 40
	riffHeader  = 12
)

// CutWAV returns the WAV file in r with as many samples as the sound has: Blender writes whole buffers, of which the last one goes beyond the
// end. Chunks other than fmt and data are left out, such as the one that names the version of ffmpeg.
func CutWAV(r io.Reader, s render.Sound) (io.Reader, error) {
	head := make([]byte, riffHeader)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, errors.Join(errors.New("it is no WAV file"), err)
	}
	var format []byte
	for {
		chunk := make([]byte, chunkHeader)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return nil, fmt.Errorf("it has no samples: %w", err)
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch name := string(chunk[:4]); {
		case name == "data":
			length := s.Samples * int64(s.Channels) * render.SoundBytes
			if err := checkFormat(format, s); err != nil {
				return nil, err
			}
			own := min(size, length)
			if missing := length - own; missing > int64(s.Channels)*render.SoundBytes { // Blender rounds the length in another way
				return nil, fmt.Errorf("it has %d bytes of samples, not %d", size, length)
			}
			return io.MultiReader(bytes.NewReader(wavHeader(format, length)), &wholeReader{r, own}, bytes.NewReader(make([]byte, length-own))), nil
		case name == "fmt " && size <= maxFormat:
			format = make([]byte, size)
			if _, err := io.ReadFull(r, format); err != nil {
				return nil, err
			}
		default:
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
				return nil, err
			}
		}
	}
}

// wholeReader reads so many bytes of r. Fewer are an error.
type wholeReader struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (w *wholeReader) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.left)])
	if w.left -= int64(n); errors.Is(err, io.EOF) && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// checkFormat checks the chunk fmt of a WAV file.
func checkFormat(format []byte, s render.Sound) error {
	const least = 16
	if len(format) < least {
		return errors.New("it does not say how its samples are stored")
	}
	channels, rate, bits := int(binary.LittleEndian.Uint16(format[2:])), int(binary.LittleEndian.Uint32(format[4:])), int(binary.LittleEndian.Uint16(format[14:]))
	if channels != s.Channels || rate != s.Rate || bits != render.SoundBytes*8 {
		return fmt.Errorf("it has %d channels of %d Hz and %d bits, not %d of %d Hz and %d bits", channels, rate, bits, s.Channels, s.Rate, render.SoundBytes*8)
	}
	return nil
}

// wavHeader returns everything that comes before so many bytes of samples.
func wavHeader(format []byte, length int64) []byte {
	size := func(n int64) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) } //nolint:gosec // render.MaxSound bounds it
	all := int64(len("WAVE")+2*chunkHeader+len(format)) + length
	return bytes.Join([][]byte{[]byte("RIFF"), size(all), []byte("WAVEfmt "), size(int64(len(format))), format, []byte("data"), size(length)}, nil)
}
