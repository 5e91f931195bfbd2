package plot

import (
	"fmt"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
)

// minLabelWidth is how wide a segment must be drawn to get a label, in SVG units.
const minLabelWidth = 52

// steps returns the XPSNR of the segments, for the axis; nil where they were measured otherwise.
func steps(q *film.QualityReport) (list []column) {
	if q == nil || q.Metric != target.XPSNR {
		return nil
	}
	for _, s := range q.Segments {
		list = append(list, column{time.Duration(s.Start), s.Mean, s.Mean, s.Mean})
	}
	return list
}

// drawTarget draws the quality and the CRF that each segment found: XPSNR as a step, in dB like PSNR, and both as text where there is room.
func drawTarget(b *strings.Builder, a axes, q *film.QualityReport, l *legend) {
	if q == nil {
		return
	}
	drawn := 0
	for i, s := range q.Segments {
		from, to := time.Duration(s.Start), a.to
		if i+1 < len(q.Segments) {
			to = time.Duration(q.Segments[i+1].Start)
		}
		if from > a.to || to <= a.from {
			continue
		}
		left, right := a.x(max(from, a.from)), a.x(min(to, a.to))
		if q.Metric == target.XPSNR {
			fmt.Fprintf(b, `<line class="aim" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", left, right, a.y(s.Mean), a.y(s.Mean))
			drawn++
		}
		if right-left >= minLabelWidth {
			middle := (left + right) / 2
			fmt.Fprintf(b, `<text class="soft" x="%.1f" y="%d" text-anchor="middle" font-size="10">CRF %v</text>`, middle, plotTop+innerHeight-18, s.CRF)
			fmt.Fprintf(b, `<text class="soft" x="%.1f" y="%d" text-anchor="middle" font-size="10">%s</text>`+"\n", middle, plotTop+innerHeight-6, q.Metric.Format(s.Mean))
		}
	}
	l.line("aim", fmt.Sprintf("%s of each segment, target %s", q.Metric, q.Metric.Format(q.Target)), drawn)
}
