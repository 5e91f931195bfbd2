package verify

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/verify/picture"
	"github.com/mapreel/mapreel/pkg/verify/shift"
)

// frame is one decoded video frame.
type frame[S picture.Sample] struct {
	number int   // from 0
	ticks  int64 // of the stream's timebase
	data   []S
	small  []float32 // see picture.BlockMeans
	ok     bool      // false before the first frame and after the last
}

// frameWindow holds three consecutive frames of one stream. These are all the frames that are in
// memory.
type frameWindow[S picture.Sample] struct {
	previous, current, next frame[S]
	read                    func(into *frame[S]) error // ok = false at the end
}

// start reads the first two frames.
func (w *frameWindow[S]) start() error {
	if err := w.advance(); err != nil {
		return err
	}
	return w.advance()
}

func (w *frameWindow[S]) advance() error {
	free := w.previous
	w.previous, w.current = w.current, w.next
	w.next = frame[S]{data: free.data, small: free.small}
	return w.read(&w.next)
}

// framePairs is what the walk over both streams measured, one element per pair of frames.
type framePairs struct {
	frames      []int32   // number of the output's frame
	psnr        []float32 // dB
	ssim        []float32
	bias        []float32 // see picture.NeighbourBias
	towardsNext []bool    // the bias is towards the next source frame, not the previous one
	shift       []int32   // number of the source's frame minus that of the output's
	motion      []float32 // of the source since its frame before, see picture.Motion
	colourless  []int32   // numbers of the output's frames that lack their colours, see picture.ColourLost
}

// walk goes through both streams in lockstep, pairs frames by their timestamps and, if
// compareContent is set, compares the content of each pair. Both windows must have been started.
// search receives the frames, to find what each shows. progress, which may be nil, receives the number of frames done.
func walk[S picture.Sample](f picture.Format, c clock, source, output *frameWindow[S], compareContent bool, search *shift.Search, progress func(frames int)) (clock, timing, framePairs, error) {
	var t timing
	var pairs framePairs
	c.sourceFirst, c.outputFirst = source.current.ticks, output.current.ticks
	at := int64(0) // time at which the source's current frame should be shown
	for source.current.ok || output.current.ok {
		takeSource, takeOutput := source.current.ok, output.current.ok
		next := c.after(at, source.next.ticks)
		if takeSource && takeOutput {
			takeSource, takeOutput = pairFrames(at, next, source.next.ok,
				c.outputTime(output.current.ticks), c.outputTime(output.next.ticks), output.next.ok)
		}
		if compareContent {
			if takeSource {
				search.AddSource(source.current.number, source.current.small)
			}
			if takeOutput {
				own := source.current.number
				if n := len(search.Shows); !source.current.ok && n > 0 { // the source has ended
					own = int(search.Shows[n-1].Own) + 1
				}
				search.AddOutput(output.current.small, own, takeSource)
			}
		}
		switch {
		case takeSource && takeOutput:
			err := c.outputTime(output.current.ticks) - at
			if own := c.sourceTime(source.current.ticks); own < at && own-c.output <= at+err && err < 0 {
				err = 0 // a damaged source shows it together with the frame before, and the output does too
			}
			t.add(c, err, framePosition{output.current.number, c.duration(c.outputTime(output.current.ticks))})
			if compareContent {
				addPair(&pairs, f, source, output)
			}
		case takeSource:
			t.lostFrames = extend(t.lostFrames, source.current.number)
			t.lost++
		default:
			t.extraFrames = extend(t.extraFrames, output.current.number)
			t.extra++
		}
		if takeOutput {
			if progress != nil {
				progress(output.current.number + 1)
			}
			if err := output.advance(); err != nil {
				return c, t, pairs, err
			}
		}
		if takeSource {
			if err := source.advance(); err != nil {
				return c, t, pairs, err
			}
			at = next
		}
	}
	return c, t, pairs, nil
}

// walkShifted goes through both streams again and compares each frame of the output with the frame of the source that it
// is to show. shows says which, -1 for none; where that goes back, there is no comparison.
func walkShifted[S picture.Sample](f picture.Format, source, output *frameWindow[S], shows []int) (framePairs, error) {
	var pairs framePairs
	for output.current.ok {
		for source.current.ok && source.current.number < shows[output.current.number] {
			if err := source.advance(); err != nil {
				return pairs, err
			}
		}
		if source.current.ok && source.current.number == shows[output.current.number] {
			addPair(&pairs, f, source, output)
		}
		if err := output.advance(); err != nil {
			return pairs, err
		}
	}
	return pairs, nil
}

