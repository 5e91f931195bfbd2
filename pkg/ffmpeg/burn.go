package ffmpeg

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Burn is a script of Advanced SubStation Alpha that is drawn into frames, by their times. The zero value is none. Both are names in the
// working folder, of small letters, digits and hyphens.
type Burn struct{ Script, Fonts string }

// Filter returns the filter that draws b into frames of a size with a sample aspect ratio; "" for none.
func (b Burn) Filter(size media.Size, sar media.Rational) string {
	if !option.Declared(b.Script) || !option.Declared(b.Fonts) {
		return ""
	}
	text := "ass=filename=" + b.Script + ":fontsdir=" + b.Fonts
	if sar.Known() && sar.Num != sar.Den && size.Width > 0 && size.Height > 0 { // letters get the shape that they have in square pixels
		text += fmt.Sprintf(":original_size=%dx%d", max(media.Rescale(media.Ticks(size.Width), sar, media.Rational{Num: 1, Den: 1}), 1), size.Height)
	}
	return text
}
