package encode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Comparison is a rendition that was encoded, beside what its encoder got.
type Comparison struct {
	// From and To bound the frames of the chunk that count, From ≤ pts < To in ticks of Timebase; nil = open. The encoder also wrote
	// frames before and after them.
	From, To *int64
	Timebase media.Rational
	Measure  Measure
}

// Measure is how ffmpeg compares frames.
type Measure int

const (
	RawFrames     Measure = iota // not at all: standard output gets them, each original above its encoded frame
	EncodedFrames                // not at all: standard output gets the encoded frames alone, and the source is not read
	MeasureSSIM                  // standard output gets a line "lavfi.ssim.All=0.99" for each
	MeasureVMAF                  // the file VMAFLog gets them as JSON
)

// VMAFLog is the name, in the working folder, of what libvmaf writes.
const VMAFLog = "vmaf.json"

// CompareArgs returns the arguments of ffmpeg that decode v's source anew, shape its frames for v's only rendition as they were for its
// encoder, and compare them one by one with those in the rendition's file. Frames of both are counted, so their times do not matter.
// Raw frames have the rendition's PixelFormat; where originals are above encoded frames, they are twice as high.
func CompareArgs(v Video, c Comparison) []string {
	v.ContextFrames, v.Pictures, v.Packets = false, nil, ""
	r := v.Renditions[0]
	const count = "settb=1/25,setpts=N"
	encoded := append([]string{fmt.Sprintf("settb=%s", c.Timebase)}, trim(c.From, c.To)...)
	if option.Declared(r.PixelFormat) {
		encoded = append(encoded, r.keepRange()...)
		encoded = append(encoded, "format="+r.PixelFormat)
	}
	encoded = append(encoded, count)
	if c.Measure == EncodedFrames {
		args := append([]string{"-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats", "-copyts"}, chunkInput(v)...)
		return append(args, "-filter_complex", "[0:v:0]"+strings.Join(encoded, ",")+"[encoded]", "-map", "[encoded]", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1")
	}
	graph := fmt.Sprintf("%s;[v0]%s,setsar=1[original];[%d:v:0]%s,setsar=1[encoded]", v.filters(), count, 1+len(v.overlays()), strings.Join(encoded, ","))
	output := []string{"-f", "null", "-"}
	switch c.Measure {
	case RawFrames:
		graph += ";[original][encoded]vstack=shortest=1[compared]"
		output = []string{"-f", "rawvideo", "pipe:1"}
	case MeasureSSIM:
		graph += `;[encoded][original]ssim=shortest=1,metadata=mode=print:key=lavfi.ssim.All:file=pipe\\:1[compared]`
	case MeasureVMAF:
		graph += ";[encoded][original]libvmaf=shortest=1:log_fmt=json:log_path=" + VMAFLog + "[compared]"
	}
	args := []string{"-hide_banner", "-nostdin", "-loglevel", "warning", "-nostats"}
	args = append(args, v.inputArgs()[len(option.Progress()):]...) // what is compared goes to standard output
	args = append(args, chunkInput(v)...)
	args = append(args, "-filter_complex", graph, "-map", "[compared]", "-fps_mode", "passthrough")
	return append(args, output...)
}

// keepRange returns the filter without which a change of the pixel format would also change the range of the samples: to ffmpeg 5.1,
// a decoder's full range is a format of its own, yuvj420p.
func (r Rendition) keepRange() []string {
	if r.Color.Range != "pc" {
		return nil
	}
	return []string{"scale=in_range=pc:out_range=pc"}
}

// encodedSize returns the size of what the encoder gets, with bars.
func (r Rendition) encodedSize() media.Size {
	if r.Frame != (media.Size{}) {
		return r.Frame
	}
	return media.Size{Width: r.Width, Height: r.Height}
}

// chunkInput returns the options that read the file of v's only rendition.
func chunkInput(v Video) []string {
	r := v.Renditions[0]
	args := append([]string{"-threads", strconv.Itoa(max(v.Threads, 1))}, ffmpeg.DecodingLimits(r.encodedSize())...)
	return append(args, "-f", "mov", "-i", option.FileURL(r.Path))
}
