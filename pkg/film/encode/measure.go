package encode

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/xpsnr"
)

// quality is what was measured of a segment in one rendition.
type quality struct {
	mean, worst float64 // of the segment, and of a frame
	frames      int
}

// maxQuality stands for the infinite XPSNR of two equal frames, in dB, which JSON cannot hold.
const maxQuality = 100

// gauge is an io.Writer that measures what encode.CompareArgs writes.
type gauge interface {
	Write(data []byte) (int, error)
	quality() (quality, error)
}

// measure compares what was encoded with what its encoder got.
func (a *attempt) measure(ctx context.Context, d decoding, e encoding) (quality, error) {
	r := a.job.Renditions[e.rendition]
	expected := a.expected(r, d.times)
	if len(expected.times) == 0 {
		return quality{}, nil
	}
	v, err := a.videoOf(ctx, d.from, []encoding{e}, nil)
	if err != nil {
		return quality{}, err
	}
	v.OneDecoder = v.OneDecoder || a.damage.String() != ""
	c := encode.Comparison{From: expected.from, To: expected.to, Timebase: r.OutputTimebase(*a.job.Source.Video)}
	var g gauge
	switch r.Quality.Metric {
	case target.SSIM:
		g, c.Measure = &ssimGauge{}, encode.MeasureSSIM
	case target.VMAF:
		g, c.Measure = &vmafGauge{path: filepath.Join(a.Dir, encode.VMAFLog)}, encode.MeasureVMAF
	default:
		kept := a.kept[e.rendition]
		if kept != nil {
			count := len(expected.times)
			if expected.to == nil {
				count = math.MaxInt32
			}
			if err := kept.rewind(count); err != nil {
				return quality{}, err
			}
			c.Measure = encode.EncodedFrames
		}
		x, err := newXPSNRGauge(r, v.Renditions[0].FrameRate, kept)
		if err != nil {
			return quality{}, err
		}
		if done, err := a.measureDecoded(x, e.rendition, expected); done || err != nil {
			return x.q, err
		}
		g = x
	}
	_, err = ffmpeg.Run(ctx, a.tools.FFmpeg, encode.CompareArgs(v, c), ffmpeg.RunOptions{
		Dir: a.Dir, Stdout: g, Pipe: &ffmpeg.FrameLog{}, Limits: a.limits(ctx, v.Frames),
	})
	if err != nil {
		return quality{}, err
	}
	q, err := g.quality()
	if err == nil {
		err = expected.checkCompared(q.frames)
	}
	return q, err
}

// checkCompared refuses a measurement of too few frames or too many.
func (t frameTimes) checkCompared(frames int) error {
	if frames > len(t.times) || frames < len(t.times) && !t.open {
		return fault.New(fault.Corrupt, "%d frames were encoded, %d could be compared", len(t.times), frames)
	}
	return nil
}

// measureDecoded measures the decoded frames that x264 wrote with the chunk. done is false where there are none.
func (a *attempt) measureDecoded(g *xpsnrGauge, rendition int, expected frameTimes) (done bool, err error) {
	f, err := a.decodedFrames(rendition, len(expected.times))
	if f == nil || err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if err := g.readAll(f); err != nil {
		return true, err
	}
	if _, err = g.quality(); err == nil {
		err = expected.checkCompared(g.q.frames)
	}
	return true, err
}

// xpsnrGauge measures XPSNR of raw frames, each an original above its copy, or the copy alone where the originals are kept. It holds one
// of them.
type xpsnrGauge struct {
	format xpsnr.Format
	kept   *originals // nil: they are not kept
	frame  []byte     // so far
	size   int
	add    func(original, encoded [3][]byte) xpsnr.Values
	mean   func() xpsnr.Values
	q      quality
}

func newXPSNRGauge(r film.Rendition, rate media.Rational, kept *originals) (*xpsnrGauge, error) {
	g := &xpsnrGauge{format: rawFormat(r), kept: kept}
	switch r.PixelFormat {
	case "yuv420p":
		m := xpsnr.New[uint8](g.format, rate)
		if kept != nil {
			m.Use(&kept.weights)
		}
		g.add, g.mean = m.AddPlanes, m.Mean
	case "yuv420p10le":
		m := xpsnr.New[uint16](g.format, rate)
		if kept != nil {
			m.Use(&kept.weights)
		}
		var a, b [3][]uint16
		g.add = func(original, encoded [3][]byte) xpsnr.Values {
			for i := range a {
				a[i], b[i] = samples(a[i], original[i]), samples(b[i], encoded[i])
			}
			return m.AddPlanes(a, b)
		}
		g.mean = m.Mean
	default:
		return nil, fault.New(fault.Internal, "frames of %s cannot be compared", r.PixelFormat)
	}
	g.size = frameBytes(g.format)
	if kept == nil {
		g.size *= 2
	}
	g.frame = make([]byte, 0, g.size)
	return g, nil
}

