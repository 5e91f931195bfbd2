package film

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film/target"
)

// QualityFacts say how a segment found its CRF.
type QualityFacts struct {
	target.Probe                // the one that was kept
	Probes       []target.Probe `json:"probes"` // all, in their order
}

// QualityRange returns the CRF of a codec for a search. The encoders of H.264 and H.265 take fractions; those of VP9 and AV1 take whole
// numbers, in ffmpeg 5.1.
func (c VideoCodec) QualityRange() target.Range {
	switch c {
	case H264, H265:
		return target.Range{Low: 8, High: 44, Top: c.MaxCRF(), Step: 0.25, Middle: 26, Slope: 1}
	case AV1: // measured with SVT-AV1 1.4 at presets 8 to 12
		return target.Range{Low: 10, High: 60, Top: c.MaxCRF(), Step: 1, Middle: 48, Slope: 0.57, Level: target.Level{Of: av1Level, CRF: av1CRF}}
	}
	return target.Range{Low: 10, High: 60, Top: c.MaxCRF(), Step: 1, Middle: 32, Slope: 0.8}
}

// av1Level returns the size in dB of the quantiser's steps at a CRF of SVT-AV1, about. Its CRF is a quarter of AV1's quantiser index. The step
// for AC coefficients of 8 bits is the index and 7 up to the index 96, and about exponential beyond (AV1 specification, 7.12.2).
func av1Level(crf float64) float64 {
	return 20*math.Log10(4*min(crf, av1Bend)+7) + av1Steep*max(crf-av1Bend, 0)
}

// av1CRF is the inverse of av1Level.
func av1CRF(level float64) float64 {
	if beyond := level - av1Level(av1Bend); beyond > 0 {
		return av1Bend + beyond/av1Steep
	}
	return (math.Pow(10, level/20) - 7) / 4
}

const (
	av1Bend  = 24   // CRF
	av1Steep = 0.56 // dB for each step of CRF beyond
)

// drafts are the faster presets with which searches begin. Their offsets were measured on real footage with the default presets, at 240
// and at 480 lines.
var drafts = map[VideoCodec]struct {
	preset       string
	small, large float64  // offset at draftTarget up to draftLines, and from twice as many
	gain         float64  // see target.Draft
	slow         []string // presets that take so long that a draft saves more than it costs
}{
	H264: {"veryfast", 1.45, 1.75, 1, slowPresets},
	H265: {"superfast", 1.6, 1.5, 1, slowPresets},
	AV1:  {"12", 1.45, 1.45, 1.22, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}},
}

const (
	draftLines  = 240  // between it and twice as many, the offset is interpolated
	draftTarget = 38.5 // dB of XPSNR; the offset is larger at a higher target where there is a gain
)

var slowPresets = []string{"medium", "slow", "slower", "veryslow", "placebo"}

// Search returns how a rendition with a target finds its CRF in a segment.
func (r Rendition) Search() target.Search {
	s := r.Quality.Search(r.Codec.QualityRange())
	d := drafts[r.Codec]
	if !slices.Contains(d.slow, r.Preset) {
		return s
	}
	between := min(max(float64(min(r.Width, r.Height))/draftLines-1, 0), 1)
	offset := d.small + between*(d.large-d.small) + (1-1/d.gain)*(s.Quality.Target-draftTarget)
	return s.WithDraft(target.Draft{Preset: d.preset, Offset: offset, Gain: d.gain})
}

// checkQuality returns the problems of a rendition's target. at is its pointer.
func (v Video) checkQuality(at string, codec VideoCodec, gpu bool) (ps Problems) {
	if v.Quality == nil {
		return nil
	}
	for _, p := range v.Quality.Check(codec.QualityRange()) {
		ps = append(ps, Problem{at + "/quality" + p.Field, p.Message})
	}
	if v.CRF != nil {
		ps = append(ps, Problem{at + "/quality", "each segment finds its own CRF; leave out crf, or say what it may be with quality's min and max"})
	}
	if v.Interlaced == KeepInterlaced {
		ps = append(ps, Problem{at + "/quality", "the quality of interlaced frames is not measured; leave out interlaced: keep"})
	}
	if v.Grain != 0 {
		ps = append(ps, Problem{at + "/quality", "the grain that players add would count as an error; leave out grain"})
	}
	if gpu {
		ps = append(ps, Problem{at + "/quality", "encoders on a GPU have no CRF; leave out gpu"})
	}
	return ps
}

