package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// frame is one decoded picture.
type frame[S sample] struct {
	number int   // from 0
	ticks  int64 // of the stream's timebase
	data   []S
	small  []float32 // means of blocks of luma
	ok     bool      // there is such a frame
}

// window3 are three frames in a row of one stream: those at hand. Memory holds these and no more.
type window3[S sample] struct {
	previous, current, next frame[S]
	read                    func(into *frame[S]) error // ok = false at the end
}

// start reads the first two frames.
func (w *window3[S]) start() error {
	if err := w.advance(); err != nil {
		return err
	}
	return w.advance()
}

func (w *window3[S]) advance() error {
	free := w.previous
	w.previous, w.current = w.current, w.next
	w.next = frame[S]{data: free.data, small: free.small}
	return w.read(&w.next)
}

// shows is what a walk over both streams finds of the pictures.
type shows struct {
	frames []int32   // the output's frame of each pair, as numbers
	psnr   []float32 // of each pair
	ssim   []float32
	leans  []float32 // of each pair: how far the picture leans towards a neighbour of its source frame, 1 = it shows that
	toNext []bool    // which neighbour: the next, or the one before
	shift  []int32   // the source's frame less the output's, as numbers
}

// walk goes through both streams in lockstep, pairs frames by their times, and compares the pictures of each pair, if
// pictures is true. Each window has been started. It calls progress now and then.
func walk[S sample](f format, c clock, source, output *window3[S], pictures bool, progress func(frames int)) (clock, timing, shows, error) {
	var t timing
	var s shows
	c.sourceFirst, c.outputFirst = source.current.ticks, output.current.ticks
	at := int64(0) // when the source's current frame is to be shown
	for source.current.ok || output.current.ok {
		takeSource, takeOutput := source.current.ok, output.current.ok
		next := c.after(at, source.current.ticks, source.next.ticks)
		if takeSource && takeOutput {
			takeSource, takeOutput = match(at, next, source.next.ok,
				c.outputTime(output.current.ticks), c.outputTime(output.next.ticks), output.next.ok)
		}
		switch {
		case takeSource && takeOutput:
			err := c.outputTime(output.current.ticks) - at
			t.add(c, err, spot{output.current.number, c.duration(c.outputTime(output.current.ticks))})
			if pictures {
				add(&s, f, source, output)
			}
		case takeSource:
			if t.lost == 0 {
				t.firstLost = spot{source.current.number, c.duration(at)}
			}
			t.lost++
		default:
			if t.extra == 0 {
				t.firstExtra = spot{output.current.number, c.duration(c.outputTime(output.current.ticks))}
			}
			t.extra++
		}
		if takeOutput {
			if progress != nil {
				progress(output.current.number + 1)
			}
			if err := output.advance(); err != nil {
				return c, t, s, err
			}
		}
		if takeSource {
			if err := source.advance(); err != nil {
				return c, t, s, err
			}
			at = next
		}
	}
	return c, t, s, nil
}

// add compares the current frames of two windows, and asks whether the output shows a neighbour instead.
func add[S sample](s *shows, f format, source, output *window3[S]) {
	like := compare(f, output.current.data, source.current.data)
	s.frames = append(s.frames, int32(output.current.number))
	s.psnr = append(s.psnr, float32(like.psnr))
	s.ssim = append(s.ssim, float32(like.ssim))

	lean := 0.0
	if source.previous.ok && source.next.ok {
		lean = leaning(output.current.small, source.previous.small, source.current.small, source.next.small)
	}
	s.leans = append(s.leans, float32(lean))
	s.toNext = append(s.toNext, lean < 0)
	s.shift = append(s.shift, int32(source.current.number-output.current.number))
}

// feed is a running ffmpeg that decodes a video stream.
type feed struct {
	args   []string
	stderr io.Writer
	bytes  int // of a picture

	r *io.PipeReader
	w *io.PipeWriter

	mu    sync.Mutex
	grown *sync.Cond
	log   ffmpeg.FrameLog
	ended bool
	raw   []byte
	count int
}

func newFeed(p ffmpeg.Pictures, f format, stderr io.Writer) *feed {
	d := &feed{args: ffmpeg.PicturesArgs(p), stderr: stderr, bytes: f.bytes(), raw: make([]byte, f.bytes())}
	d.r, d.w = io.Pipe()
	d.grown = sync.NewCond(&d.mu)
	return d
}

// run decodes until the stream or ctx ends, or nobody reads any more.
func (d *feed) run(ctx context.Context, program string) error {
	_, err := ffmpeg.Run(ctx, program, d.args, ffmpeg.RunOptions{Stdout: d.w, Pipe: d, Stderr: d.stderr})
	d.mu.Lock()
	d.ended = true
	d.grown.Broadcast()
	d.mu.Unlock()
	if err != nil {
		_ = d.w.CloseWithError(err)
		return err
	}
	return d.w.Close()
}

// Write takes the frame log.
func (d *feed) Write(data []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.log.Write(data)
	d.grown.Broadcast()
	return n, err
}

// times are the timestamps of all frames so far.
func (d *feed) times() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.PTS()
}

// close ends the decoding.
func (d *feed) close() { _ = d.r.Close() }

// next reads a picture into d.raw. ok is false at the end.
func (d *feed) next() (ticks int64, ok bool, err error) {
	n, err := io.ReadFull(d.r, d.raw)
	switch {
	case errors.Is(err, io.EOF) && n == 0:
		return 0, false, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, false, fault.New(fault.Corrupt, "ffmpeg wrote %d bytes of a picture of %d", n, d.bytes)
	case err != nil:
		return 0, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.log.PTS()) <= d.count && !d.ended {
		d.grown.Wait()
	}
	if len(d.log.PTS()) <= d.count {
		return 0, false, fault.New(fault.Corrupt, "ffmpeg gave no timestamp for picture %d", d.count)
	}
	ticks = d.log.PTS()[d.count]
	d.count++
	return ticks, true, nil
}

// reader is a window's read function over d.
func reader[S sample](d *feed, f format, convert func(raw []byte, into []S)) func(*frame[S]) error {
	return func(into *frame[S]) error {
		number := d.count
		ticks, ok, err := d.next()
		if err != nil || !ok {
			return err
		}
		if into.data == nil {
			into.data = make([]S, f.samples())
		}
		convert(d.raw, into.data)
		into.small = shrink(f, into.data, into.small[:0])
		into.number, into.ticks, into.ok = number, ticks, true
		return nil
	}
}

func narrow(raw []byte, into []uint8) { copy(into, raw) }

func wide(raw []byte, into []uint16) {
	for i := range into {
		into[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
}