// rawFormat returns the format of a rendition's raw frames.
func rawFormat(r film.Rendition) xpsnr.Format {
	f := xpsnr.Format{Width: r.Width, Height: r.Height, HalfW: true, HalfH: true, Depth: 8}
	if r.PixelFormat == "yuv420p10le" {
		f.Depth = 10
	}
	return f
}

// frameBytes returns the size of a raw frame.
func frameBytes(f xpsnr.Format) int { return f.Samples() * sampleBytes(f) }

func sampleBytes(f xpsnr.Format) int { return (f.Depth + 7) / 8 }

// samples reads samples of two bytes into a slice, which is used again.
func samples(into []uint16, data []byte) []uint16 {
	into = slices.Grow(into[:0], len(data)/2)[:len(data)/2]
	for i := range into {
		into[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return into
}

// planes returns the planes of the pictures that are stacked in a frame, from top to bottom: one, or two.
func (g *xpsnrGauge) planes(frame []byte, pictures int) (parts [2][3][]byte) {
	for i, p := range g.format.Planes() {
		n := p.Width * p.Height * sampleBytes(g.format)
		for k := range pictures {
			parts[k][i], frame = frame[:n], frame[n:]
		}
	}
	return parts
}

func (g *xpsnrGauge) Write(data []byte) (int, error) {
	written := len(data)
	for len(data) > 0 {
		n := min(len(data), g.size-len(g.frame))
		g.frame, data = append(g.frame, data[:n]...), data[n:]
		if len(g.frame) < g.size {
			break
		}
		if err := g.compare(); err != nil {
			return 0, err
		}
		g.frame = g.frame[:0]
	}
	return written, nil
}

// readAll measures the encoded frames that r has, as long as there are originals.
func (g *xpsnrGauge) readAll(r io.Reader) error {
	g.frame = g.frame[:g.size]
	for g.kept.left > 0 {
		before := g.q.frames
		if _, err := io.ReadFull(r, g.frame); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fault.Wrap(fault.Corrupt, err, "frames that the encoder wrote")
		}
		if err := g.compare(); err != nil || g.q.frames == before {
			return err
		}
	}
	return nil
}

// compare measures a frame.
func (g *xpsnrGauge) compare() error {
	var original, encoded [3][]byte
	if g.kept != nil {
		frame, err := g.kept.next()
		if err != nil || frame == nil { // what goes beyond the last original does not count, as with the filter vstack
			return err
		}
		original, encoded = g.planes(frame, 1)[0], g.planes(g.frame, 1)[0]
	} else {
		both := g.planes(g.frame, 2)
		original, encoded = both[0], both[1]
	}
	g.q.include(g.add(original, encoded).Min())
	return nil
}

func (g *xpsnrGauge) quality() (quality, error) {
	g.q.mean = min(g.mean().Min(), maxQuality)
	return g.q, nil
}

// include counts a frame.
func (q *quality) include(value float64) {
	value = min(value, maxQuality)
	if q.frames == 0 || value < q.worst {
		q.worst = value
	}
	q.frames++
}

// ssimGauge reads the SSIM of frames, a line each.
type ssimGauge struct {
	line []byte
	sum  float64
	q    quality
}

func (g *ssimGauge) Write(data []byte) (int, error) {
	for _, b := range data {
		if b != '\n' {
			if len(g.line) > 1000 {
				return 0, fmt.Errorf("the filter ssim writes a line of more than %d bytes", len(g.line))
			}
			g.line = append(g.line, b)
			continue
		}
		if text, ok := strings.CutPrefix(string(g.line), "lavfi.ssim.All="); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(value) {
				return 0, fmt.Errorf("the filter ssim gives %q", text)
			}
			g.q.include(value)
			g.sum += value
		}
		g.line = g.line[:0]
	}
	return len(data), nil
}

func (g *ssimGauge) quality() (quality, error) {
	g.q.mean = g.sum / float64(max(g.q.frames, 1))
	return g.q, nil
}

// vmafGauge reads the log of the filter libvmaf.
type vmafGauge struct{ path string }

func (*vmafGauge) Write(data []byte) (int, error) { return len(data), nil }

func (g *vmafGauge) quality() (q quality, err error) {
	data, err := os.ReadFile(g.path)
	if err != nil {
		return q, err
	}
	return readVMAF(data)
}

// readVMAF returns what a log of libvmaf says, as JSON.
func readVMAF(data []byte) (q quality, err error) {
	var log struct {
		Frames []struct {
			Metrics struct {
				VMAF *float64 `json:"vmaf"`
			} `json:"metrics"`
		} `json:"frames"`
	}
	if err := json.Unmarshal(data, &log); err != nil {
		return q, fault.Wrap(fault.Corrupt, err, "the log of libvmaf")
	}
	sum := 0.0
	for i, f := range log.Frames {
		if f.Metrics.VMAF == nil {
			return q, fault.New(fault.Corrupt, "the log of libvmaf has no VMAF of frame %d", i)
		}
		q.include(*f.Metrics.VMAF)
		sum += *f.Metrics.VMAF
	}
	q.mean = sum / float64(max(q.frames, 1))
	return q, nil
}
