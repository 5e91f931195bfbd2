// Package plot draws reports of package verify.
package plot

import (
	"fmt"
	"html"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/verify"
)

// Dimensions of the plot, in SVG units.
const (
	plotWidth, plotHeight   = 1000, 420
	plotLeft, plotRight     = 64, 24
	plotTop, plotBottom     = 84, 56
	innerWidth, innerHeight = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	maxKeyframeLines        = 400 // more would merge into a grey area
	plotStep, maxPlotSteps  = 5, 8
	maxPlotPSNR             = 60 // dB; higher values are invisible to viewers, and equal frames would compress the rest
)

// Draw draws the PSNR of a report over time as SVG. A line shows the mean of each column of the drawing, a band its
// range, and another line that of the encode which the output is compared with, if there is one. Keyframes of the output
// are faint lines, seams and encoder starts strong ones. A ring marks the lowest frame. Ranges of frames that are wrong,
// broken, missing or added are shaded from top to bottom. The legend names what is drawn, and nothing else. The drawing
// follows the reader's light or dark colour scheme.
func Draw(r verify.Report) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight, plotWidth, plotHeight)
	b.WriteString(`<style>
.paper{fill:#fff}.ink{fill:#24292f}.soft{fill:#57606a}.grid{stroke:#d8dee4}.axis{stroke:#57606a}
.band{fill:#0969da;opacity:.25}.line{fill:none;stroke:#0969da;stroke-width:1.4;stroke-linejoin:round}
.key{stroke:#8c959f;opacity:.45;stroke-dasharray:2 4}.seam{stroke:#bc6c00;opacity:.85;stroke-dasharray:6 3}
.low{fill:none;stroke:#cf222e;stroke-width:2}.bad{fill:#cf222e;opacity:.3}.edit{fill:#8250df;opacity:.45}.lowtext{fill:#cf222e}
.other{fill:none;stroke:#1a7f37;stroke-width:1.2;stroke-dasharray:5 2}.aim{stroke:#8250df;stroke-width:2}
@media (prefers-color-scheme:dark){.paper{fill:#0d1117}.ink{fill:#e6edf3}.soft{fill:#9198a1}.grid{stroke:#2a313c}.axis{stroke:#9198a1}
.band{fill:#4493f8}.line{stroke:#4493f8}.key{stroke:#6e7681}.seam{stroke:#e3a03c}.low{stroke:#f85149}.bad,.lowtext{fill:#f85149}.edit{fill:#ab7df8}.other{stroke:#3fb950}.aim{stroke:#ab7df8}}
</style>
`)
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d"/>`+"\n", plotWidth, plotHeight)
	title := fmt.Sprintf("%s against %s", filepath.Base(r.Output), filepath.Base(r.Source))
	fmt.Fprintf(&b, `<text class="ink" x="%d" y="24" font-size="15" font-weight="600">%s</text>`+"\n", plotLeft, escapeXML(truncate(title, 100)))
	if r.Video == nil || len(r.Video.Series) == 0 {
		why := "no video was compared"
		if r.Video != nil {
			why = "the video was not compared: " + r.Video.Compared
		}
		fmt.Fprintf(&b, `<text class="soft" x="%d" y="%d">%s</text>`+"\n</svg>\n", plotLeft, plotHeight/2, escapeXML(why))
		return []byte(b.String())
	}
	p := r.Video
	columns := columnsOf(p.Series)
	all := columns
	var other []column
	if r.Against != nil && len(r.Against.Series) > 0 {
		other = columnsOf(r.Against.Series)
		all = append(append([]column{}, columns...), other...)
	}
	a := axesOf(p.Series, append(slices.Clone(all), steps(p.Quality)...))
	a.draw(&b)
	var legend legend
	drawRanges(&b, a, p, &legend)
	drawSeams(&b, a, p.Seams, &legend)
	drawSeries(&b, a, columns, &legend)
	drawOther(&b, a, other, r, &legend)
	drawTarget(&b, a, p.Quality, &legend)
	drawLowest(&b, a, p)
	drawLegend(&b, p, legend)
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// column is a vertical strip of the drawing.
type column struct {
	at              time.Duration // of its first frame
	low, high, mean float64
}

// columnsOf groups the series into at most as many columns as the drawing can show.
func columnsOf(series []verify.Point) []column {
	first, last := series[0].At, series[len(series)-1].At
	span := max(last-first, 1)
	var list []column
	n, place := 0, -1
	for _, point := range series {
		v := float64(point.PSNR)
		here := int(float64(point.At-first) / float64(span) * innerWidth)
		if here != place || len(list) == 0 {
			list, n, place = append(list, column{point.At, v, v, v}), 1, here
			continue
		}
		c := &list[len(list)-1]
		n++
		c.low, c.high, c.mean = min(c.low, v), max(c.high, v), c.mean+(v-c.mean)/float64(n)
	}
	return list
}

