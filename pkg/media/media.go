// Package media defines values that describe video, audio and time throughout mapreel: exact time
// (Ticks, Rational, Instant), colour and HDR metadata, chapters, tags and sizes. It does no I/O and
// imports only the standard library.
package media

import "strings"

// Size is a width and a height in pixels.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Color describes how sample values map to light, with ffmpeg's names. A field that the source does
// not declare is "".
type Color struct {
	Range          string `json:"range,omitempty"`          // "tv" or "pc"
	Space          string `json:"space,omitempty"`          // the matrix: "bt709", "bt2020nc", …
	Transfer       string `json:"transfer,omitempty"`       // "bt709", "smpte2084", …
	Primaries      string `json:"primaries,omitempty"`      // "bt709", "bt2020", …
	ChromaLocation string `json:"chromaLocation,omitempty"` // "left", "topleft", …
}

// HDR reports whether the transfer function is one of high dynamic range: PQ (SMPTE ST 2084) or HLG
// (ARIB STD-B67).
func (c Color) HDR() bool { return c.Transfer == "smpte2084" || c.Transfer == "arib-std-b67" }

// HDR is the static metadata of HDR10. A part that the source does not have is nil.
type HDR struct {
	Mastering *Mastering    `json:"mastering,omitempty"`
	Light     *ContentLight `json:"light,omitempty"`
}

// Mastering is the display on which the film was graded (SMPTE ST 2086), in the units of H.265,
// annex D.2.28, and of the box mdcv (ISO/IEC 14496-12, 12.1.7).
type Mastering struct {
	Red   [2]int64 `json:"red"` // x and y, in 1/50000
	Green [2]int64 `json:"green"`
	Blue  [2]int64 `json:"blue"`
	White [2]int64 `json:"white"`
	Max   int64    `json:"max"` // luminance in 1/10000 cd/m²
	Min   int64    `json:"min"`
}

// ContentLight is the content light level (CTA-861.3; the box clli of ISO/IEC 14496-12, 12.1.6), in
// cd/m².
type ContentLight struct {
	MaxCLL  int64 `json:"maxCLL"`  // the brightest pixel
	MaxFALL int64 `json:"maxFALL"` // the brightest frame's average
}

// Chapter is a named part of the film, in microseconds. In the result of a probe they count on the
// source's own clock. Everywhere else they count on the output's timeline, whose 0 is the source's
// origin.
type Chapter struct {
	Start Ticks  `json:"start"`
	End   Ticks  `json:"end"`
	Title string `json:"title,omitempty"`
}

// Tag is a text about the whole film, with ffmpeg's name for it: artist, album.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// RGB reports whether the samples of a pixel format, by ffmpeg's name, are red, green and blue, not
// luma and chroma.
func RGB(pixelFormat string) bool {
	for _, prefix := range []string{"gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"} {
		if strings.HasPrefix(pixelFormat, prefix) {
			return true
		}
	}
	return false
}
