package encode

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Pictures is a sequence of pictures of the video: those that ffmpeg's filter fps selects of the whole source. A segment gives the
// pictures that show its own frames, whose numbers continue those of the segment before. Each is a file of its own.
type Pictures struct {
	Rate   media.Rational // pictures a second
	Shown  bool           // picture k shows the last frame at or before k/Rate (fps with round=up), not the nearest
	Only   []int64        // the numbers of the pictures that are wanted, ascending; none = all
	Origin int64          // tick of the source from which pictures are counted: its first frame
	// End is the number after the last picture that the segment gives.
	End int64
	// Ahead is the tick after the segment from which the filter needs no frame; nil = there is none.
	Ahead *int64

	Region      ffmpeg.Region // of the source's frame to show; zero = all
	Filter      string        // for each frame by itself, as of a Rendition
	Scaled      media.Size    // of the video, in square pixels
	Size        media.Size    // of the picture: less than Scaled is cropped, more is black
	Deinterlace bool
	FromRGB     bool        // the source's samples are RGB
	PixelFormat string      // of the source
	Color       media.Color // of the source
	HD          bool        // whether undeclared colours are those of HD (BT.709), not of SD (BT.601)
	ToneMap     *ToneMap
	Format      string // "jpg", "png", "webp", "avif" or "qoi"
	Path        string // relative to the working folder, with %d for the picture's number
}

// filters returns the filters that select the pictures and shape them. start is the segment's.
func (p Pictures) filters(start *int64) string {
	var chain []string
	chain = append(chain, trim(start, p.Ahead)...)
	rounding := "near"
	if p.Shown {
		rounding = "up"
	}
	// The filter takes the last frame to be on screen for as long as one before it, and may give no picture of it. Clones keep it there.
	// With eof_action=pass it gets its picture even if it lasts for less than half of one.
	chain = append(chain, fmt.Sprintf("setpts=PTS-(%d),tpad=stop=%d:stop_mode=clone,fps=fps=%s:round=%s:eof_action=pass,trim=start_pts=0:end_pts=%d", p.Origin, maxClones, p.Rate, rounding, p.End),
		p.wanted()+strings.Join(append(append(p.Region.Filters(), chosen(p.Filter, p.Color, p.HD, "")...), p.shape()), ","))
	if p.slowly() {
		chain = append(chain, fmt.Sprintf("settb=1/1000000,setpts=round(T*%d/%d)", p.Rate.Num, p.Rate.Den))
	}
	return strings.Join(chain, ",")
}

// slowly reports whether the pictures need a timebase of less than a second all the same: libaom refuses others. Their numbers, which
// their timestamps are, do not change with it.
func (p Pictures) slowly() bool { return p.Format == "avif" && p.Rate.Den > p.Rate.Num }

// maxClones bounds the clones of the last frame, where a source declares a frame rate of its clock.
const maxClones = 1 << 16

// wanted returns the filter that leaves out pictures that are not wanted.
func (p Pictures) wanted() string {
	if len(p.Only) == 0 {
		return ""
	}
	var terms []string
	for _, n := range p.Only {
		if n < p.End {
			terms = append(terms, fmt.Sprintf("eq(pts,%d)", n))
		}
	}
	return "select='" + cmp.Or(strings.Join(terms, "+"), "0") + "',"
}

// Options of the scaler: pictures are small and few, so they get its best quality. bitexact makes it independent of the processor.
const pictureScaler = "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"

