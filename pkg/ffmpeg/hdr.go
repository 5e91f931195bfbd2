package ffmpeg

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/media"
)

func x264HDR(h media.HDR) string { return hdrText(h, "mastering-display", "cll") }

func x265HDR(h media.HDR) string { return hdrText(h, "master-display", "max-cll") }

// hdrText returns the form that x264 and x265 share: whole numbers in H.265's units.
func hdrText(h media.HDR, display, light string) string {
	text := ""
	if m := h.Mastering; m != nil {
		text = fmt.Sprintf("%s=G(%d,%d)B(%d,%d)R(%d,%d)WP(%d,%d)L(%d,%d)", display, m.Green[0], m.Green[1],
			m.Blue[0], m.Blue[1], m.Red[0], m.Red[1], m.White[0], m.White[1], m.Max, m.Min)
	}
	return withContentLight(h, text, light)
}

// svtav1HDR returns SVT-AV1's form: decimal fractions.
func svtav1HDR(h media.HDR) string {
	text := ""
	if m := h.Mastering; m != nil {
		text = fmt.Sprintf("mastering-display=G(%s)B(%s)R(%s)WP(%s)L(%s,%s)", chroma(m.Green), chroma(m.Blue),
			chroma(m.Red), chroma(m.White), luminance(m.Max), luminance(m.Min))
	}
	return withContentLight(h, text, "content-light")
}

func withContentLight(h media.HDR, text, option string) string {
	if h.Light == nil {
		return text
	}
	if text != "" {
		text += ":"
	}
	return fmt.Sprintf("%s%s=%d,%d", text, option, h.Light.MaxCLL, h.Light.MaxFALL)
}

func chroma(xy [2]int64) string {
	return fmt.Sprintf("%d.%05d,%d.%05d", xy[0]/50000, xy[0]%50000*2, xy[1]/50000, xy[1]%50000*2)
}

func luminance(v int64) string { return fmt.Sprintf("%d.%04d", v/10000, v%10000) }