// axes converts times and decibels to coordinates.
type axes struct {
	from, to       time.Duration
	floor, ceiling float64
	step           float64
}

func axesOf(series []verify.Point, columns []column) axes {
	a := axes{from: series[0].At, to: series[len(series)-1].At, floor: math.Inf(1), ceiling: math.Inf(-1)}
	if a.to <= a.from {
		a.to = a.from + time.Second
	}
	for _, c := range columns {
		a.floor, a.ceiling = min(a.floor, c.low), max(a.ceiling, c.high)
	}
	a.step = plotStep
	if a.ceiling-a.floor < 2*plotStep {
		a.step = 2
	}
	for (a.ceiling-a.floor)/a.step > maxPlotSteps {
		a.step *= 2
	}
	a.floor = max(math.Floor((a.floor-a.step/4)/a.step)*a.step, 0)
	a.ceiling = min(a.ceiling, max(a.floor+2*a.step, maxPlotPSNR))
	a.ceiling = math.Ceil((a.ceiling+a.step/4)/a.step) * a.step
	return a
}

func (a axes) x(at time.Duration) float64 {
	return plotLeft + float64(at-a.from)/float64(a.to-a.from)*innerWidth
}

func (a axes) y(psnr float64) float64 {
	return plotTop + (a.ceiling-min(psnr, a.ceiling))/(a.ceiling-a.floor)*innerHeight
}

// timeSteps are the readable distances between marks of the time axis.
var timeSteps = []time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
}

