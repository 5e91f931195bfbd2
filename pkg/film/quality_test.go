package film_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestTheReportNamesTheWorstSegment(t *testing.T) {
	t.Parallel()
	q := target.Quality{Metric: target.XPSNR, Target: 42, Min: 18, Max: 36}
	j := film.Job{
		Source:     film.Source{Video: &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 1000}}},
		Renditions: []film.Rendition{{Codec: film.H264, CRF: 21}, {Codec: film.H264, Quality: q}},
	}
	segment := func(first media.Ticks, frames int, crf, mean float64) film.SegmentFacts {
		p := target.Probe{CRF: crf, Mean: mean, Worst: mean - 2}
		return film.SegmentFacts{Chunks: []film.Chunk{{}, {Frames: frames, First: first, Quality: &film.QualityFacts{Probe: p, Probes: []target.Probe{{}, p}}}}}
	}
	facts := []film.SegmentFacts{segment(0, 100, 24.25, 42), {Chunks: []film.Chunk{{}, {}}}, segment(4000, 300, 18, 40), segment(16000, 100, 36, 100)}
	if r := j.QualityOf(0, facts, 1); r != nil {
		t.Errorf("a rendition with a CRF: %+v", r)
	}
	r := j.QualityOf(1, facts, 1)
	if r == nil || r.Mean != (4200+12000+10000)/500.0 || r.Worst != 40 || time.Duration(r.At) != 4*time.Second || r.MinCRF != 18 || r.MaxCRF != 36 ||
		r.Probes != 6 || r.Missed != 1 || r.Frames != 500 || len(r.Segments) != 3 {
		t.Errorf("%+v", r)
	}
	if w := r.Warning("film.mp4"); w != "1 segment of film.mp4 stays below the target of xpsnr 42.00 dB, the worst with 40.00 dB at 4s: allow a lower CRF, or a higher bit rate" {
		t.Errorf("warning %q", w)
	}
	var many []film.SegmentFacts
	for i := range 2000 {
		many = append(many, segment(media.Ticks(i)*1000, 10, 20, 42+float64(i%7)/100))
	}
	r = j.QualityOf(1, many, 3)
	for i, s := range r.Segments {
		if s.Mean > 42 || i > 0 && s.Start <= r.Segments[i-1].Start {
			t.Fatalf("segment %d of those that are listed: %+v", i, s)
		}
	}
	if len(r.Segments) != film.MaxQualitySegments/3 || r.Probes != 4000 || strings.Contains(r.Warning("a"), "segment") {
		t.Errorf("%d segments are listed, %d probes, %q", len(r.Segments), r.Probes, r.Warning("a"))
	}
}
