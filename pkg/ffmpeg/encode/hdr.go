package encode

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/media"
)

// x264HDR returns x264's parameters for HDR10 metadata, or "".
func x264HDR(h media.HDR) string { return integerHDR(h, "mastering-display", "cll") }

// x265HDR returns x265's parameters for HDR10 metadata, or "".
func x265HDR(h media.HDR) string { return integerHDR(h, "master-display", "max-cll") }

// integerHDR formats HDR10 metadata as x264 and x265 do: integers in the units of H.265.
func integerHDR(h media.HDR, display, light string) string {
	text := ""
	if m := h.Mastering; m != nil {
		text = fmt.Sprintf("%s=G(%d,%d)B(%d,%d)R(%d,%d)WP(%d,%d)L(%d,%d)", display, m.Green[0], m.Green[1],
			m.Blue[0], m.Blue[1], m.Red[0], m.Red[1], m.White[0], m.White[1], m.Max, m.Min)
	}
	return withLight(text, light, h.Light)
}

// svtHDR returns SVT-AV1's parameters for HDR10 metadata, in decimal fractions, or "".
func svtHDR(h media.HDR) string {
	text := ""
	if m := h.Mastering; m != nil {
		text = fmt.Sprintf("mastering-display=G(%s)B(%s)R(%s)WP(%s)L(%s,%s)", chroma(m.Green), chroma(m.Blue),
			chroma(m.Red), chroma(m.White), luminance(m.Max), luminance(m.Min))
	}
	return withLight(text, "content-light", h.Light)
}

func withLight(text, name string, light *media.ContentLight) string {
	if light == nil {
		return text
	}
	if text != "" {
		text += ":"
	}
	return fmt.Sprintf("%s%s=%d,%d", text, name, light.MaxCLL, light.MaxFALL)
}

func chroma(xy [2]int64) string {
	return fmt.Sprintf("%d.%05d,%d.%05d", xy[0]/50000, xy[0]%50000*2, xy[1]/50000, xy[1]%50000*2)
}

func luminance(v int64) string { return fmt.Sprintf("%d.%04d", v/10000, v%10000) }