func (a axes) draw(b *strings.Builder) {
	for v := a.floor; v <= a.ceiling+a.step/2; v += a.step {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotWidth-plotRight, a.y(v), a.y(v))
		fmt.Fprintf(b, `<text class="soft" x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", plotLeft-8, a.y(v)+4, v)
	}
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if (a.to-a.from)/s <= 10 {
			step = s
			break
		}
	}
	base := plotTop + innerHeight
	for at := (a.from + step - 1).Truncate(step); at <= a.to; at += step {
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, a.x(at), a.x(at), base, base+5)
		fmt.Fprintf(b, `<text class="soft" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", a.x(at), base+20, timeMark(at, step))
	}
	fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`+"\n", plotLeft, plotWidth-plotRight, base, base)
	fmt.Fprintf(b, `<text class="soft" x="%d" y="%d" text-anchor="middle">time after the first frame</text>`+"\n", plotLeft+innerWidth/2, base+42)
	fmt.Fprintf(b, `<text class="soft" transform="translate(18 %d) rotate(-90)" text-anchor="middle">PSNR, dB</text>`+"\n", plotTop+innerHeight/2)
}

// timeMark formats a time with as many digits as the distance between marks needs.
func timeMark(at, step time.Duration) string {
	full := verify.ClockTime(at)
	if step >= time.Second {
		return full[:len(full)-3]
	}
	return full
}

func drawSeams(b *strings.Builder, a axes, seams []verify.Seam, l *legend) {
	few := len(seams) <= maxKeyframeLines
	var keys, starts, joins int
	for i, s := range seams {
		at := time.Duration(s.At)
		strong := s.Restart || s.Joined
		if i == 0 || at < a.from || at > a.to || !strong && !few {
			continue
		}
		class := "key"
		switch {
		case s.Joined:
			class = "seam"
			joins++
		case s.Restart:
			class = "seam"
			starts++
		default:
			keys++
		}
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", class, a.x(at), a.x(at), plotTop, plotTop+innerHeight)
	}
	l.line("key", "keyframe", keys)
	l.line("seam", "encoder start", starts)
	l.line("seam", "segments meet", joins)
}

func drawSeries(b *strings.Builder, a axes, columns []column, l *legend) {
	var upper, lower, line strings.Builder
	frames := false
	for i, c := range columns {
		fmt.Fprintf(&upper, "%.1f,%.1f ", a.x(c.at), a.y(c.high))
		d := columns[len(columns)-1-i]
		fmt.Fprintf(&lower, "%.1f,%.1f ", a.x(d.at), a.y(d.low))
		fmt.Fprintf(&line, "%.1f,%.1f ", a.x(c.at), a.y(c.mean))
		frames = frames || c.low < c.high
	}
	if frames { // a column has more than one frame
		fmt.Fprintf(b, `<polygon class="band" points="%s%s"/>`+"\n", upper.String(), lower.String())
		l.area("band", "lowest to highest", 1)
	}
	fmt.Fprintf(b, `<polyline class="line" points="%s"/>`+"\n", line.String())
	l.line("line", "PSNR", 1)
}

// drawOther draws the mean of the encode that the output is compared with.
func drawOther(b *strings.Builder, a axes, columns []column, r verify.Report, l *legend) {
	if len(columns) == 0 {
		return
	}
	var line strings.Builder
	for _, c := range columns {
		if c.at >= a.from && c.at <= a.to {
			fmt.Fprintf(&line, "%.1f,%.1f ", a.x(c.at), a.y(c.mean))
		}
	}
	fmt.Fprintf(b, `<polyline class="other" points="%s"/>`+"\n", line.String())
	l.line("other", fmt.Sprintf("other encode, mean %.2f dB", r.Against.PSNR.Mean), 1)
}

// span is a range of the time axis.
type span struct{ from, to time.Duration }

// spans joins frames that follow each other to ranges. A frame is a range as long as the frames' distance.
func spans(frames []int, times []time.Duration, frame time.Duration) []span {
	var list []span
	last := -1
	for i, n := range frames {
		if last >= 0 && n == last+1 {
			list[len(list)-1].to = times[i] + frame
		} else if n != last {
			list = append(list, span{times[i], times[i] + frame})
		}
		last = n
	}
	return list
}

// minRangeWidth is how wide a range is drawn at least, in SVG units, so that a single frame is seen.
const minRangeWidth = 3

// drawRanges shades what is wrong.
func drawRanges(b *strings.Builder, a axes, p *verify.Video, l *legend) {
	frame := (a.to - a.from) / time.Duration(max(len(p.Series)-1, 1))
	shade := func(class, text string, list []span) {
		for _, s := range list {
			x := min(max(a.x(s.from), plotLeft), plotLeft+innerWidth-minRangeWidth)
			width := max(min(a.x(s.to), plotLeft+innerWidth)-x, minRangeWidth)
			fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", class, x, plotTop, width, innerHeight)
		}
		l.area(class, text, len(list))
	}
	bad := map[int]time.Duration{}
	for _, w := range p.Wrong {
		bad[w.Frame] = time.Duration(w.At)
	}
	for _, w := range p.Broken {
		bad[w.Frame] = time.Duration(w.At)
	}
	frames := slices.Sorted(maps.Keys(bad))
	times := make([]time.Duration, len(frames))
	for i, n := range frames {
		times[i] = bad[n]
	}
	shade("bad", "wrong or broken frames", spans(frames, times, frame))
	var edits []span
	for _, e := range p.Edits {
		edits = append(edits, span{time.Duration(e.At), time.Duration(e.Until) + frame})
	}
	shade("edit", "missing or added frames", edits)
}

// drawLowest marks the lowest frame.
func drawLowest(b *strings.Builder, a axes, p *verify.Video) {
	low := p.PSNR.Min
	x, y := a.x(time.Duration(low.At)), a.y(low.Value)
	anchor, dx := "start", 6.0
	if x > plotLeft+innerWidth*3/4 {
		anchor, dx = "end", -6
	}
	dy := 18.0
	if y+dy > plotTop+innerHeight {
		dy = -8
	}
	fmt.Fprintf(b, `<circle class="low" cx="%.1f" cy="%.1f" r="4.5"/>`, x, y)
	fmt.Fprintf(b, `<text class="lowtext" x="%.1f" y="%.1f" text-anchor="%s">%.2f dB, frame %d</text>`+"\n", x+dx, y+dy, anchor, low.Value, low.Frame)
}

// legend is what was drawn, in the order of the legend.
type legend []legendEntry

type legendEntry struct {
	class, text string
	area        bool
}

func (l *legend) line(class, text string, n int) {
	if n > 0 {
		*l = append(*l, legendEntry{class, text, false})
	}
}

func (l *legend) area(class, text string, n int) {
	if n > 0 {
		*l = append(*l, legendEntry{class, text, true})
	}
}

func drawLegend(b *strings.Builder, p *verify.Video, l legend) {
	text := fmt.Sprintf("mean %.2f dB, lowest %.2f dB, %s", p.PSNR.Mean, p.PSNR.Min.Value, verify.Plural(p.OutputFrames, "frame"))
	fmt.Fprintf(b, `<text class="soft" x="%d" y="44">%s</text>`, plotLeft, text)
	x := plotLeft
	for _, e := range l {
		if e.area {
			fmt.Fprintf(b, `<rect class="%s" x="%d" y="60" width="22" height="10"/>`, e.class, x)
		} else {
			fmt.Fprintf(b, `<line class="%s" x1="%d" x2="%d" y1="65" y2="65" stroke-width="1.5"/>`, e.class, x, x+22)
		}
		fmt.Fprintf(b, `<text class="soft" x="%d" y="69">%s</text>`+"\n", x+27, escapeXML(e.text))
		x += 7*len(e.text) + 42
	}
}

// escapeXML returns a text as XML may hold it: file names may contain any bytes.
func escapeXML(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xfffe || r == 0xffff {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	return html.EscapeString(s)
}

// truncate shortens a text to length characters.
func truncate(s string, length int) string {
	runes := []rune(s)
	if len(runes) <= length {
		return s
	}
	return string(runes[:length-1]) + "…"
}
