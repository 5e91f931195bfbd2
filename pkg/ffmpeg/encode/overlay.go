package encode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// overlays returns the files of the renditions' overlays, each once: the inputs after the first.
func (v Video) overlays() (list []ffmpeg.Overlay) {
	for _, r := range v.Renditions {
		known := func(o ffmpeg.Overlay) bool { return o.Path == r.Overlay.Path }
		if r.Overlay.Path != "" && !slices.ContainsFunc(list, known) {
			list = append(list, r.Overlay)
		}
	}
	return list
}

// Burn is a script of Advanced SubStation Alpha that is drawn into frames, by their times. The zero value is none. Both are names in the
// working folder, of small letters, digits and hyphens.
type Burn struct{ Script, Fonts string }

// filter returns the filter that draws b into frames of a size with a sample aspect ratio; "" for none.
func (b Burn) filter(size media.Size, sar media.Rational) string {
	if !option.Declared(b.Script) || !option.Declared(b.Fonts) {
		return ""
	}
	text := "ass=filename=" + b.Script + ":fontsdir=" + b.Fonts
	if sar.Known() && sar.Num != sar.Den && size.Width > 0 && size.Height > 0 { // letters get the shape that they have in square pixels
		text += fmt.Sprintf(":original_size=%dx%d", max(media.Rescale(media.Ticks(size.Width), media.Rational{Num: sar.Den, Den: sar.Num}, media.Rational{Num: 1, Den: 1}), 1), size.Height)
	}
	return text
}

// laid returns the filters that lay the overlay of rendition i over its frames, which have been scaled, and draw subtitles over them.
func (v Video) laid(i int) []string {
	r := v.Renditions[i]
	input := slices.IndexFunc(v.overlays(), func(o ffmpeg.Overlay) bool { return o.Path == r.Overlay.Path })
	burn := r.Burn.filter(media.Size{Width: r.Width, Height: r.Height}, r.SAR)
	if input < 0 && burn == "" {
		return nil
	}
	// The filters take no format that interleaves samples.
	format, colours := "yuv420p", "tv"
	if strings.Contains(r.PixelFormat, "10") {
		format = "yuv420p10le"
	}
	if option.Declared(r.Color.Range) {
		colours = r.Color.Range
	}
	chain := []string{"format=" + format}
	if input >= 0 {
		tb, around := v.Timebase, int64(0)
		switch {
		case r.Grid != nil:
			tb = media.Rational{Num: r.Grid.Rate.Den, Den: r.Grid.Rate.Num}
		case v.Start != nil:
			around = *v.Start
		}
		chain = append(chain, r.Overlay.Filters(1+input, fmt.Sprintf("o%d", i), tb, around, format, ffmpeg.ScalerMatrix(r.Color.Space, r.HD), colours)...)
	}
	if burn != "" {
		chain = append(chain, burn)
	}
	return chain
}
