package film

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/film/sizing"
	"github.com/mapreel/mapreel/pkg/media"
)

// Bytes is a size. In JSON it is a number, or a string such as "700M".
type Bytes int64

// Limits of the size of a file.
const (
	minFileSize = 10_000
	maxFileSize = 10_000_000_000_000
)

// ParseBytes parses "700M", "1.5G" or "800000": a whole number of bytes, at least 1.
func ParseBytes(s string) (Bytes, error) {
	v, ok := parseAmount(s, "kMG", maxFileSize)
	if !ok {
		return 0, fmt.Errorf("%.40q is not a size such as 700M", s)
	}
	return Bytes(v), nil
}

func (b *Bytes) UnmarshalJSON(data []byte) (err error) {
	*b, err = unmarshalAmount(data, ParseBytes, maxFileSize, "bytes", "700M")
	return err
}

// String returns the size as short as it can be written: "700M".
func (b Bytes) String() string {
	for _, u := range []struct {
		of   Bytes
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if b%u.of == 0 && b > 0 {
			return strconv.FormatInt(int64(b/u.of), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText returns the text form, such as "700M".
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// PassKind and SharesKind are the kinds of units that come before the segments where a rendition has a bit rate or its file a size:
// a fast first pass over each segment, and the one unit that shares out the bytes.
const (
	PassKind   = "pass"
	SharesKind = "shares"
)

// Names of their phases.
const (
	PassPhase   = "first-pass"
	SharesPhase = "shares"
)

// PassUnit returns the name of the unit that makes the first pass over segment i.
func PassUnit(i int) string { return fmt.Sprintf("%s/%05d", PassKind, i) }

// SharesUnit is the name of the unit that shares out the bytes.
const SharesUnit = SharesKind + "/film"

// PassFacts are the facts of a first pass.
type PassFacts struct {
	Duration   media.Ticks    `json:"duration"` // microseconds
	Frames     int            `json:"frames"`
	Renditions []sizing.Curve `json:"renditions"` // as in Job.Renditions; null where the rendition has its own CRF
}

// SharesFacts are the facts of the unit that shares out the bytes.
type SharesFacts struct {
	Renditions []sizing.Share `json:"renditions"` // as in Job.Renditions; zero where the rendition has its own CRF
}

// Sized reports whether the bytes of the rendition are shared out among its segments.
func (r Rendition) Sized() bool { return r.Bitrate > 0 || r.FileSize > 0 }

// Sized reports whether the bytes of any rendition are.
func (j Job) Sized() bool { return slices.ContainsFunc(j.Renditions, Rendition.Sized) }

// SizesFile reports whether an output has a size, so that its audio has to be known before its video.
func (j Job) SizesFile() bool {
	return slices.ContainsFunc(j.Renditions, func(r Rendition) bool { return r.FileSize > 0 })
}

// FileOf returns the output whose size decides on the bytes of a rendition.
func (j Job) FileOf(r Rendition) (OutputPlan, bool) {
	for _, out := range j.Outputs {
		if out.File == r.SizedFile {
			return out, true
		}
	}
	return OutputPlan{}, false
}

// minBitrate is the lowest average bit rate of a video.
const minBitrate = 20_000

// checkBitrate returns the problems of the bit rate of a rendition and of the size of its file. at is the rendition's pointer.
func (v Video) checkBitrate(at string, size Bytes, gpu bool) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{pointer, fmt.Sprintf(format, args...)})
	}
	if v.Bitrate == 0 && size == 0 {
		return nil
	}
	field, what := at+"/bitrate", "the bit rate"
	if v.Bitrate == 0 {
		field, what = strings.TrimSuffix(at, "/video/0")+"/targetSize", "the size"
	}
	if v.Bitrate != 0 && v.Bitrate < minBitrate {
		add(field, "%v is less than %v", v.Bitrate, Bitrate(minBitrate))
	}
	if v.Bitrate != 0 && size != 0 {
		add(field, "the size of the file decides on the bit rate; leave out one of the two")
	}
	if v.CRF != nil {
		add(field, "each segment finds the CRF that gives %s; leave out crf", what)
	}
	if v.Quality != nil {
		add(field, "%s decides on the quality; leave out one of the two", what)
	}
	if v.MaxBitrate != 0 && v.Bitrate > v.MaxBitrate {
		add(field, "%v is above maxBitrate, %v", v.Bitrate, v.MaxBitrate)
	}
	if gpu {
		add(field, "encoders on a GPU have no CRF with which segments could be made equally good; leave out gpu")
	}
	return ps
}

// checkTargetSize returns the problems of the size of a file. at is the output's pointer.
func (o Output) checkTargetSize(at string) (ps Problems) {
	if o.TargetSize == 0 {
		return nil
	}
	at += "/targetSize"
	switch {
	case o.Container.Packaged():
		ps = append(ps, Problem{at, "a package has several renditions, of which players load one; set the bitrate of each"})
	case o.Container.Preview() || o.Container == Frames:
		ps = append(ps, Problem{at, "only a file of a film can have a size"})
	case o.TargetSize < minFileSize:
		ps = append(ps, Problem{at, fmt.Sprintf("%v is less than %v", o.TargetSize, Bytes(minFileSize))})
	}
	return ps
}

// BitrateReport says how near a rendition came to its bit rate, or to its share of the file.
type BitrateReport struct {
	Wanted  Bitrate `json:"wanted"`
	Bitrate Bitrate `json:"bitrate"`
	MinCRF  float64 `json:"minCRF"` // of the segments
	MaxCRF  float64 `json:"maxCRF"`
	Probes  int     `json:"probes"` // how often segments were encoded
}

// tolerated is by how much a rendition may miss its bit rate before the job says so, in percent.
const tolerated = 2

// Warning says that the rendition missed its bit rate; "" where it did not.
func (b *BitrateReport) Warning(name string) string {
	if b == nil || b.Wanted == 0 {
		return ""
	}
	if percent := math.Abs(float64(b.Bitrate)/float64(b.Wanted)-1) * 100; percent <= tolerated {
		return ""
	}
	return fmt.Sprintf("the video of %s has %v bit/s instead of %v: its segments came no nearer, at CRF %v to %v", name, b.Bitrate, b.Wanted, b.MinCRF, b.MaxCRF)
}

// BitrateOf returns how near rendition r came to its bit rate; nil where it has none.
func (j Job) BitrateOf(r int, segments []SegmentFacts) *BitrateReport {
	if !j.Renditions[r].Sized() {
		return nil
	}
	var b BitrateReport
	var got, wanted, duration float64
	for _, s := range segments {
		if r >= len(s.Chunks) || s.Chunks[r].Sizing == nil {
			continue
		}
		f := s.Chunks[r].Sizing
		crf := f.Probe.CRF
		if b.Probes == 0 || crf < b.MinCRF {
			b.MinCRF = crf
		}
		b.MaxCRF = max(b.MaxCRF, crf)
		b.Probes += len(f.Probes)
		got, wanted, duration = got+float64(f.Probe.Bytes), wanted+f.Wanted, duration+float64(f.Duration)/1e6
	}
	if b.Probes == 0 || duration <= 0 {
		return nil
	}
	b.Bitrate, b.Wanted = Bitrate(math.Round(got*8/duration)), Bitrate(math.Round(wanted*8/duration))
	return &b
}
