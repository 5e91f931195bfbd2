package verify

import (
	"fmt"
	"html"
	"math"
	"path/filepath"
	"strings"
	"time"
)

// Dimensions of the plot, in SVG units.
const (
	plotWidth, plotHeight   = 1000, 420
	plotLeft, plotRight     = 64, 24
	plotTop, plotBottom     = 64, 56
	innerWidth, innerHeight = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	maxKeyframeLines        = 400 // more would merge into a grey area
	plotStep, maxPlotSteps  = 5, 8
	maxPlotPSNR             = 60 // dB; higher values are invisible to viewers, and equal frames would compress the rest
)

// Plot draws the PSNR of a report over time as SVG. A line shows the mean of each column of the
// drawing, a band its range. Keyframes of the output are faint lines, encoder starts strong ones. A
// ring marks the lowest frame, crosses mark wrong and broken frames. The drawing follows the
// reader's light or dark colour scheme.
func Plot(r Report) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight, plotWidth, plotHeight)
	b.WriteString(`<style>
.paper{fill:#fff}.ink{fill:#24292f}.soft{fill:#57606a}.grid{stroke:#d8dee4}.axis{stroke:#57606a}
.band{fill:#0969da;opacity:.25}.line{fill:none;stroke:#0969da;stroke-width:1.4;stroke-linejoin:round}
.key{stroke:#8c959f;opacity:.45;stroke-dasharray:2 4}.seam{stroke:#bc6c00;opacity:.85;stroke-dasharray:6 3}
.low{fill:none;stroke:#cf222e;stroke-width:2}.bad{stroke:#cf222e;stroke-width:1.6}.lowtext{fill:#cf222e}
@media (prefers-color-scheme:dark){.paper{fill:#0d1117}.ink{fill:#e6edf3}.soft{fill:#9198a1}.grid{stroke:#2a313c}.axis{stroke:#9198a1}
.band{fill:#4493f8}.line{stroke:#4493f8}.key{stroke:#6e7681}.seam{stroke:#e3a03c}.low,.bad{stroke:#f85149}.lowtext{fill:#f85149}}
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
	a := axesOf(p.Series, columns)
	a.draw(&b)
	drawSeams(&b, a, p.Seams)
	drawSeries(&b, a, columns)
	drawMarks(&b, a, p)
	drawLegend(&b, p)
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// column is a vertical strip of the drawing.
type column struct {
	at              time.Duration // of its first frame
	low, high, mean float64
}

// columnsOf groups the series into at most as many columns as the drawing can show.
func columnsOf(series []Point) []column {
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

func axesOf(series []Point, columns []column) axes {
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
	full := clockTime(at)
	if step >= time.Second {
		return full[:len(full)-3]
	}
	return full
}

func drawSeams(b *strings.Builder, a axes, seams []Seam) {
	few := len(seams) <= maxKeyframeLines
	for i, s := range seams {
		at := time.Duration(s.At)
		if i == 0 || at < a.from || at > a.to || !s.Restart && !few {
			continue
		}
		class := "key"
		if s.Restart {
			class = "seam"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", class, a.x(at), a.x(at), plotTop, plotTop+innerHeight)
	}
}

func drawSeries(b *strings.Builder, a axes, columns []column) {
	var upper, lower, line strings.Builder
	for i, c := range columns {
		fmt.Fprintf(&upper, "%.1f,%.1f ", a.x(c.at), a.y(c.high))
		d := columns[len(columns)-1-i]
		fmt.Fprintf(&lower, "%.1f,%.1f ", a.x(d.at), a.y(d.low))
		fmt.Fprintf(&line, "%.1f,%.1f ", a.x(c.at), a.y(c.mean))
	}
	fmt.Fprintf(b, `<polygon class="band" points="%s%s"/>`+"\n", upper.String(), lower.String())
	fmt.Fprintf(b, `<polyline class="line" points="%s"/>`+"\n", line.String())
}

// drawMarks marks the lowest frame and the wrong and broken frames.
func drawMarks(b *strings.Builder, a axes, p *Video) {
	cross := func(at time.Duration) {
		fmt.Fprintf(b, `<path class="bad" d="M%.1f %dl8 8m0 -8l-8 8"/>`+"\n", a.x(at)-4, plotTop-10)
	}
	for i, w := range p.Wrong {
		if i < innerWidth {
			cross(time.Duration(w.At))
		}
	}
	for i, w := range p.Broken {
		if i < innerWidth {
			cross(time.Duration(w.At))
		}
	}
	low := p.PSNR.Min
	x, y := a.x(time.Duration(low.At)), a.y(low.Value)
	anchor, dx := "start", 6.0
	if x > plotLeft+innerWidth*3/4 {
		anchor, dx = "end", -6
	}
	fmt.Fprintf(b, `<circle class="low" cx="%.1f" cy="%.1f" r="4.5"/>`, x, y)
	fmt.Fprintf(b, `<text class="lowtext" x="%.1f" y="%.1f" text-anchor="%s">%.2f dB, frame %d</text>`+"\n", x+dx, y+18, anchor, low.Value, low.Frame)
}

func drawLegend(b *strings.Builder, p *Video) {
	keys, starts := 0, 0
	for i, s := range p.Seams {
		switch {
		case i == 0:
		case s.Restart:
			starts++
		default:
			keys++
		}
	}
	text := fmt.Sprintf("mean %.2f dB, lowest %.2f dB, %s", p.PSNR.Mean, p.PSNR.Min.Value, plural(p.OutputFrames, "frame"))
	fmt.Fprintf(b, `<text class="soft" x="%d" y="44">%s</text>`, plotLeft, text)
	x := plotWidth - plotRight
	entry := func(class, text string, n int) {
		if n == 0 {
			return
		}
		x -= 7*len(text) + 34
		fmt.Fprintf(b, `<line class="%s" x1="%d" x2="%d" y1="40" y2="40" stroke-width="1.5"/>`, class, x, x+22)
		fmt.Fprintf(b, `<text class="soft" x="%d" y="44">%s</text>`+"\n", x+27, text)
	}
	if keys > maxKeyframeLines-starts {
		keys = 0
	}
	entry("key", "keyframe", keys)
	entry("seam", "encoder start", starts)
	entry("bad", "wrong frame", len(p.Wrong)+len(p.Broken))
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
