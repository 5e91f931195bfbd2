package join

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/media"
)

// cue is a text and when it is shown, in microseconds of the film.
type cue struct {
	start, end media.Ticks
	settings   string // of WebVTT, after the times
	text       string
}

// seamReach is how far from a seam, in microseconds, the two parts of a cue that it cut may end and begin.
const seamReach = 250_000

// Cues joins the cues of pieces. format is ".srt" or ".vtt". A cue that the seam between two pieces cut, and that both pieces have, is one
// again; one that reaches beyond the end of its piece ends where the next one begins.
func Cues(w io.Writer, format string, pieces Pieces) error {
	out := &cueWriter{w: bufio.NewWriter(w), vtt: format == ".vtt"}
	first := true
	for p, err := range pieces {
		if err != nil {
			return err
		}
		data, err := p.read()
		if err != nil {
			return err
		}
		header, cues, err := parseCues(p, data, out.vtt)
		if err != nil {
			return err
		}
		if first {
			out.begin(header)
			first = false
		}
		for i, c := range cues {
			out.add(c, i == 0, p)
		}
	}
	if first {
		out.begin("")
	}
	out.flush()
	return out.w.Flush()
}

// cueWriter writes cues. It keeps those back that the next piece may complete, and all after them.
type cueWriter struct {
	w      *bufio.Writer
	vtt    bool
	number int
	held   []*heldCue
}

// heldCue is a cue that is not written yet.
type heldCue struct {
	cue
	seam media.Ticks // the end of its piece
}

// touches reports whether the cue may go on in the next piece.
func (h *heldCue) touches() bool { return h.end >= h.seam-seamReach }

// begin writes the header of WebVTT, with the styles and regions of the first piece.
func (o *cueWriter) begin(header string) {
	if o.vtt {
		_, _ = o.w.WriteString("WEBVTT\n\n" + header) // Flush returns the error
	}
}

// add takes the next cue; first says that it is the first of its piece.
func (o *cueWriter) add(c cue, first bool, p Piece) {
	early := c.start <= p.Start+seamReach
	if early && o.complete(c, p) {
		return
	}
	if first {
		o.shorten(c.start)
	}
	for len(o.held) > 0 {
		h := o.held[0]
		if waits := early || h.seam >= p.End; waits && h.touches() {
			break
		}
		o.write(h.cue)
		o.held = o.held[1:]
	}
	o.held = append(o.held, &heldCue{c, p.End})
}

// shorten ends the cues that reach beyond their piece where the next piece's first cue begins.
func (o *cueWriter) shorten(next media.Ticks) {
	for _, h := range o.held {
		if h.seam > 0 && h.end > h.seam {
			h.end = max(min(h.end, next), h.start)
		}
	}
}

// complete makes a cue one with that of an earlier piece which it continues, if there is one.
func (o *cueWriter) complete(c cue, p Piece) bool {
	for _, h := range o.held {
		if h.seam <= p.Start && h.text == c.text && h.touches() && c.start-h.end <= seamReach {
			h.end, h.seam = max(h.end, c.end), p.End
			return true
		}
	}
	return false
}

// flush writes the cues that were kept back.
func (o *cueWriter) flush() {
	for _, h := range o.held {
		o.write(h.cue)
	}
	o.held = nil
}

func (o *cueWriter) write(c cue) {
	o.number++
	point := ","
	if o.vtt {
		point = "."
	} else {
		_, _ = fmt.Fprintln(o.w, o.number)
	}
	settings := ""
	if c.settings != "" {
		settings = " " + c.settings
	}
	_, _ = fmt.Fprintf(o.w, "%s --> %s%s\n%s\n\n", formatTime(c.start, point), formatTime(c.end, point), settings, c.text)
}

// formatTime returns a time in the form of SRT and WebVTT.
func formatTime(t media.Ticks, point string) string {
	ms := (max(t, 0) + 500) / 1000
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, point, ms%1000)
}

// timing matches the line of a cue's times. WebVTT may leave out the hours, and some write SRT with a point.
var timing = regexp.MustCompile(`^\s*((?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3})\s*-->\s*((?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3})[ \t]*(.*?)\s*$`)

// parseCues reads a file of SRT or WebVTT. header is what WebVTT says of styles and regions.
func parseCues(p Piece, data []byte, vtt bool) (header string, cues []cue, err error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return "", nil, p.corrupt("its text is not UTF-8")
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	if vtt && !strings.HasPrefix(text, "WEBVTT") && strings.TrimSpace(text) != "" {
		return "", nil, p.corrupt("it does not begin with WEBVTT")
	}
	for block := range strings.SplitSeq(text, "\n\n") {
		lines := strings.Split(strings.Trim(block, "\n"), "\n")
		at := 0
		for at < len(lines) && at < 2 && !strings.Contains(lines[at], "-->") {
			at++
		}
		if at == len(lines) || at == 2 {
			switch {
			case vtt && (strings.HasPrefix(lines[0], "STYLE") || strings.HasPrefix(lines[0], "REGION")):
				header += strings.Join(lines, "\n") + "\n\n"
			case vtt && (strings.HasPrefix(lines[0], "NOTE") || strings.HasPrefix(lines[0], "WEBVTT")), strings.TrimSpace(block) == "":
			default:
				return "", nil, p.corrupt("%.60q is no cue: it has no line with -->", lines[0])
			}
			continue
		}
		m := timing.FindStringSubmatch(lines[at])
		if m == nil {
			return "", nil, p.corrupt("%.60q are no times of a cue", lines[at])
		}
		c := cue{start: p.Start + parseTime(m[1]), end: p.Start + parseTime(m[2]), settings: m[3], text: strings.Join(lines[at+1:], "\n")}
		if c.end < c.start {
			return "", nil, p.corrupt("a cue ends before it begins: %.60s", lines[at])
		}
		cues = append(cues, c)
	}
	return header, cues, nil
}

// parseTime reads what timing has matched, in microseconds.
func parseTime(s string) media.Ticks {
	clock, fraction, _ := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	var seconds int64
	for part := range strings.SplitSeq(clock, ":") {
		n, _ := strconv.ParseInt(part, 10, 32) // of digits; a year of hours fits
		seconds = seconds*60 + n
	}
	micros, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	return media.Ticks(seconds*1_000_000 + micros)
}
