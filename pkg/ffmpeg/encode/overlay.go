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

// laid returns the filters that lay the overlay of rendition i over its frames, which have been scaled, and draw subtitles over them.
func (v Video) laid(i int) []string {
	r := v.Renditions[i]
	input := slices.IndexFunc(v.overlays(), func(o ffmpeg.Overlay) bool { return o.Path == r.Overlay.Path })
	burn := r.Burn.Filter(media.Size{Width: r.Width, Height: r.Height}, r.SAR)
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
