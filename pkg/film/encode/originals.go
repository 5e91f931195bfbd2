package encode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/xpsnr"
)

// maxOriginals limits the bytes of raw frames that a unit keeps in its folder. The disk of a function has room for them.
const maxOriginals = 512 << 20

// originals are the raw frames of a segment as the encoder of a rendition gets them. They are kept from the first measurement, so that the
// next ones need not decode, scale and tone-map the source again. A nil *originals keeps nothing.
type originals struct {
	file   *os.File
	frame  []byte // that was read last
	frames int    // that are kept
	read   int
	ended  bool
}

// originals returns what is kept of a rendition; nil where its frames are too many. A measurement that did not get to its end begins anew.
func (a *attempt) originals(rendition, frames int) (*originals, error) {
	if o, ok := a.kept[rendition]; ok && o.whole() {
		o.read = 0
		_, err := o.file.Seek(0, io.SeekStart)
		return o, err
	}
	r := a.job.Renditions[rendition]
	f := xpsnr.Format{Width: r.Width, Height: r.Height, HalfW: true, HalfH: true, Depth: 8}
	if r.PixelFormat != "yuv420p" {
		f.Depth = 10
	}
	size := int64(frameBytes(f)) * int64(frames)
	for other, o := range a.kept {
		if other != rendition {
			size += int64(o.frames) * int64(len(o.frame))
		}
	}
	if size > maxOriginals {
		return nil, nil
	}
	file, err := os.Create(filepath.Join(a.Dir, fmt.Sprintf("%d-originals.yuv", rendition)))
	if err != nil {
		return nil, err
	}
	if a.kept == nil {
		a.kept = map[int]*originals{}
	}
	if o, ok := a.kept[rendition]; ok {
		o.close()
	}
	a.kept[rendition] = &originals{file: file, frame: make([]byte, frameBytes(f))}
	return a.kept[rendition], nil
}

// dropOriginals removes what is kept.
func (a *attempt) dropOriginals() {
	for _, o := range a.kept {
		o.close()
	}
	a.kept = nil
}

func (o *originals) close() {
	_ = o.file.Close()           // it was only for this unit
	_ = os.Remove(o.file.Name()) // or it goes with the unit's folder
}

// whole reports whether all frames are kept.
func (o *originals) whole() bool { return o != nil && o.ended }

// end says that no more frames will be kept.
func (o *originals) end() {
	if o != nil {
		o.ended = true
	}
}

func (o *originals) keep(planes [3][]byte) error {
	if o == nil {
		return nil
	}
	for _, p := range planes {
		if _, err := o.file.Write(p); err != nil {
			return err
		}
	}
	o.frames++
	return nil
}

// next returns the next frame, until it is called again.
func (o *originals) next() ([]byte, error) {
	if o.read == o.frames {
		return nil, fault.New(fault.Corrupt, "more frames were encoded than the %d that were decoded", o.frames)
	}
	o.read++
	if _, err := io.ReadFull(o.file, o.frame); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = fault.Wrap(fault.Corrupt, err, "frames that were kept")
		}
		return nil, err
	}
	return o.frame, nil
}
