package encode

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
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
		if g, err = newXPSNRGauge(r, v.Renditions[0].FrameRate); err != nil {
			return quality{}, err
		}
	}
	_, err = ffmpeg.Run(ctx, a.tools.FFmpeg, encode.CompareArgs(v, c), ffmpeg.RunOptions{
		Dir: a.Dir, Stdout: g, Pipe: &ffmpeg.FrameLog{}, Limits: a.limits(ctx, v.Frames),
	})
	if err != nil {
		return quality{}, err
	}
	q, err := g.quality()
	if err == nil && (q.frames > len(expected.times) || q.frames < len(expected.times) && !expected.open) {
		err = fault.New(fault.Corrupt, "%d frames were encoded, %d could be compared", len(expected.times), q.frames)
	}
	return q, err
}

// xpsnrGauge measures XPSNR of raw frames, each an original above its copy. It holds one of them.
type xpsnrGauge struct {
	format xpsnr.Format
	frame  []byte // so far
	size   int
	add    func(frame []byte) xpsnr.Values
	mean   func() xpsnr.Values
	q      quality
}

func newXPSNRGauge(r film.Rendition, rate media.Rational) (*xpsnrGauge, error) {
	g := &xpsnrGauge{format: xpsnr.Format{Width: r.Width, Height: r.Height, HalfW: true, HalfH: true, Depth: 8}}
	g.size = 2 * g.format.Samples()
	switch r.PixelFormat {
	case "yuv420p":
		m := xpsnr.New[uint8](g.format, rate)
		var original, encoded []uint8
		g.add = func(frame []byte) xpsnr.Values {
			original, encoded = separate(g.format, frame, original[:0], encoded[:0])
			return m.Add(original, encoded)
		}
		g.mean = m.Mean
	case "yuv420p10le":
		g.format.Depth, g.size = 10, 2*g.size
		m := xpsnr.New[uint16](g.format, rate)
		samples := make([]uint16, g.size/2)
		var original, encoded []uint16
		g.add = func(frame []byte) xpsnr.Values {
			for i := range samples {
				samples[i] = binary.LittleEndian.Uint16(frame[2*i:])
			}
			original, encoded = separate(g.format, samples, original[:0], encoded[:0])
			return m.Add(original, encoded)
		}
		g.mean = m.Mean
	default:
		return nil, fault.New(fault.Internal, "frames of %s cannot be compared", r.PixelFormat)
	}
	g.frame = make([]byte, 0, g.size)
	return g, nil
}

// separate appends the upper and the lower half of each plane.
func separate[S xpsnr.Sample](f xpsnr.Format, both, upper, lower []S) (_, _ []S) {
	for _, p := range f.Planes() {
		n := p.Width * p.Height
		upper, lower = append(upper, both[:n]...), append(lower, both[n:2*n]...)
		both = both[2*n:]
	}
	return upper, lower
}

func (g *xpsnrGauge) Write(data []byte) (int, error) {
	written := len(data)
	for len(data) > 0 {
		n := min(len(data), g.size-len(g.frame))
		g.frame, data = append(g.frame, data[:n]...), data[n:]
		if len(g.frame) < g.size {
			break
		}
		g.q.include(g.add(g.frame).Min())
		g.frame = g.frame[:0]
	}
	return written, nil
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
