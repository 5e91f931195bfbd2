package ffmpeg

import "fmt"

// HDR is the static metadata of HDR10. The zero value means none.
type HDR struct {
	Mastering *Mastering
	Light     *Light
}

// Mastering is the display on which the film was graded (SMPTE ST 2086), in the units of H.265, annex D.2.28.
type Mastering struct {
	Red, Green, Blue, White [2]int64 // x and y, in 1/50000
	Max, Min                int64    // luminance in 1/10000 cd/m²
}

// Light is the content light level (CTA-861.3), in cd/m².
type Light struct {
	MaxCLL  int64 // the brightest pixel
	MaxFALL int64 // the brightest frame's average
}

func (h HDR) x264() string { return h.text("mastering-display", "cll") }

func (h HDR) x265() string { return h.text("master-display", "max-cll") }

// text is the form that x264 and x265 share: whole numbers in H.265's units.
func (h HDR) text(display, light string) string {
	text := ""
	if m := h.Mastering; m != nil {
		text = fmt.Sprintf("%s=G(%d,%d)B(%d,%d)R(%d,%d)WP(%d,%d)L(%d,%d)", display, m.Green[0], m.Green[1],
			m.Blue[0], m.Blue[1], m.Red[0], m.Red[1], m.White[0], m.White[1], m.Max, m.Min)
	}
	return h.withLight(text, light)
}

// svtav1 is SVT-AV1's form: decimal fractions.
func (h HDR) svtav1() string {
	text := ""
	if m := h.Mastering; m != nil {
		text = fmt.Sprintf("mastering-display=G(%s)B(%s)R(%s)WP(%s)L(%s,%s)", chroma(m.Green), chroma(m.Blue),
			chroma(m.Red), chroma(m.White), luminance(m.Max), luminance(m.Min))
	}
	return h.withLight(text, "content-light")
}

func (h HDR) withLight(text, option string) string {
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
