package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// panel is a plot of one quantity for each of foretellings. Both axes are logarithmic.
type panel struct {
	title, axis string
	x           []int
	y           [][]float64
}

func newPanel(title, axis string, x []int) *panel {
	p := &panel{title: title, axis: axis, x: x}
	for range foretellings {
		p.y = append(p.y, make([]float64, len(x)))
	}
	return p
}

func (p *panel) set(line, i int, value float64) { p.y[line][i] = value }

// Sizes of a drawing, in pixels.
const (
	panelWidth, panelHeight   = 380, 260
	left, top, between, below = 60, 60, 90, 50
)

// colours tell lines apart for most people who do not see all colours.
var colours = []string{"#0072b2", "#d55e00", "#009e73"}

// drawing returns panels side by side, as SVG.
func drawing(panels ...*panel) []byte {
	var b bytes.Buffer
	width := left + len(panels)*(panelWidth+between) - between + 30
	height := top + panelHeight + below
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	for i, f := range foretellings {
		x := left + i*250
		fmt.Fprintf(&b, `<path d="M%d 20h24" stroke="%s" stroke-width="2.5"/><text x="%d" y="24">%s</text>`+"\n", x, colours[i], x+30, f.name)
	}
	for i, p := range panels {
		p.draw(&b, left+i*(panelWidth+between), top)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// draw draws one panel.
func (p *panel) draw(b *bytes.Buffer, x0, y0 int) {
	low, high := math.Inf(1), 0.0
	for _, line := range p.y {
		for _, v := range line {
			low, high = min(low, v), max(high, v)
		}
	}
	bottom, ceiling := math.Log(low/1.15), math.Log(high*1.15)
	first, last := math.Log(float64(p.x[0])), math.Log(float64(p.x[len(p.x)-1]))
	px := func(v int) float64 {
		return float64(x0) + (math.Log(float64(v))-first)/(last-first)*panelWidth
	}
	py := func(v float64) float64 {
		return float64(y0) + (1-(math.Log(v)-bottom)/(ceiling-bottom))*panelHeight
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#999"/><text x="%d" y="%d" font-weight="bold">%s</text>`+"\n",
		x0, y0, panelWidth, panelHeight, x0, y0-8, p.title)
	for _, v := range p.x {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", px(v), y0+panelHeight+18, v)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x0+panelWidth/2, y0+panelHeight+40, p.axis)
	for _, v := range ticks(math.Exp(bottom), math.Exp(ceiling)) {
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#e5e5e5"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			x0, py(v), panelWidth, x0-6, py(v)+4, strconv.FormatFloat(v, 'g', 4, 64))
	}
	for i, line := range p.y {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2.5" points="`, colours[i])
		for k, v := range line {
			fmt.Fprintf(b, "%.1f,%.1f ", px(p.x[k]), py(v))
		}
		b.WriteString(`"/>` + "\n")
	}
}

// ticks returns 1, 2 and 5 times the powers of ten between two values.
func ticks(low, high float64) (list []float64) {
	for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * math.Pow(10, power); v >= low && v <= high {
				list = append(list, v)
			}
		}
	}
	return list
}