// WantsMetric reports whether a rendition of the job is measured by m.
func (j Job) WantsMetric(m target.Metric) bool {
	for _, r := range j.Renditions {
		if r.Quality.Metric == m {
			return true
		}
	}
	return false
}

// QualityReport says how good a rendition with a target became.
type QualityReport struct {
	Metric target.Metric `json:"metric"`
	Target float64       `json:"target"`
	Mean   float64       `json:"mean"`   // of all frames
	Worst  float64       `json:"worst"`  // the mean of the worst segment
	At     Seconds       `json:"at"`     // where that begins
	MinCRF float64       `json:"minCRF"` // of the segments
	MaxCRF float64       `json:"maxCRF"`
	Probes int           `json:"probes"` // how often segments were encoded, without drafts
	Drafts int           `json:"drafts"` // how often segments were encoded with a faster preset, to begin the search
	Missed int           `json:"missed"` // segments that stayed below the target, because the lowest CRF or the limit of the bit rate is too high
	Frames int           `json:"frames"`
	// Segments are those of the rendition in their order; the worst of them where there are more than MaxQualitySegments.
	Segments []SegmentQuality `json:"segments"`
}

// Warning says which segments missed the target of a rendition; "" where none did.
func (q *QualityReport) Warning(name string) string {
	if q == nil || q.Missed == 0 {
		return ""
	}
	some, stay := "1 segment", "stays"
	if q.Missed > 1 {
		some, stay = fmt.Sprintf("%d segments", q.Missed), "stay"
	}
	return fmt.Sprintf("%s of %s %s below the target of %s %s, the worst with %s at %v: allow a lower CRF, or a higher bit rate", some, name, stay, q.Metric,
		q.Metric.Format(q.Target), q.Metric.Format(q.Worst), time.Duration(q.At).Round(time.Second))
}

// SegmentQuality says how good a segment became.
type SegmentQuality struct {
	Start Seconds `json:"start"` // on the output's timeline
	CRF   float64 `json:"crf"`
	Mean  float64 `json:"mean"`
	Worst float64 `json:"worst"` // of a frame
}

// MaxQualitySegments bounds QualityReport.Segments over the renditions of an output: the outcome of a job must fit into a payload of
// Step Functions.
const MaxQualitySegments = 600

// QualityOf returns how good rendition r became; nil where it has no target. renditions is how many an output has.
func (j Job) QualityOf(r int, segments []SegmentFacts, renditions int) *QualityReport {
	wanted := j.Renditions[r].Quality
	if wanted == (target.Quality{}) || j.Source.Video == nil {
		return nil
	}
	q := QualityReport{Metric: wanted.Metric, Target: wanted.Target}
	search := j.Renditions[r].Search()
	base := j.Renditions[r].OutputTimebase(*j.Source.Video)
	sum := 0.0
	for _, s := range segments {
		if r >= len(s.Chunks) || s.Chunks[r].Quality == nil {
			continue
		}
		c := s.Chunks[r]
		found := c.Quality.Probe
		one := SegmentQuality{Start: Seconds(base.Duration(c.First)), CRF: found.CRF, Mean: found.Mean, Worst: found.Worst}
		if len(q.Segments) == 0 || one.Mean < q.Worst {
			q.Worst, q.At = one.Mean, one.Start
		}
		if len(q.Segments) == 0 || one.CRF < q.MinCRF {
			q.MinCRF = one.CRF
		}
		q.MaxCRF = max(q.MaxCRF, one.CRF)
		for _, p := range c.Quality.Probes {
			if p.Draft {
				q.Drafts++
			} else {
				q.Probes++
			}
		}
		if search.Short(found.Mean) {
			q.Missed++
		}
		sum += found.Mean * float64(c.Frames)
		q.Frames += c.Frames
		q.Segments = append(q.Segments, one)
	}
	if q.Frames == 0 {
		return nil
	}
	q.Mean = sum / float64(q.Frames)
	if limit := MaxQualitySegments / max(renditions, 1); len(q.Segments) > limit {
		slices.SortStableFunc(q.Segments, func(a, b SegmentQuality) int { return cmp.Compare(a.Mean, b.Mean) })
		q.Segments = q.Segments[:limit]
		slices.SortFunc(q.Segments, func(a, b SegmentQuality) int { return cmp.Compare(a.Start, b.Start) })
	}
	return &q
}
