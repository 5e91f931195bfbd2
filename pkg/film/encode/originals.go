package encode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// A unit keeps at most maxOriginals bytes of raw frames. Those of one rendition take at most 1/diskShare of the free space on its disk,
// because the encoders and the units that run at the same time write there, too.
const (
	maxOriginals = 512 << 20
	diskShare    = 8
)

// originals are the raw frames of a segment as the encoder of a rendition gets them. The first measurement keeps them, so that the next
// ones need not decode, scale and tone-map the source again. What is measured does not depend on whether they are kept. A nil
// *originals keeps nothing.
type originals struct {
	file     *os.File
	frame    []byte // that was read last
	frames   int    // that are kept
	read     int
	complete bool
	err      error // why no more can be kept
}

// originals returns the frames of a rendition, either kept or to be kept; nil where they are not kept, because they are too many.
func (a *attempt) originals(rendition, frames int) (*originals, error) {
	if o, ok := a.kept[rendition]; ok {
		return o, o.rewind()
	}
	if a.kept == nil {
		a.kept = map[int]*originals{}
	}
	a.kept[rendition] = nil
	r := a.job.Renditions[rendition]
	frame := frameBytes(rawFormat(r))
	size := int64(frame) * int64(frames)
	if free, err := process.FreeDisk(a.Dir); err == nil && size > free/diskShare {
		return nil, nil
	}
	for _, o := range a.kept {
		size += o.size()
	}
	if size > maxOriginals {
		return nil, nil
	}
	file, err := os.Create(filepath.Join(a.Dir, fmt.Sprintf("%d-originals.yuv", rendition)))
	if err != nil {
		return nil, err
	}
	a.kept[rendition] = &originals{file: file, frame: make([]byte, frame)}
	return a.kept[rendition], nil
}

// endOriginals ends the first measurement of a rendition. Where the disk was too full for its frames, they are not kept.
func (a *attempt) endOriginals(ctx context.Context, rendition int) {
	o := a.kept[rendition]
	if o == nil {
		return
	}
	if o.complete = o.err == nil; !o.complete {
		a.Log.WarnContext(ctx, "raw frames cannot be kept, the source is decoded again for each measurement", "error", o.err)
		o.close()
		a.kept[rendition] = nil
	}
}

// dropOriginals removes what is kept.
func (a *attempt) dropOriginals() {
	for _, o := range a.kept {
		o.close()
	}
	a.kept = nil
}

func (o *originals) close() {
	if o == nil {
		return
	}
	_ = o.file.Close()           // it was only for this unit
	_ = os.Remove(o.file.Name()) // or it goes with the unit's folder
}

// whole reports whether all frames are kept.
func (o *originals) whole() bool { return o != nil && o.complete }

// size returns how many bytes are kept.
func (o *originals) size() int64 {
	if o == nil {
		return 0
	}
	return int64(o.frames) * int64(len(o.frame))
}

// rewind makes next return the first frame.
func (o *originals) rewind() error {
	if o == nil {
		return nil
	}
	o.read = 0
	_, err := o.file.Seek(0, io.SeekStart)
	return err
}

// keep adds a frame. After an error of the disk it keeps no more, which is no error of the measurement.
func (o *originals) keep(planes [3][]byte) {
	if o == nil || o.err != nil {
		return
	}
	for _, p := range planes {
		if _, o.err = o.file.Write(p); o.err != nil {
			// The file takes no space while the measurement goes on.
			o.err = errors.Join(o.err, o.file.Truncate(0))
			return
		}
	}
	o.frames++
}

// next returns the next frame, which is valid until the next call; nil after the last one.
func (o *originals) next() ([]byte, error) {
	if o.read == o.frames {
		return nil, nil
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