// addPair compares the current frames of two windows, and measures whether the output shows a
// neighbour instead.
func addPair[S picture.Sample](pairs *framePairs, f picture.Format, source, output *frameWindow[S]) {
	similar := picture.Compare(f, output.current.data, source.current.data)
	pairs.frames = append(pairs.frames, int32(output.current.number))
	pairs.psnr = append(pairs.psnr, float32(similar.PSNR))
	pairs.ssim = append(pairs.ssim, float32(similar.SSIM))
	if picture.ColourLost(f, output.current.data, source.current.data) {
		pairs.colourless = append(pairs.colourless, int32(output.current.number))
	}

	bias, motion := 0.0, 0.0
	if source.previous.ok {
		motion = picture.Motion(source.previous.small, source.current.small)
	}
	pairs.motion = append(pairs.motion, float32(motion))
	if source.previous.ok && source.next.ok {
		bias = picture.NeighbourBias(output.current.small, source.previous.small, source.current.small, source.next.small)
	}
	pairs.bias = append(pairs.bias, float32(bias))
	pairs.towardsNext = append(pairs.towardsNext, bias < 0)
	pairs.shift = append(pairs.shift, int32(source.current.number-output.current.number))
}

// videoDecoder is a running ffmpeg that decodes a video stream. Frames arrive through a pipe, their
// timestamps through a second one.
type videoDecoder struct {
	args   []string
	dir    string // the working folder; "" = that of this process
	limits ffmpeg.Limits
	stderr io.Writer
	bytes  int // of a frame

	r *io.PipeReader
	w *io.PipeWriter

	mu       sync.Mutex
	logGrown *sync.Cond
	log      ffmpeg.FrameLog
	ended    bool
	raw      []byte
	read     int
}

func newVideoDecoder(p decode.Video, limits ffmpeg.Limits, f picture.Format, stderr io.Writer) *videoDecoder {
	d := &videoDecoder{args: decode.VideoArgs(p), limits: limits, stderr: stderr, bytes: f.Bytes(), raw: make([]byte, f.Bytes())}
	d.r, d.w = io.Pipe()
	d.logGrown = sync.NewCond(&d.mu)
	return d
}

// run decodes until the stream or ctx ends, or close is called.
func (d *videoDecoder) run(ctx context.Context, program string) error {
	limits := budget.Worker{Memory: decoderMemory()}.Limit(ctx, d.limits)
	_, err := ffmpeg.Run(ctx, program, d.args, ffmpeg.RunOptions{Dir: d.dir, Stdout: d.w, Pipe: d, Stderr: d.stderr, Limits: limits})
	d.mu.Lock()
	d.ended = true
	d.logGrown.Broadcast()
	d.mu.Unlock()
	if err != nil {
		_ = d.w.CloseWithError(err)
		return err
	}
	return d.w.Close()
}

// Write receives the frame log.
func (d *videoDecoder) Write(data []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.log.Write(data)
	d.logGrown.Broadcast()
	return n, err
}

// times returns the timestamps of all frames decoded so far.
func (d *videoDecoder) times() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.PTS()
}

// close stops the decoder.
func (d *videoDecoder) close() { _ = d.r.Close() }

// next reads a frame into d.raw. ok is false at the end.
func (d *videoDecoder) next() (ticks int64, ok bool, err error) {
	n, err := io.ReadFull(d.r, d.raw)
	switch {
	case errors.Is(err, io.EOF) && n == 0:
		return 0, false, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, false, fault.New(fault.Corrupt, "ffmpeg wrote %d bytes of a frame of %d", n, d.bytes)
	case err != nil:
		return 0, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.log.PTS()) <= d.read && !d.ended {
		d.logGrown.Wait()
	}
	if len(d.log.PTS()) <= d.read {
		return 0, false, fault.New(fault.Corrupt, "ffmpeg gave no timestamp for frame %d", d.read)
	}
	ticks = d.log.PTS()[d.read]
	d.read++
	return ticks, true, nil
}

// frameReader returns a window's read function that reads from d.
func frameReader[S picture.Sample](d *videoDecoder, f picture.Format, convert func(raw []byte, into []S)) func(*frame[S]) error {
	return func(into *frame[S]) error {
		number := d.read
		ticks, ok, err := d.next()
		if err != nil || !ok {
			return err
		}
		if into.data == nil {
			into.data = make([]S, f.Samples())
		}
		convert(d.raw, into.data)
		into.small = picture.BlockMeans(f, into.data, into.small[:0])
		into.number, into.ticks, into.ok = number, ticks, true
		return nil
	}
}
