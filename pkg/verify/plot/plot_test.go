package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/verify"
)

// report returns the report of a film of 200 frames.
func report() verify.Report {
	v := &verify.Video{SourceFrames: 200, OutputFrames: 200, Compared: "yes", PSNR: verify.Measure{Mean: 40, Min: verify.Worst{Value: 38, Frame: 3, At: at(3)}}}
	for i := range 200 {
		v.Series = append(v.Series, verify.Point{At: time.Duration(at(i)), PSNR: 40 + float32(i%3)})
	}
	v.Seams = []verify.Seam{{At: 0}, {At: at(50)}, {At: at(100)}}
	return verify.Report{Source: "/in/a.mkv", Output: "/out/<a>.mp4", Video: v}
}

func at(frame int) film.Seconds { return film.Seconds(time.Duration(frame) * 40 * time.Millisecond) }

func TestRangesAreDrawnAndTheLegendNamesWhatIsDrawn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(r *verify.Report)
		class  string // drawn
		want   int    // how often, without the legend
		legend string
	}{
		{"nothing wrong", func(*verify.Report) {}, "bad", 0, "wrong or broken frames"},
		{"no edits", func(*verify.Report) {}, "edit", 0, "missing or added frames"},
		{"keyframes", func(*verify.Report) {}, "key", 2, "keyframe"},
		{"no seams", func(*verify.Report) {}, "seam", 0, "segments meet"},
		{"seams", func(r *verify.Report) { r.Video.Seams[1].Joined = true }, "seam", 1, "segments meet"},
		{"ranges", func(r *verify.Report) {
			for i := range 30 {
				r.Video.Wrong = append(r.Video.Wrong, verify.Wrong{Frame: 20 + i, At: at(20 + i)})
			}
			r.Video.Broken = []verify.Broken{{Frame: 25, At: at(25)}, {Frame: 90, At: at(90)}}
		}, "bad", 2, "wrong or broken frames"},
		{"edits", func(r *verify.Report) {
			r.Video.Edits = []verify.Edit{{Kind: verify.Missing, First: 100, Last: 140, At: at(100), Until: at(140)}}
		}, "edit", 1, "missing or added frames"},
		{"a target quality", func(r *verify.Report) {
			r.Video.Quality = &film.QualityReport{Metric: target.XPSNR, Target: 42, Segments: []film.SegmentQuality{{CRF: 21.25, Mean: 42.1}, {Start: at(100), CRF: 30, Mean: 41.9}}}
		}, "aim", 2, "xpsnr of each segment, target 42.00 dB"},
		{"another encode", func(r *verify.Report) { r.Against = report().Video }, "other", 1, "other encode, mean 40.00 dB"},
	} {
		r := report()
		c.change(&r)
		svg := string(Draw(r))
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: not XML: %v", c.name, err)
			}
		}
		named := strings.Count(svg, ">"+c.legend+"</text>")
		if got := strings.Count(svg, `class="`+c.class+`"`) - named; got != c.want {
			t.Errorf("%s: %s is drawn %d times, want %d", c.name, c.class, got, c.want)
		}
		if want := min(c.want, 1); named != want {
			t.Errorf("%s: the legend names it %d times, want %d", c.name, named, want)
		}
	}
}
