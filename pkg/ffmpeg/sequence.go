package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// Sequence describes how a folder of numbered image files is read as video. Its files are named by
// SequenceName, and follow each other without a gap. Frame n of the sequence is at n ticks of 1/Rate.
type Sequence struct {
	Extension string         `json:"extension"` // of the files: "png"; it selects the decoder
	Rate      media.Rational `json:"rate"`      // frames a second
	// Alpha declares that frames may be transparent. They are laid over Background.
	Alpha bool `json:"alpha,omitempty"`
	Deep  bool `json:"deep,omitempty"` // more than 8 bits a sample
	// Mixed declares that samples are not stored alike in all frames, as where grey ones have one channel.
	Mixed bool `json:"mixed,omitempty"`
	// Background is the colour behind transparent frames, as sRGB; the zero value is black.
	Background [3]uint8 `json:"background,omitzero"`
}

// SequenceName returns the name of file i, from 0, in the folder of a sequence.
func SequenceName(i int, extension string) string { return fmt.Sprintf("%08d.%s", i, extension) }

// linear reports whether samples are proportional to light, as those of EXR are. Their colours have been multiplied by alpha.
func (s Sequence) linear() bool { return s.Extension == "exr" }

// Converted returns the pixel format of the frames after Filters, and its bits per sample; "" for that of the files.
func (s Sequence) Converted() (format string, depth int) {
	switch {
	case !s.Alpha && !s.Mixed && !s.linear():
		return "", 0
	case s.Deep || s.linear():
		return "gbrp16le", 16
	}
	return "gbrp", 8
}

// Filters returns the filters that every reader of the sequence puts first: they make opaque frames of one format.
// The first is scale, the only one that accepts frames that change.
func (s Sequence) Filters() []string {
	format, _ := s.Converted()
	if format == "" {
		return nil
	}
	chain := []string{"scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"}
	if s.Alpha && !s.linear() {
		chain = append(chain, "format="+strings.Replace(format, "gbr", "gbra", 1), "premultiply=inplace=1")
		if b := s.Background; b != [3]uint8{} {
			// What transparency leaves of the background is added to each colour.
			share := func(v uint8) string { return strconv.FormatFloat(float64(v)/255, 'f', 6, 64) }
			chain = append(chain, "lutrgb=a=maxval-val",
				fmt.Sprintf("colorchannelmixer=ra=%s:ga=%s:ba=%s", share(b[0]), share(b[1]), share(b[2])))
		}
	}
	return append(chain, "format="+format)
}

// options returns the arguments before -i that read the sequence in a folder whose first file is frame first.
func (s Sequence) options(first int64) []string {
	var args []string
	if first != 0 { // rounded to the nearest tick by ffmpeg
		us, _ := media.Rational{Num: s.Rate.Den, Den: s.Rate.Num}.CeilMicroseconds(media.Ticks(first))
		args = append(args, "-itsoffset", strconv.FormatInt(us, 10)+"us")
	}
	if s.linear() {
		// The transfer function of sRGB. Light brighter than white is clipped.
		args = append(args, "-apply_trc", "iec61966_2_1")
	}
	return append(args, "-framerate", s.Rate.String(), "-pattern_type", "sequence", "-start_number", "0")
}

// url returns the argument of -i for the sequence in a folder.
func (s Sequence) url(folder string) string {
	return strings.ReplaceAll(folder, "%", "%%") + "/%08d." + s.Extension
}

// Describe corrects what ffprobe says of the files for what Filters makes of them: the pixel format, its bits per sample,
// and the colours. Samples count as ready for display: what an RGB file says of its light is left out, because a scanner's DPX
// declares "linear" or "log" where none is meant.
func (s Sequence) Describe(format *string, depth *int, color *media.Color) {
	if f, bits := s.Converted(); f != "" {
		*format, *depth = f, bits
		color.Range, color.Space = "", "" // RGB
	}
	if media.RGB(*format) {
		color.Transfer, color.Primaries = "", ""
	}
}