// shape returns the filters that make a picture of a frame: square pixels of its size, in the colours of its format.
func (p Pictures) shape() string {
	matrix, colours := ffmpeg.ScalerMatrix(p.Color.Space, p.HD), ""
	if !p.FromRGB {
		colours = ":in_color_matrix=" + matrix
		if option.Declared(p.Color.Range) {
			colours += ":in_range=" + p.Color.Range
		}
	}
	var chain []string
	if p.ToneMap != nil { // of the small picture, because it takes long
		small := fmt.Sprintf("scale=%d:%d:%s", p.Scaled.Width, p.Scaled.Height, pictureScaler)
		if p.Scaled.Width%2+p.Scaled.Height%2 > 0 {
			small += ",format=yuv444p12le" // zscale refuses odd sizes where chroma has half the resolution
		}
		chain = append(chain, small+","+p.ToneMap.filters()+",format=yuv444p")
		colours = ":in_color_matrix=bt709:in_range=tv"
	}
	scale := fmt.Sprintf("scale=%d:%d:%s%s", p.Scaled.Width, p.Scaled.Height, pictureScaler, colours)
	switch p.Format {
	case "jpg": // JFIF: BT.601 of full range
		if c := p.convertsYUV(matrix); c != "" {
			chain = append(chain, fmt.Sprintf("scale=%d:%d:%s,%s", p.Scaled.Width, p.Scaled.Height, pictureScaler, c), "scale=in_range=pc:out_range=pc:"+pictureScaler, "format=yuvj420p")
			break
		}
		chain = append(chain, scale+":out_color_matrix=bt601:out_range=pc", "format=yuvj420p")
	case "webp": // RFC 9649: BT.601 of limited range
		chain = append(chain, scale+":out_color_matrix=bt601:out_range=tv", "format=yuv420p")
	case "avif":
		chain = append(chain, scale+":out_color_matrix=bt709:out_range=tv", "format=yuv420p",
			"setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709")
	default:
		chain = append(chain, scale, "format=rgb24")
	}
	switch {
	case p.Scaled.Width > p.Size.Width || p.Scaled.Height > p.Size.Height:
		chain = append(chain, fmt.Sprintf("crop=%d:%d:exact=1", p.Size.Width, p.Size.Height))
	case p.Scaled != p.Size:
		chain = append(chain, fmt.Sprintf("pad=%d:%d:-1:-1", p.Size.Width, p.Size.Height))
	}
	return strings.Join(append(chain, "setsar=1"), ",")
}

// convertsYUV returns the filter that makes JFIF's colours of those of HD video, or "" where only the scaler can, which takes seven times
// as long: it goes through RGB at the full resolution of chroma.
func (p Pictures) convertsYUV(matrix string) string {
	if matrix != "bt709" || p.PixelFormat != "yuv420p" || p.FromRGB || p.ToneMap != nil || p.Scaled.Width%2+p.Scaled.Height%2 > 0 {
		return ""
	}
	from := "tv"
	if option.Declared(p.Color.Range) {
		from = p.Color.Range
	}
	// Equal primaries and transfer leave the matrix and the range to convert.
	return "colorspace=ispace=bt709:iprimaries=bt709:itrc=bt709:irange=" + from + ":space=smpte170m:primaries=bt709:trc=bt709:range=pc:fast=1"
}

// options returns the arguments of the output that writes the pictures.
func (p Pictures) options() []string {
	timebase := fmt.Sprintf("%d:%d", p.Rate.Den, p.Rate.Num)
	if p.slowly() {
		timebase = "1:1000000"
	}
	args := []string{
		"-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough", "-enc_time_base", timebase,
	}
	e := pictureEncoders[p.Format]
	args = append(append(args, "-c:v", e.name), e.options...)
	return append(args, "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-avoid_negative_ts", "disabled",
		"-f", "image2", "-frame_pts", "1", p.Path)
}

// pictureEncoders are the encoders of the formats of pictures.
var pictureEncoders = map[string]struct {
	name    string
	options []string
}{
	"jpg":  {"mjpeg", []string{"-q:v", "3", "-huffman", "optimal"}},
	"png":  {"png", []string{"-pred", "mixed", "-compression_level", "6"}},
	"webp": {"libwebp", []string{"-quality", "80", "-compression_level", "4"}},
	"avif": {"libaom-av1", []string{"-usage", "allintra", "-cpu-used", "8", "-crf", "28", "-g", "0", "-row-mt", "0", "-tiles", "1x1"}},
	"qoi":  {"qoi", nil},
}

// PictureEncoder returns the name of ffmpeg's encoder for pictures of a format.
func PictureEncoder(format string) string { return pictureEncoders[format].name }

// pictureLabel is the label of a sequence of pictures in the graph.
func pictureLabel(i int) string { return "p" + strconv.Itoa(i) }
